/** What people see of the transport, and what they may do about its queues: over the API, the command line and the metrics. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { pino } from 'pino'
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest'
import { brokerFinding, relayFindings } from '../../src/cli/commands/doctor-transport.ts'
import { runCli } from '../../src/cli/cli.ts'
import { routes } from '../../src/control/route-table.ts'
import { createHub, defineConfig, defineFlow, httpSystem, postgres } from '../../src/index.ts'
import type { Config, Hub, RoleName } from '../../src/index.ts'
import { openDatabase } from '../../src/journal/database.ts'
import { rabbitmq } from '../../src/rabbitmq/index.ts'
import { databaseUrl } from '../scenario/rig.ts'
import type { LogLine } from './hub-rig.ts'
import { orderPlaced, until } from './hub-rig.ts'
import type { Neighbour } from './rig.ts'
import { amqpUrl, describeWithBroker, openNeighbour, uniqueName } from './rig.ts'

const closers: (() => Promise<unknown>)[] = []
let schema: string
let exchange: string
let neighbour: Neighbour
let pool: pg.Pool

async function close(): Promise<void> {
  for (const each of closers.splice(0).reverse()) await each()
}

function configOf(partitions: 1 | 2, url = amqpUrl): Config {
  const erp = httpSystem({ name: 'erp', baseUrl: 'http://127.0.0.1:9' })
  return defineConfig({
    journal: postgres({ url: databaseUrl, schema }),
    transport: rabbitmq({ url, exchange }),
    flows: [
      defineFlow('book', { partitions })
        .on(orderPlaced)
        .step('sale', erp, { run: ({ call }) => call.post('/', {}) }),
    ],
    http: { port: 0, unauthenticated: true },
  })
}

async function start(config: Config, roles: RoleName = 'all'): Promise<{ hub: Hub; lines: LogLine[] }> {
  const lines: LogLine[] = []
  const write = (text: string) => {
    const { msg: message = '', ...facts } = JSON.parse(text) as { msg?: string }
    lines.push({ message, facts })
  }
  const hub = createHub(config, {
    roles,
    migrate: true,
    log: pino({ level: 'warn' }, { write }),
    leaseMs: 2_000,
  })
  await hub.start()
  closers.push(() => hub.stop({ graceMs: 0 }))
  return { hub, lines }
}

async function busbar(url: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = []
  const err: string[] = []
  const terminal = {
    out: (text: string) => void out.push(text),
    err: (text: string) => void err.push(text),
    colour: false,
    width: Number.POSITIVE_INFINITY,
  }
  const code = await runCli(['--url', url, ...args], terminal)
  process.exitCode = undefined
  return { code, out: out.join('\n'), err: err.join('\n') }
}

async function transportOf(hub: Hub) {
  const answer: unknown = await (await fetch(`${hub.url}/api/v1/transport`)).json()
  const transport = routes.readTransport.answer.parse(answer)
  expect(transport).toEqual(answer)
  for (const { queue } of transport.queues) neighbour.owns(queue)
  return transport
}

const queueOf = (part: number, parts: number) => `${exchange}.book.${part}-${parts}`
const inUse = (part: number, parts: number) => ({ queue: queueOf(part, parts), state: 'in-use' })

describeWithBroker('the transport, as people see it', () => {
  beforeEach(async () => {
    schema = `queues_${randomBytes(6).toString('hex')}`
    pool = new pg.Pool({ connectionString: databaseUrl, max: 2, options: `-c search_path=${schema}` })
    neighbour = await openNeighbour()
    exchange = uniqueName('queues')
    closers.push(async () => {
      for (const queue of [queueOf(0, 1), queueOf(0, 2), queueOf(1, 2)]) neighbour.owns(queue)
      await neighbour.connection.exchangeDelete({ exchange })
      await neighbour.close()
      await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      await pool.end()
    })
  })
  afterEach(close)
  afterAll(close)

  it(
    'has its broker, its relay and its queues in the API, the command line and the metrics',
    { timeout: 60_000 },
    async () => {
      const { hub } = await start(configOf(2))
      await until(async () => (await transportOf(hub)).queues.length === 2)
      const transport = await transportOf(hub)
      expect(transport).toMatchObject({ kind: 'rabbitmq', reachable: true, ok: true, leftOver: 0 })
      expect(transport.queues).toMatchObject([inUse(0, 2), inUse(1, 2)])
      expect(transport.address).not.toContain('guest')

      for (let nth = 1; nth <= 5; nth++) await hub.publish(orderPlaced, { number: `N${nth}` })
      await until(async () => (await transportOf(hub)).relay?.position === 5)
      expect((await transportOf(hub)).relay).toMatchObject({ head: 5, behind: 0, oldestMs: null })
      await until(async () => /busbar_group_carried\{group="book"\} 1/.test(await metricsOf(hub)), 30_000)
      expect(await metricsOf(hub)).toMatch(/busbar_transport_connected 1/)
      expect(await metricsOf(hub)).toMatch(/busbar_relay_lag_events 0/)
      const { out, code } = await busbar(hub.url, 'queues')
      expect(code).toBe(0)
      expect(out).toContain('Events are carried to the workers by rabbitmq')
      expect(out).toMatch(/carried +up to 5 of 5, nothing is behind/)
      expect(out).toMatch(new RegExp(`${queueOf(1, 2)} +book +1 of 2 +\\d+ +in use`))
      expect((await busbar(hub.url, 'status')).out).toMatch(
        /transport +rabbitmq at .*, reachable; relay nothing is behind/,
      )
    },
  )

  it(
    'shows queues of another number of partitions as left over, and removes them only on command',
    { timeout: 90_000 },
    async () => {
      const first = await start(configOf(1))
      await until(async () => (await transportOf(first.hub)).queues.length === 1)
      const refused = await busbar(first.hub.url, 'queues', 'remove', queueOf(0, 1), '--reason', 'a test')
      expect(refused.code).toBe(4)
      expect(refused.err).toContain('is in use: it is for partition 0 of 1 of lane group book')
      await first.hub.stop({ graceMs: 0 })

      const second = await start(configOf(2))
      await until(async () => (await transportOf(second.hub)).queues.length === 3, 30_000)
      expect((await transportOf(second.hub)).queues).toMatchObject([
        { queue: queueOf(0, 1), partition: 0, partitions: 1, messages: 0, state: 'left-over' },
        inUse(0, 2),
        inUse(1, 2),
      ])
      expect((await busbar(second.hub.url, 'queues')).out).toContain(
        '1 queue is left over, and removed only on command',
      )
      // A process says so when it starts; one that only looks connects when it is asked.
      const { hub, lines } = await start(configOf(2), 'console')
      expect(lines).toMatchObject([{ facts: { queues: 1, names: [queueOf(0, 1)] } }])
      expect(lines[0]?.message).toContain('see "busbar queues"')
      expect(await metricsOf(hub)).not.toMatch(/^busbar_transport_connected/m)

      await neighbour.send(queueOf(0, 1), { any: 'message' })
      await until(async () => (await neighbour.ready(queueOf(0, 1))) === 1)
      const removed = await busbar(hub.url, 'queues', 'remove', queueOf(0, 1), '--reason', 'a test', '--json')
      expect(JSON.parse(removed.out)).toEqual({ queue: queueOf(0, 1), removed: true, messages: 1 })
      expect((await transportOf(hub)).queues).toMatchObject([inUse(0, 2), inUse(1, 2)])
      await expect(neighbour.ready(queueOf(0, 1))).rejects.toThrow(/NOT_FOUND|no queue/i)
      expect((await busbar(hub.url, 'queues', 'remove', queueOf(0, 1), '--reason', 'a test')).code).toBe(3)
      const { rows } = await pool.query('SELECT actor, verb, object, reason, before FROM audit')
      expect(rows).toEqual([
        {
          actor: 'local',
          verb: 'remove',
          object: `queue ${queueOf(0, 1)}`,
          reason: 'a test',
          before: { transport: 'rabbitmq', group: 'book', partition: 0, partitions: 1, messages: 1 },
        },
      ])
    },
  )

  it(
    'shows queues of another exchange as left over once the partition has one of the new',
    { timeout: 60_000 },
    async () => {
      const former = exchange
      const first = await start(configOf(1))
      await until(async () => (await transportOf(first.hub)).queues.length === 1)
      await first.hub.stop({ graceMs: 0 })
      await neighbour.connection.exchangeDelete({ exchange })
      exchange = uniqueName('queues-new')
      const { hub } = await start(configOf(1))
      await until(async () => (await transportOf(hub)).queues.length === 2)
      const states = (await transportOf(hub)).queues.map(({ queue, state }) => [queue, state])
      expect(Object.fromEntries(states)).toEqual({
        [`${former}.book.0-1`]: 'left-over',
        [queueOf(0, 1)]: 'in-use',
      })
    },
  )

  it(
    'says that the broker does not answer, and that workers go on; nothing is removed then',
    { timeout: 90_000 },
    async () => {
      const nobody = configOf(1, 'amqp://user:secret@127.0.0.1:9')
      const { hub } = await start(nobody)
      const { out, code } = await busbar(hub.url, 'status')
      expect(code).toBe(1)
      expect(out).toContain(
        'The broker at amqp://127.0.0.1:9 does not answer: workers read the log themselves',
      )
      await pool.query(
        `INSERT INTO broker_queues (transport, queue, grp, part, parts) VALUES ('rabbitmq', 'old', 'gone', 0, 1)`,
      )
      expect((await transportOf(hub)).queues).toMatchObject([
        { queue: 'old', messages: null, state: 'left-over' },
      ])
      const { code: unreachable, err } = await busbar(
        hub.url,
        'queues',
        'remove',
        'old',
        '--reason',
        'a test',
      )
      expect(unreachable, err).toBe(5)
      expect(err).not.toContain('secret')
      expect((await transportOf(hub)).queues).toHaveLength(1)
      expect((await pool.query('SELECT FROM audit')).rowCount).toBe(0)
      expect(await metricsOf(hub)).toMatch(/busbar_transport_connected 0/)
      expect(await metricsOf(hub)).toMatch(/busbar_group_carried\{group="book"\} 0/)
    },
  )

  it('gives other programs CloudEvents in queues of their own', { timeout: 60_000 }, async () => {
    const { hub } = await start(configOf(1))
    const queue = await neighbour.queue('warehouse')
    await until(async () => (await transportOf(hub)).relay !== null)
    await neighbour.connection.queueBind({ queue, exchange, routingKey: 'order.#' })
    const data = '{"number": "SO-1",  "total": 1.10, "weight": 12345678901234567890}'
    const event = `{"specversion":"1.0","id":"SO-1-1","source":"urn:shop","type":"order.placed","correlationid":"C1","data":${data}}`
    const headers = { 'content-type': 'application/cloudevents+json' }
    expect((await fetch(`${hub.url}/events`, { method: 'POST', headers, body: event })).status).toBe(202)
    await until(async () => (await neighbour.ready(queue)) === 1)
    const taken = await neighbour.take(queue)
    expect(String(taken?.body)).toBe(data)
    expect(taken?.envelope).toMatchObject({
      contentType: 'application/json; charset=utf-8',
      durable: true,
      routingKey: expect.stringMatching(/^order\.placed\.\d{1,2}$/) as string,
      headers: {
        'cloudEvents:specversion': '1.0',
        'cloudEvents:id': 'SO-1-1',
        'cloudEvents:source': 'urn:shop',
        'cloudEvents:type': 'order.placed',
        'cloudEvents:partitionkey': 'SO-1',
        'cloudEvents:correlationid': 'C1',
        'busbar-seq': 1,
      },
    })
  })

  it('is part of what the doctor looks at', { timeout: 30_000 }, async () => {
    expect(await brokerFinding(configOf(1))).toMatchObject({ state: 'ok' })
    const wrong = new URL(amqpUrl)
    wrong.password = 'wrong'
    const refused = await brokerFinding(configOf(1, wrong.href))
    expect(refused).toMatchObject({
      state: 'warning',
      says: expect.stringMatching(/ACCESS_REFUSED|refused/i) as string,
    })
    expect(await brokerFinding(configOf(1, 'amqp://127.0.0.1:9'))).toMatchObject({
      state: 'warning',
      says: expect.stringContaining('ECONNREFUSED') as string,
    })
    expect(await brokerFinding(defineConfig({ flows: [] }))).toMatchObject({
      says: expect.stringContaining('the log itself') as string,
    })
    const { hub } = await start(configOf(1))
    const database = openDatabase({ url: databaseUrl, schema, applicationName: 'doctor', maxConnections: 1 })
    closers.push(() => database.close())
    await until(async () => (await transportOf(hub)).relay !== null)
    expect(await relayFindings(database, configOf(1))).toMatchObject([
      { what: 'relay', state: 'ok', says: expect.stringContaining('is live, nothing is behind') as string },
    ])
    await pool.query(
      `INSERT INTO broker_queues (transport, queue, grp, part, parts) VALUES ('rabbitmq', 'old', 'gone', 0, 1)`,
    )
    expect(await relayFindings(database, configOf(1))).toMatchObject([
      {},
      { what: 'queues', state: 'warning' },
    ])
  })
})

async function metricsOf({ url }: Hub): Promise<string> {
  return (await fetch(`${url}/metrics`)).text()
}

it('says plainly that the log itself is the transport', async () => {
  schema = `queues_${randomBytes(6).toString('hex')}`
  const config = defineConfig({
    journal: postgres({ url: databaseUrl, schema }),
    flows: [],
    http: { port: 0, unauthenticated: true },
  })
  const { hub, lines } = await start(config)
  try {
    const { out, code } = await busbar(hub.url, 'queues')
    expect({ out, code }).toEqual({
      out: 'Workers read the log themselves: no broker carries events.',
      code: 0,
    })
    expect((await busbar(hub.url, 'queues', 'remove', 'any', '--reason', 'a test')).code).toBe(4)
    expect((await busbar(hub.url, 'status')).out).toMatch(/transport +the log itself: workers read it/)
    expect(await metricsOf(hub)).not.toMatch(/^busbar_relay_lag/m)
    expect(lines).toEqual([])
  } finally {
    await close()
    const client = new pg.Client({ connectionString: databaseUrl })
    await client.connect()
    await client.query(`DROP SCHEMA ${schema} CASCADE`)
    await client.end()
  }
})
