import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import pg from 'pg'
import { request } from 'undici'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { createControlClient } from '../../src/control/client.ts'
import {
  createHub,
  defineConfig,
  defineEvent,
  defineFlow,
  httpSystem,
  postgres,
  webhookSource,
} from '../../src/index.ts'
import type { ConfigOptions, Hub } from '../../src/index.ts'
import type { ReceivedSpan } from './otlp-receiver.ts'
import { OtlpReceiver } from './otlp-receiver.ts'
import { databaseUrl } from './rig.ts'

const placed = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string(), note: z.string().optional() }),
  key: (order) => order.number,
})
const traceId = '0af7651916cd43dd8448eb211c80319c'
const client = `00-${traceId}-b7ad6b7169203331-01`

let schema: string
let target: Server
let got: { path: string; headers: IncomingHttpHeaders }[]
/** Answers that the system gives before it says yes. */
let faults: number[]
let collector: OtlpReceiver
let otlp: string
const hubs: Hub[] = []

beforeEach(async () => {
  schema = `tracing_${randomBytes(6).toString('hex')}`
  got = []
  faults = []
  target = createServer((incoming, answer) => {
    incoming.resume()
    incoming.on('end', () => {
      got.push({ path: incoming.url ?? '', headers: incoming.headers })
      const status = incoming.url?.startsWith('/api/sales') ? (faults.shift() ?? 201) : 201
      answer.writeHead(status, { 'content-type': 'application/json' }).end('{"id":1,"hint":"canary-answer"}')
    })
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  collector = new OtlpReceiver()
  otlp = await collector.open()
})

afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.stop()
  await collector.close()
  target.closeAllConnections()
  await new Promise((resolve) => target.close(resolve))
  const database = new pg.Client({ connectionString: databaseUrl })
  await database.connect()
  await database.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  await database.end()
})

async function startHub(options: Partial<ConfigOptions> = {}): Promise<Hub> {
  const baseUrl = `http://127.0.0.1:${(target.address() as AddressInfo).port}`
  const erp = httpSystem({ name: 'erp', baseUrl: `${baseUrl}/api` })
  const accounting = httpSystem({ name: 'accounting', baseUrl })
  const flow = defineFlow('book')
    .on(placed)
    .step('sale', erp, {
      run: ({ event, call }) =>
        call.post(`/sales/${event.data.number}`, event.data, { query: { secret: 'canary-query' } }),
    })
    .step('invoice', accounting, { after: ['sale'], run: ({ call }) => call.post('/invoices', {}) })
  const config = defineConfig({
    name: 'shop',
    journal: postgres({ url: databaseUrl, schema }),
    flows: [flow],
    sources: [
      webhookSource({
        name: 'web',
        unauthenticated: true,
        id: ({ headers }) => headers['x-id'],
        map: ({ body }) => ({ event: placed, data: body }),
      }),
    ],
    http: { port: 0, unauthenticated: true },
    telemetry: { otlp: { url: otlp, headers: { 'x-tenant': 'one' } } },
    ...options,
  })
  const hub = createHub(config, { migrate: true, log: 'silent' })
  hubs.push(hub)
  await hub.start()
  return hub
}

async function post(hub: Hub, path: string, headers: Record<string, string>, body: object): Promise<void> {
  const answer = await request(hub.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  expect(answer.statusCode, await answer.body.text()).toBe(202)
}

const event = (extensions: object = {}) => ({
  specversion: '1.0',
  id: 'e-1',
  source: 'urn:shop',
  type: 'order.placed',
  data: { number: 'SO-1', note: 'canary-payload' },
  ...extensions,
})

/** Stops the hub, so that what it has traced is sent. */
async function traced(hub: Hub): Promise<readonly ReceivedSpan[]> {
  await hub.stop()
  return collector.spans
}

const named = (spans: readonly ReceivedSpan[], name: string) => spans.filter((span) => span.name === name)
const delivered = (count: number) => expect.poll(() => got.length, { timeout: 10_000 }).toBe(count)

it('an event is one trace: from its client through the door, the run and its steps to each attempt', async () => {
  const hub = await startHub()
  await post(hub, '/events', { traceparent: client }, event())
  await delivered(2)
  const spans = await traced(hub)
  expect(new Set(spans.map((span) => span.traceId))).toEqual(new Set([traceId]))

  const [door] = named(spans, 'POST /events')
  expect(door).toMatchObject({
    parentSpanId: 'b7ad6b7169203331',
    kind: 2,
    attributes: {
      'http.request.method': 'POST',
      'http.route': '/events',
      'http.response.status_code': 202,
      'cloudevents.event_id': 'e-1',
      'cloudevents.event_source': 'urn:shop',
      'cloudevents.event_type': 'order.placed',
    },
  })
  const [run] = named(spans, 'process book')
  expect(run).toMatchObject({
    parentSpanId: door?.spanId,
    kind: 5,
    attributes: {
      'busbar.flow': 'book',
      'busbar.key': 'SO-1',
      'busbar.state': 'succeeded',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'order.placed',
    },
  })
  const [sale, invoice] = [...named(spans, 'step sale'), ...named(spans, 'step invoice')]
  expect([sale?.parentSpanId, invoice?.parentSpanId]).toEqual([run?.spanId, run?.spanId])
  const calls = named(spans, 'POST')
  expect(calls.map(({ parentSpanId }) => parentSpanId).sort()).toEqual([sale?.spanId, invoice?.spanId].sort())
  const first = calls.find(({ parentSpanId }) => parentSpanId === sale?.spanId)
  expect(first).toMatchObject({
    kind: 3,
    attributes: {
      'peer.service': 'erp',
      'server.address': '127.0.0.1',
      'http.request.method': 'POST',
      'http.response.status_code': 201,
      'busbar.attempt': 1,
      'busbar.outcome': 'succeeded',
    },
  })
  expect(first?.attributes['url.full']).toMatch(/\/api\/sales\/SO-1$/)
  expect(got[0]?.headers['traceparent']).toBe(`00-${traceId}-${first?.spanId}-01`)
  expect(first?.resource).toMatchObject({
    'service.name': 'shop',
    'busbar.roles': expect.any(Array) as unknown,
  })
  expect(collector.requests[0]).toMatchObject({ path: '/v1/traces', headers: { 'x-tenant': 'one' } })
})

it('an attempt links to the earlier ones of its step, and a replay to the attempt that it repeats', async () => {
  faults = [503, 503]
  const hub = await startHub()
  await post(hub, '/events', { traceparent: client }, event())
  await delivered(4)
  const control = createControlClient({ url: hub.url })
  await expect
    .poll(async () => (await control.getRun({ flow: 'book', seq: 1 })).state, { timeout: 10_000 })
    .toBe('succeeded')
  const { id } = await control.planReplay({ flow: 'book', key: 'SO-1', keys: 'new', reason: 'a test' })
  await control.startReplay({ id })
  await delivered(6)
  await expect.poll(async () => (await control.getReplay({ id })).state, { timeout: 10_000 }).toBe('done')
  const spans = await traced(hub)

  const sales = named(spans, 'POST').filter(({ attributes }) => attributes['busbar.step'] === 'sale')
  expect(sales).toHaveLength(4)
  const [one, two, three, again] = sales.toSorted((a, b) =>
    a.startTimeUnixNano < b.startTimeUnixNano ? -1 : 1,
  )
  expect(one).toMatchObject({
    links: [],
    status: { code: 2, message: 'call.transient' },
    attributes: { 'error.type': '503', 'http.response.status_code': 503, 'busbar.outcome': 'transient' },
  })
  expect(two?.links.map(({ spanId }) => spanId)).toEqual([one?.spanId])
  expect(three?.links.map(({ spanId }) => spanId)).toEqual([two?.spanId, one?.spanId])
  expect(three?.links[0]?.attributes).toMatchObject({ 'busbar.link': 'retry', 'busbar.attempt': 2 })
  expect(again?.links).toMatchObject([
    { traceId, spanId: one?.spanId, attributes: { 'busbar.link': 'replay' } },
  ])
  expect(named(spans, 'process book').map(({ attributes }) => attributes['busbar.generation'])).toContain(1)
  for (const span of sales)
    expect(got.map(({ headers }) => headers['traceparent'])).toContain(`00-${traceId}-${span.spanId}-01`)
})

it('another process, after a restart, still links to the attempts of the first', async () => {
  faults = [503, 503, 503, 503, 503, 503, 503, 503]
  const first = await startHub()
  await post(first, '/events', { traceparent: client }, event())
  await expect.poll(() => got.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(2)
  const before = [...(await traced(first))].filter(({ attributes }) => attributes['busbar.attempt'] === 1)
  faults = []
  const second = await startHub()
  await expect.poll(() => got.at(-1)?.path, { timeout: 15_000 }).toBe('/invoices')
  const spans = await traced(second)
  const last = named(spans, 'POST').find(
    ({ attributes }) => attributes['busbar.step'] === 'sale' && attributes['busbar.outcome'] === 'succeeded',
  )
  expect(last?.links.map(({ spanId }) => spanId)).toContain(before[0]?.spanId)
})

it('payloads, answers, queries and headers are in no span', async () => {
  faults = [422]
  const hub = await startHub()
  await post(hub, '/events', { traceparent: client, 'x-secret': 'canary-header' }, event())
  await delivered(1)
  const control = createControlClient({ url: hub.url })
  await expect
    .poll(async () => (await control.getRun({ flow: 'book', seq: 1 })).state, { timeout: 10_000 })
    .toBe('parked')
  const spans = await traced(hub)
  expect(named(spans, 'process book')[0]).toMatchObject({
    status: { code: 2 },
    attributes: { 'busbar.state': 'parked' },
  })
  expect(collector.requests.map(({ body }) => body).join('')).not.toMatch(/canary/)
})

it('a trace that the event brings is kept as it is, and its run belongs to it', async () => {
  const hub = await startHub()
  const own = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`
  await post(hub, '/events', { traceparent: client }, event({ traceparent: own }))
  await delivered(2)
  const stored = await createControlClient({ url: hub.url }).getEvent({ seq: 1 })
  expect(stored.extensions['traceparent']).toBe(own)
  expect(named(await traced(hub), 'process book')[0]).toMatchObject({
    traceId: '1'.repeat(32),
    parentSpanId: '2'.repeat(16),
  })
})

it('a webhook and a publish in this process begin a trace where nobody has', async () => {
  const hub = await startHub()
  await post(hub, '/in/web', { 'x-id': '1' }, { number: 'SO-1' })
  await hub.publish(placed, { number: 'SO-2' }, { id: 'p-1' })
  await delivered(4)
  const spans = await traced(hub)
  const [door] = named(spans, 'POST /in/web')
  const [publish] = named(spans, 'publish order.placed')
  expect(publish).toMatchObject({ kind: 4 })
  const parents = named(spans, 'process book').map(({ parentSpanId }) => parentSpanId)
  expect(parents.sort()).toEqual([door?.spanId, publish?.spanId].sort())
})

it('a sampling decision of the client is kept: what it does not sample is not sent, but goes on to the system', async () => {
  const hub = await startHub()
  await post(hub, '/events', { traceparent: `00-${traceId}-b7ad6b7169203331-00` }, event())
  await delivered(2)
  expect(await traced(hub)).toEqual([])
  expect(got[0]?.headers['traceparent']).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`))
})

it('the standard environment variables are enough', async () => {
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = otlp
  process.env['OTEL_SERVICE_NAME'] = 'from-the-environment'
  try {
    const hub = await startHub({ telemetry: {} })
    await post(hub, '/events', {}, event())
    await delivered(2)
    expect((await traced(hub))[0]?.resource['service.name']).toBe('from-the-environment')
  } finally {
    delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT']
    delete process.env['OTEL_SERVICE_NAME']
  }
})

it('without any of that nothing is traced, and the trace of the request is kept all the same', async () => {
  const hub = await startHub({ telemetry: {} })
  await post(hub, '/events', { traceparent: client }, event())
  await delivered(2)
  expect(got[0]?.headers['traceparent']).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`))
  await hub.stop()
  expect(collector.requests).toEqual([])
})

it('a collector that is away takes nothing from the events', async () => {
  await collector.close()
  collector = new OtlpReceiver()
  const hub = await startHub()
  await post(hub, '/events', {}, event())
  await delivered(2)
  const startedAt = performance.now()
  await hub.stop()
  expect(performance.now() - startedAt).toBeLessThan(6_000)
})

it('refuses a URL that is none', () => {
  expect(() => defineConfig({ flows: [], telemetry: { otlp: { url: 'collector:4318' } } })).toThrow(
    /telemetry\.otlp\.url/,
  )
})
