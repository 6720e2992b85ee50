/** The promises of docs/promises.md that no other file names; those under `kill -9` are in test/chaos. */
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import pg from 'pg'
import { request } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createControlClient } from '../../src/control/client.ts'
import { plain } from '../../src/control/sentence.ts'
import { createHub, defineConfig, defineEvent, defineFlow, httpSystem, postgres } from '../../src/index.ts'
import type { Flow, Hub, System } from '../../src/index.ts'
import type { HttpCall } from '../../src/systems/http-call.ts'
import { databaseUrl } from './rig.ts'

const placed = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string(), note: z.string().optional() }),
  key: (order) => order.number,
})

type Handler = (order: { number: string }, response: ServerResponse, incoming: IncomingMessage) => void

let schema: string
let client: pg.Client
const cleanups: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  schema = `promises_${randomBytes(6).toString('hex')}`
  client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
})

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  await client.end()
})

/** A target that does as it is told, and the orders it took. */
async function target(name: string, handle: Handler = ok, options: object = {}) {
  const took: string[] = []
  const server = createServer((incoming, response) => {
    let body = ''
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString()))
    incoming.on('end', () => {
      const order = JSON.parse(body) as { number: string }
      took.push(order.number)
      handle(order, response, incoming)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { took, system: httpSystem({ name, baseUrl, ...options }) }
}

function ok(_order: unknown, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
}

function flowTo(system: System<HttpCall>): Flow {
  return defineFlow(`to-${system.name}`, { start: 'beginning' })
    .on(placed)
    .step('send', system, { run: ({ event, call }) => call.post('/orders', event.data) })
}

async function startHub(flows: readonly Flow[]): Promise<Hub> {
  const config = defineConfig({
    journal: postgres({ url: databaseUrl, schema }),
    events: [placed],
    flows,
    http: { port: 0, unauthenticated: true },
  })
  const hub = createHub(config, { migrate: true, log: 'silent' })
  cleanups.push(() => hub.stop({ graceMs: 500 }))
  await hub.start()
  return hub
}

async function post(url: string, id: string, data: object) {
  const event = { specversion: '1.0', id, source: 'urn:shop', type: 'order.placed', data }
  const answer = await request(`${url}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify(event),
  })
  return {
    status: answer.statusCode,
    body: (await answer.body.json()) as { seq?: number; duplicate?: boolean; code?: string },
  }
}

async function count(text: string): Promise<number> {
  const { rows } = await client.query<{ n: string }>(`SELECT count(*) AS n FROM ${schema}.${text}`)
  return Number(rows[0]?.n)
}

describe('promise 1: accepted is committed', () => {
  it('nobody is told before the commit, and what was told is there for everybody', async () => {
    const hub = await startHub([])
    await client.query('BEGIN')
    await client.query(`LOCK TABLE ${schema}.events IN EXCLUSIVE MODE`)
    let told = false
    const answer = post(hub.url, 'e-1', { number: 'A' }).finally(() => (told = true))
    await expect
      .poll(async () => {
        const { rows } = await client.query(
          'SELECT FROM pg_locks WHERE NOT granted AND relation = $1::regclass',
          [`${schema}.events`],
        )
        return rows.length
      })
      .toBe(1)
    expect(told).toBe(false)
    await client.query('COMMIT')
    expect((await answer).status).toBe(202)
    expect(await count(`events WHERE id = 'e-1'`)).toBe(1)
  })
})

describe('promise 2: nothing is lost', () => {
  it('each accepted event ends, for each flow, in a final state or in a visible open one', async () => {
    const fine = await target('fine')
    const fussy = await target('fussy', ({ number }, response) =>
      response.writeHead(number === 'B' ? 422 : 200, { 'content-type': 'application/json' }).end('{}'),
    )
    const hub = await startHub([flowTo(fine.system), flowTo(fussy.system)])
    for (const number of ['A', 'B', 'B', 'C']) await hub.publish(placed, { number })
    const states = async () => {
      const { rows } = await client
        .query<{ flow: string; status: string; n: string }>(
          `SET search_path = ${schema}; SELECT flow, status, count(*) AS n FROM integration_events GROUP BY 1, 2 ORDER BY 1, 2`,
        )
        .then(
          (results) =>
            (results as unknown as { rows: { flow: string; status: string; n: string }[] }[])[1] ?? {
              rows: [],
            },
        )
      return rows.map(({ flow, status, n }) => `${flow} ${status} ${n}`)
    }
    await expect
      .poll(states, { timeout: 10_000 })
      .toEqual(['to-fine succeeded 4', 'to-fussy parked 1', 'to-fussy succeeded 2', 'to-fussy waiting 1'])
  })
})

describe('promise 3: no duplicate events', () => {
  it('one of many publishers at two doors is first; the others are told where it is', async () => {
    const doors = [await startHub([]), await startHub([])]
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, nth) => post(doors[nth % 2]?.url ?? '', 'same', { number: 'A' })),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
    expect(answers.filter(({ body }) => !body.duplicate)).toHaveLength(1)
    expect(new Set(answers.map(({ body }) => body.seq)).size).toBe(1)
    expect(await count('events')).toBe(1)
  })

  it('the same identity with other data is refused and recorded', async () => {
    const hub = await startHub([])
    await post(hub.url, 'e-1', { number: 'A' })
    expect(await post(hub.url, 'e-1', { number: 'B' })).toMatchObject({
      status: 409,
      body: { code: 'event.conflict' },
    })
    expect(await count(`refusals WHERE id = 'e-1'`)).toBe(1)
    expect(await count('events')).toBe(1)
  })
})

describe('promise 6: isolation', () => {
  const numbers = Array.from({ length: 200 }, (_, nth) => `K${nth % 20}`)

  it.each([
    [
      'refuses every connection',
      (_order: unknown, _response: ServerResponse, incoming: IncomingMessage) =>
        void incoming.socket.destroy(),
    ],
    ['never answers', () => undefined],
    ['fails every time', (_order: unknown, response: ServerResponse) => void response.writeHead(500).end()],
  ] as const)('a flow whose target %s delays no other flow', async (_how, handle) => {
    const sick = await target('sick', handle)
    const healthy = await target('healthy')
    const hub = await startHub([flowTo(sick.system), flowTo(healthy.system)])
    for (const number of numbers) await hub.publish(placed, { number })
    await expect.poll(() => healthy.took.length, { timeout: 10_000 }).toBe(numbers.length)
    expect(
      await count(`runs r JOIN ${schema}.flows f ON f.id = r.flow WHERE f.name = 'to-sick' AND r.state = 10`),
    ).toBe(0)
  })

  it('a key whose call hangs delays no other key of its flow', async () => {
    const { system, took } = await target('erp', (order, response) => {
      if (order.number !== 'hangs') ok(order, response)
    })
    const hub = await startHub([flowTo(system)])
    for (const number of ['hangs', 'hangs', ...numbers]) await hub.publish(placed, { number })
    await expect.poll(() => took.length, { timeout: 10_000 }).toBe(numbers.length + 1)
  })
})

describe('promise 7: bounded', () => {
  it('memory does not grow with the backlog', async () => {
    const hub = fork(
      new URL('./pending-hub.ts', import.meta.url),
      [JSON.stringify({ url: databaseUrl, schema })],
      {
        execArgv: ['--expose-gc'],
      },
    )
    cleanups.push(async () => hub.kill('SIGKILL'))
    const message = <T>() => new Promise<T>((resolve) => hub.once('message', (value) => resolve(value as T)))
    const { url } = await message<{ url: string }>()
    await client.query(`UPDATE ${schema}.systems SET paused = true, version = version + 1`)
    const note = 'x'.repeat(2_000)
    let next = 0
    const publish = async (batches: number) => {
      for (let batch = 0; batch < batches; batch++) {
        const events = Array.from({ length: 400 }, () => ({
          specversion: '1.0',
          id: `e-${next++}`,
          source: 'urn:shop',
          type: 'order.placed',
          data: { number: `K${next}`, note },
        }))
        const answer = await request(`${url}/events`, {
          method: 'POST',
          headers: { 'content-type': 'application/cloudevents-batch+json' },
          body: JSON.stringify(events),
        })
        if (answer.statusCode !== 202) throw new Error(await answer.body.text())
        await answer.body.dump()
      }
    }
    const heap = async () => {
      hub.send('heap')
      return (await message<{ heapMb: number }>()).heapMb
    }
    await publish(25)
    const before = await heap()
    await publish(75)
    const after = await heap()
    // 30,000 more events of 2 KB: 60 MB and more, if anything kept them.
    expect(after - before).toBeLessThan(20)
    expect(await count('events')).toBe(40_000)
  }, 120_000)
})

describe('promise 10: everything answers for itself', () => {
  it('API and SQL say where each run is, why it waits, and until when', async () => {
    const { system } = await target('erp', ({ number }, response) =>
      response
        .writeHead({ A: 200, B: 422, C: 500 }[number] ?? 200, { 'content-type': 'application/json' })
        .end('{"message":"as told"}'),
    )
    const hub = await startHub([flowTo(system)])
    for (const number of ['A', 'B', 'B', 'C']) await hub.publish(placed, { number })
    const control = createControlClient({ url: hub.url })
    const runs = async () => {
      const { items } = await control.listRuns({})
      return items
        .map(
          ({ seq, state, why, until }) =>
            `${seq} ${state}: ${plain(why, () => 'T')}${until === null ? '' : ' (until)'}`,
        )
        .sort()
    }
    await expect
      .poll(runs, { timeout: 10_000 })
      .toEqual([
        expect.stringMatching(/^1 succeeded: succeeded T/) as string,
        expect.stringMatching(/^2 parked: needs a person: .*422.*as told/) as string,
        expect.stringMatching(
          /^3 waiting: waits behind to-erp\/2, an earlier run of the same key that is parked and needs a person/,
        ) as string,
        expect.stringMatching(
          /^4 retrying: tries again T: .*500.*as told.* \(until\)|^4 retrying: is due/,
        ) as string,
      ])
    await control.pauseSystem({ name: 'erp' })
    await expect.poll(async () => (await control.getSystem({ name: 'erp' })).standing).toBe('paused')
    // Workers see a pause within a second: what comes before that may still be sent.
    let published = 0
    const publishNext = async () => (await hub.publish(placed, { number: `D${++published}` })).seq
    const said = async (seq: number) => {
      const { runs: own } = await control.getEvent({ seq })
      return own.map(({ state, why }) => `${state}: ${plain(why, () => 'T')}`).join()
    }
    await expect
      .poll(async () => said(await publishNext()), { timeout: 10_000, interval: 250 })
      .toMatch(/^(pending|waiting): .*erp is paused since T/)
  })
})
