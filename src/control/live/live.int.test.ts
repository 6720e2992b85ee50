import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ControlRig } from '../../../test/scenario/control-rig.ts'
import { openControlRig } from '../../../test/scenario/control-rig.ts'
import { flowOn, StubSystem } from '../../../test/scenario/rig.ts'
import { accessSettings } from '../../define/access-config.ts'
import { FinalError } from '../../errors.ts'

let rig: ControlRig
let url: string
let looks: number
beforeEach(async () => {
  looks = 0
  rig = await openControlRig((database) => ({
    database: () => ({
      ...database,
      query: (ask) => {
        if ('name' in ask && ask.name === 'live-marks') looks++
        return database.query(ask)
      },
    }),
    authenticate: (key) =>
      key === 'reader'
        ? { id: 'reader', scopes: ['read'] }
        : key === 'shop'
          ? { id: 'shop', scopes: ['publish'] }
          : undefined,
  }))
  url = await rig.app.listen({ host: '127.0.0.1', port: 0 })
})
afterEach(async () => {
  expect(rig.faults).toEqual([])
  await rig.close()
})

interface Stream {
  readonly status: number
  readonly text: () => string
  readonly isOver: () => boolean
  close(): void
}

function watch(key: string, headers: Record<string, string> = {}): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const request = get(
      `${url}/api/v1/live`,
      { headers: { authorization: `Bearer ${key}`, ...headers } },
      (response: IncomingMessage) => {
        let text = ''
        let isOver = false
        response.on('data', (chunk: Buffer) => (text += chunk.toString()))
        response.on('end', () => (isOver = true))
        response.on('error', () => (isOver = true))
        resolve({
          status: response.statusCode ?? 0,
          text: () => text,
          isOver: () => isOver,
          close: () => request.destroy(),
        })
      },
    )
    request.on('error', reject)
  })
}

const told = (stream: Stream, topic: string) =>
  [...stream.text().matchAll(/event: changed\ndata: (.*)\n/g)].some(([, data]) =>
    (JSON.parse(data ?? '') as { topics: string[] }).topics.includes(topic),
  )

it('names what has changed within 2 s, with one look a second for all who watch', async () => {
  const erp = new StubSystem({ name: 'erp' })
  erp.answer = () => {
    throw new FinalError('no tax code')
  }
  await rig.startWorker([flowOn(erp)])
  expect(looks).toBe(0)
  const one = await watch('reader')
  const other = await watch('reader')
  expect(one.status).toBe(200)
  await rig.until(() => looks >= 2)
  const [from, looksBefore] = [performance.now(), looks]

  await rig.publish({ number: 'A', revision: 1 })
  await rig.until(
    () => [one, other].every((stream) => told(stream, 'problems') && told(stream, 'events')),
    3_000,
  )
  expect(performance.now() - from).toBeLessThan(2_500)
  expect(told(one, 'status')).toBe(true)
  expect(told(one, 'audit')).toBe(false)

  await rig.database.query({ text: `SELECT change_pause('system', 'erp', true, 'a', NULL)` })
  await rig.until(() => told(one, 'systems') && told(one, 'audit'), 3_000)
  expect(looks - looksBefore).toBeLessThanOrEqual(Math.ceil((performance.now() - from) / 1_000) + 1)

  one.close()
  other.close()
  await new Promise((resolve) => setTimeout(resolve, 300))
  const rest = looks
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  expect(looks).toBe(rest)
})

it('goes on where a lost connection was', async () => {
  const first = await watch('reader')
  await rig.until(() => looks >= 2)
  await rig.sql(`INSERT INTO audit (actor, verb, object) VALUES ('a', 'b', 'c')`)
  await rig.until(() => told(first, 'audit'), 3_000)
  first.close()
  const id = [...first.text().matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? ''
  await rig.sql(`INSERT INTO problems (fp, system, code, title) VALUES ('x', 'erp', 'x', 'x')`)
  const again = await watch('reader', { 'last-event-id': id })
  await rig.until(() => told(again, 'problems'), 1_000)
  expect(told(again, 'audit')).toBe(false)
  again.close()
})

it('ends for one who may not watch any more', async () => {
  await rig.close()
  const mayRead = new Set<string | undefined>(['reader', 'leaver'])
  rig = await openControlRig(() => ({
    access: { ...accessSettings(), idleMs: 400 }, // asked again every 100 ms
    authenticate: (key) => (mayRead.has(key) ? { id: `${key}`, scopes: ['read'] } : undefined),
  }))
  url = await rig.app.listen({ host: '127.0.0.1', port: 0 })
  const [stays, leaves] = [await watch('reader'), await watch('leaver')]
  mayRead.delete('leaver')
  await rig.until(() => leaves.isOver(), 2_000)
  expect(stays.isOver()).toBe(false)
  stays.close()
})

it('needs the read scope, and ends with the server', async () => {
  expect((await watch('nobody')).status).toBe(401)
  expect((await watch('shop')).status).toBe(403)
  const stream = await watch('reader')
  await rig.app.close()
  await rig.until(() => stream.isOver(), 2_000)
})
