import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { runCli } from '../../src/cli/cli.ts'
import { createControlClient } from '../../src/control/client.ts'
import type { Hub } from '../../src/index.ts'
import { createHub, defineConfig, defineEvent, defineFlow, httpSystem, postgres } from '../../src/index.ts'
import { databaseUrl } from '../scenario/rig.ts'

const schema = `replay_cli_${randomBytes(6).toString('hex')}`
const placed = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string() }),
  key: (order) => order.number,
})
let target: Server
let hub: Hub
/** Orders that the ERP refuses. */
const refused = new Set<string>()
/** What the ERP got, with its idempotency key. */
const got: { readonly number: string; readonly key: string }[] = []
let tax = 'none'

beforeAll(async () => {
  target = createServer((incoming, response) => {
    let body = ''
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString()))
    incoming.on('end', () => {
      const { number } = JSON.parse(body) as { number: string }
      got.push({ number, key: String(incoming.headers['idempotency-key']) })
      response.writeHead(refused.has(number) ? 422 : 200, { 'content-type': 'application/json' })
      response.end('{}')
    })
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  const baseUrl = `http://127.0.0.1:${(target.address() as AddressInfo).port}`
  const flow = defineFlow('book', { start: 'beginning', capture: true })
    .on(placed)
    .step('sale', httpSystem({ name: 'erp', baseUrl }), {
      run: ({ event, call }) => call.post('/sales', { ...event.data, tax }),
    })
  const journal = postgres({ url: databaseUrl, schema })
  const http = { port: 0, unauthenticated: true }
  hub = createHub(defineConfig({ journal, flows: [flow], http }), { migrate: true, log: 'silent' })
  await hub.start()
  for (const number of ['A', 'B', 'C', 'D']) await hub.publish(placed, { number }, { id: number })
})

afterAll(async () => {
  await hub.stop()
  target.closeAllConnections()
  await new Promise((resolve) => target.close(resolve))
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  await client.end()
})

interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
  readonly bars: readonly string[]
}

/** Runs a command line in this process; with an answer, a person sits before it. */
async function busbar(args: readonly string[], answer?: string): Promise<Said> {
  const out: string[] = []
  const err: string[] = []
  const bars: string[] = []
  const terminal = {
    out: (line: string) => void out.push(line),
    err: (line: string) => void err.push(line),
    colour: false,
    width: Number.POSITIVE_INFINITY,
    ...(answer !== undefined && {
      ask: (question: string) => {
        out.push(question)
        return Promise.resolve(answer)
      },
      progress: (line: string) => void bars.push(line),
    }),
  }
  const code = await runCli(['--url', hub.url, ...args], terminal)
  process.exitCode = undefined
  return { code, out: out.join('\n'), err: err.join('\n'), bars }
}

async function runsIn(state: string): Promise<number> {
  const { out } = await busbar(['runs', '--state', state, '--limit', '200', '--json'])
  return (JSON.parse(out) as { items: unknown[] }).items.length
}

it('insists on a selection, a choice of keys, a reason, and somebody who agrees', async () => {
  await expect.poll(() => runsIn('succeeded'), { timeout: 20_000 }).toBe(4)
  const base = ['replay', 'book', '--reason', 'x', '--yes']
  expect((await busbar([...base, '--all'])).err).toContain('say --same-keys')
  expect((await busbar([...base, '--all', '--same-keys', '--new-keys'])).code).toBe(2)
  const unfiltered = await busbar([...base, '--new-keys'])
  expect(unfiltered).toMatchObject({ code: 2 })
  expect(unfiltered.err).toContain('without a filter every event would be replayed')
  expect(await busbar(['replay', 'book', '--all', '--new-keys', '--yes'])).toMatchObject({ code: 2 })
  expect((await busbar(['replay', 'book', '--all', '--new-keys', '--reason', 'x'])).err).toContain(
    'nobody to ask',
  )
  for (const wrong of [
    ['--rate', '0'],
    ['--max-errors', '200%'],
    ['--state', 'parked'],
    ['--from', 'soon'],
    ['--sample', '101'],
  ])
    expect(await busbar([...base, '--all', '--new-keys', ...wrong]), wrong.join(' ')).toMatchObject({
      code: 2,
    })
  expect(await busbar(['replay', 'nothing', '--all', '--new-keys', '--reason', 'x', '--yes'])).toMatchObject({
    code: 3,
  })
  expect((await busbar(['replays'])).out).toBe('no replays')
})

it('shows the plan with what would differ, and does nothing without a yes', async () => {
  tax = 'DE19'
  const before = got.length
  const said = await busbar(
    ['replay', 'book', '--key-of', 'A', '--new-keys', '--reason', 'tax was missing'],
    'n',
  )
  expect(said.code).toBe(4)
  expect(said.out).toMatch(/events +1\n/)
  expect(said.out).toContain('! 1 run had succeeded: with new keys, each of them is done a second time')
  expect(said.out).toContain('of 1 request compared, 1 would differ, 0 are the same')
  expect(said.out).toContain('  /tax\n  - none\n  + DE19')
  expect(said.out).toMatch(/nothing was done$/)
  expect(got).toHaveLength(before)
  expect((await busbar(['replays'])).out).toMatch(/1 +book +cancelled/)
})

it('replays with the same keys when it is told to, and shows how it goes on', async () => {
  const said = await busbar(
    ['replay', 'book', '--from', '1h', '--state', 'succeeded', '--same-keys', '--reason', 'x'],
    'y',
  )
  expect(said.code).toBe(0)
  expect(said.out).toMatch(/replay 2 of book is through\n4 succeeded$/)
  expect(said.bars[0]).toMatch(/^\[·+\] 0 of 4/)
  expect(got).toHaveLength(8)
  expect(new Set(got.map(({ key }) => key)).size).toBe(4)
  const shown = await busbar(['replays', '2'])
  expect(shown.out).toContain('the same as before')
  expect(shown.out).toMatch(/book\/1\/1 +A +succeeded +succeeded/)
  expect((await busbar(['replays', 'list', '2', '--outcome', 'failed'])).out).toContain('no such items')
  expect((await busbar(['runs', 'book/1/1'])).out).toMatch(/state +succeeded/)
})

it('can be planned by one and started by another, stops for its errors, and is resumed or cancelled', async () => {
  refused.add('A')
  const planned = await busbar(['replay', 'book', '--all', '--new-keys', '--plan-only', '--reason', 'x'])
  expect(planned.code).toBe(0)
  expect(planned.out).toContain('begin it with: busbar replays start 3')
  expect((await busbar(['replays', 'start', '3', '--reason', 'checked'])).out).toMatch(/^replay 3 /)
  const followed = await busbar(['replays', 'follow', '3'])
  expect(followed.code).toBe(1)
  expect(followed.out).toContain('has stopped by itself: 1 of 1 runs of stage 1 failed')
  expect(await busbar(['replays', 'pause', '3'])).toMatchObject({ code: 4 })
  expect((await busbar(['status'])).code).toBe(1)
  refused.clear()
  await busbar(['retry', 'book/1/2'])
  await busbar(['replays', 'resume', '3'])
  expect(await busbar(['replays', 'follow', '3', '--json'])).toMatchObject({ code: 0 })
  expect(new Set(got.map(({ key }) => key)).size).toBe(8)
  expect(await busbar(['replays', 'cancel', '3'])).toMatchObject({ code: 4 })
  expect(await busbar(['replays', '99'])).toMatchObject({ code: 3 })
  expect(await busbar(['replays', 'all'])).toMatchObject({ code: 2 })
})

it('goes on in busbar when the one who watches it leaves', async () => {
  const watching = busbar(['replay', 'book', '--all', '--new-keys', '--rate', '1', '--reason', 'x', '--yes'])
  // Beside it, not by the command line: that has one exit code for the whole process.
  const control = createControlClient({ url: hub.url })
  const newest = async () => (await control.listReplays()).items[0]
  await expect.poll(newest, { timeout: 10_000 }).toMatchObject({ id: 4, state: 'running' })
  await expect.poll(() => process.listenerCount('SIGINT')).toBeGreaterThan(0)
  process.emit('SIGINT')
  const left = await watching
  expect(left.code).toBe(0)
  expect(left.out).toContain('it goes on without you; see it with: busbar replays list 4')
  expect(await busbar(['replays', 'follow', '4'])).toMatchObject({ code: 0 })
}, 30_000)
