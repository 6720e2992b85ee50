import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import pg from 'pg'
import { Agent, request } from 'undici'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { createKey } from '../../src/control/keys.ts'
import { createHub, defineConfig, defineEvent, defineFlow, httpSystem, postgres } from '../../src/index.ts'
import type { Hub, HubOptions } from '../../src/index.ts'
import { openDatabase } from '../../src/journal/database.ts'
import { databaseUrl } from './rig.ts'

const placed = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string() }),
  key: (order) => order.number,
})

let schema: string
let target: Server
let got: { path: string; headers: Record<string, unknown>; body: string }[]
const hubs: Hub[] = []

beforeEach(async () => {
  schema = `hub_${randomBytes(6).toString('hex')}`
  got = []
  target = createServer((incoming, answer) => {
    let body = ''
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString()))
    incoming.on('end', () => {
      got.push({ path: incoming.url ?? '', headers: incoming.headers, body })
      answer.writeHead(201, { 'content-type': 'application/json' }).end('{"id":1}')
    })
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.stop()
  target.closeAllConnections()
  await new Promise((resolve) => target.close(resolve))
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  await client.end()
})

function hubWith(http: object, options: HubOptions = {}): Hub {
  const erp = httpSystem({
    name: 'erp',
    baseUrl: `http://127.0.0.1:${(target.address() as AddressInfo).port}/api`,
  })
  const flow = defineFlow('book')
    .on(placed)
    .step('sale', erp, { run: ({ event, call }) => call.post('/sales', event.data) })
  const config = defineConfig({
    journal: postgres({ url: databaseUrl, schema }),
    flows: [flow],
    http: { port: 0, ...http },
  })
  const hub = createHub(config, { migrate: true, log: 'silent', ...options })
  hubs.push(hub)
  return hub
}

async function post(url: string, headers: Record<string, string> = {}, id = 'e-1') {
  const event = { specversion: '1.0', id, source: 'urn:shop', type: 'order.placed', data: { number: 'SO-1' } }
  const answer = await request(`${url}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json', ...headers },
    body: JSON.stringify(event),
  })
  return { status: answer.statusCode, body: (await answer.body.json()) as Record<string, unknown> }
}

it('takes an event in over HTTP and has it at the system, with its identity', async () => {
  const hub = hubWith({ unauthenticated: true })
  await hub.start()
  expect(await post(hub.url)).toEqual({ status: 202, body: { id: 'e-1', seq: 1, duplicate: false } })
  await expect.poll(() => got.length, { timeout: 5_000 }).toBe(1)
  expect(got[0]).toMatchObject({
    path: '/api/sales',
    body: '{"number":"SO-1"}',
    headers: { 'ce-id': 'e-1', 'ce-source': 'urn:shop', 'content-type': 'application/json' },
  })
  expect(String(got[0]?.headers['idempotency-key'])).toHaveLength(40)
  expect(String(got[0]?.headers['traceparent'])).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
  expect((await post(hub.url)).body).toEqual({ id: 'e-1', seq: 1, duplicate: true })
})

it('publishes from the same process', async () => {
  const hub = hubWith({ unauthenticated: true })
  await hub.start()
  expect(await hub.publish(placed, { number: 'SO-2' }, { id: 'p-1' })).toEqual({
    id: 'p-1',
    seq: 1,
    duplicate: false,
  })
  await expect(hub.publish(placed, { number: 7 } as never)).rejects.toMatchObject({ code: 'event.invalid' })
  await expect(hub.publish(placed, { number: 'other' }, { id: 'p-1' })).rejects.toMatchObject({
    code: 'event.conflict',
  })
  await expect.poll(() => got.length, { timeout: 5_000 }).toBe(1)
  await hub.publish(placed, { number: 'SO-2' }, { id: 'p-1' })
  const metrics = await (await request(`${hub.url}/metrics`)).body.text()
  expect(metrics).toMatch(/^busbar_events_accepted_total 1$/m)
  expect(metrics).toMatch(/^busbar_events_duplicate_total 1$/m)
})

it('asks for a key, and for one that may do it', async () => {
  const hub = hubWith({})
  await hub.start()
  expect(await post(hub.url)).toMatchObject({ status: 401, body: { code: 'request.unauthorized' } })
  const database = openDatabase({ url: databaseUrl, schema, applicationName: 'test', maxConnections: 1 })
  const reader = await createKey(database, { name: 'reader', scopes: ['read'], actor: 'test' })
  const shop = await createKey(database, { name: 'shop', scopes: ['publish'], actor: 'test' })
  await database.close()
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` })
  expect((await post(hub.url, bearer(reader.key))).status).toBe(403)
  expect((await post(hub.url, bearer(shop.key))).status).toBe(202)
  const status = async (key: string) =>
    (await request(`${hub.url}/api/v1/status`, { headers: bearer(key) })).statusCode
  expect([await status(reader.key), await status(shop.key)]).toEqual([200, 403])
})

it('says whether it is alive and ready, and gives its metrics', async () => {
  const hub = hubWith({ unauthenticated: true })
  await hub.start()
  const get = async (path: string) => {
    const answer = await request(hub.url + path)
    return { status: answer.statusCode, text: await answer.body.text() }
  }
  expect(await get('/health/live')).toEqual({ status: 200, text: '{"live":true}' })
  expect(await get('/health/ready')).toEqual({ status: 200, text: '{"ready":true}' })
  await post(hub.url)
  await expect.poll(() => got.length, { timeout: 5_000 }).toBe(1)
  const { text } = await get('/metrics')
  expect(text).toContain('busbar_events_accepted_total 1')
  expect(text).toContain('busbar_journal_up 1')
  expect(text).toMatch(/busbar_attempt_seconds_count\{flow="book",system="erp",outcome="succeeded"\} 1/)
  expect(await get('/nowhere')).toMatchObject({ status: 404 })
})

it('answers to localhost alone where it asks for no keys', async () => {
  const hub = hubWith({ unauthenticated: true })
  await hub.start()
  expect(await post(hub.url, { host: 'evil.example' })).toMatchObject({
    status: 403,
    body: { code: 'request.forbidden' },
  })
})

it('splits into ingress and worker processes that share a journal', async () => {
  const ingress = hubWith({ unauthenticated: true }, { roles: ['ingress'] })
  const worker = hubWith({ unauthenticated: true }, { roles: ['worker'] })
  await worker.start()
  await ingress.start()
  expect((await post(worker.url)).status).toBe(404)
  expect((await post(ingress.url)).status).toBe(202)
  await expect.poll(() => got.length, { timeout: 5_000 }).toBe(1)
})

it('serves what belongs to its role, and health and metrics in each', async () => {
  const statuses = async (url: string) =>
    Promise.all(
      ['/health/live', '/health/ready', '/metrics', '/api/v1/status'].map(
        async (path) => (await request(url + path)).statusCode,
      ),
    )
  const console = hubWith({ unauthenticated: true }, { roles: 'console' })
  await console.start()
  const ingress = hubWith({ unauthenticated: true }, { roles: 'ingress' })
  await ingress.start()
  const worker = hubWith({ unauthenticated: true }, { roles: ['worker'] })
  await worker.start()
  expect(await statuses(console.url)).toEqual([200, 200, 200, 200])
  expect((await post(console.url)).status).toBe(404)
  expect(await statuses(ingress.url)).toEqual([200, 200, 200, 404])
  expect(await statuses(worker.url)).toEqual([200, 200, 200, 404])
})

it('refuses roles that could not do their work before anything is opened', () => {
  expect(() => hubWith({}, { roles: 'relay' })).toThrow('nothing to relay')
  expect(() => hubWith({}, { roles: ['work'] as never })).toThrow('"work" is none of them')
  expect(() => createHub(defineConfig({ flows: [], roles: 'ingress' }))).toThrow(
    'the embedded PostgreSQL belongs to one process',
  )
})

it('answers requests while it drains, though not ready, and closes each connection with its answer', async () => {
  const hub = hubWith({ unauthenticated: true, drain: '500ms' })
  await hub.start()
  const { url } = hub
  const agent = new Agent({ connections: 1 })
  const get = (path: string) => request(url + path, { dispatcher: agent })
  expect((await get('/health/ready')).headers.connection).toBe('keep-alive')
  const stopped = hub.stop()
  const ready = await get('/health/ready')
  expect([ready.statusCode, ready.headers.connection]).toEqual([503, 'close'])
  expect(await ready.body.json()).toEqual({ ready: false, why: 'stopping' })
  expect((await get('/health/live')).statusCode).toBe(200)
  expect((await post(url)).status).toBe(202)
  await stopped
  await expect(post(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await agent.close()
})

it('answers what had begun to arrive when the listener closes, but does not wait for it for ever', async () => {
  const hub = hubWith({ unauthenticated: true })
  await hub.start()
  const { hostname, port } = new URL(hub.url)
  const body = JSON.stringify({
    specversion: '1.0',
    id: 'slow',
    source: 's',
    type: 'order.placed',
    data: { number: 'A' },
  })
  const begin = async (length: number) => {
    const socket = connect(Number(port), hostname).setEncoding('utf8')
    let answer = ''
    socket.on('data', (chunk: string) => (answer += chunk)).on('error', () => undefined)
    const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(answer)))
    const head = `POST /events HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-type: application/cloudevents+json`
    await new Promise<void>((resolve) =>
      socket.write(`${head}\r\ncontent-length: ${length}\r\n\r\n${body.slice(0, 10)}`, () => resolve()),
    )
    return { socket, closed }
  }
  const slow = await begin(body.length)
  const stuck = await begin(body.length)
  await post(hub.url) // both heads have been read
  const began = performance.now()
  const stopped = hub.stop()
  await new Promise((resolve) => setTimeout(resolve, 200))
  slow.socket.write(body.slice(10))
  expect(await slow.closed).toMatch(/^HTTP\/1.1 202 .*connection: close/s)
  await stopped
  expect(await stuck.closed).toBe('')
  expect(performance.now() - began).toBeLessThan(8_000)
})

it('refuses to start where it could not keep what it promises, and leaves nothing open', async () => {
  const hub = hubWith({ unauthenticated: true }, { migrate: false })
  await expect(hub.start()).rejects.toMatchObject({ code: 'journal.not-migrated' })
  await hub.stop()
})

it('stops twice, and can be stopped without having been started', async () => {
  const hub = hubWith({ unauthenticated: true })
  await hub.stop()
  const other = hubWith({ unauthenticated: true })
  await other.start()
  await Promise.all([other.stop(), other.stop()])
  await expect(post(other.url)).rejects.toThrow()
})

it('says what to do when its address cannot be had, with everything closed again', async () => {
  const first = hubWith({ unauthenticated: true })
  await first.start()
  const port = Number(new URL(first.url).port)
  const second = hubWith({ unauthenticated: true, port })
  await expect(second.start()).rejects.toMatchObject({
    code: 'config.invalid',
    message: `cannot listen at 127.0.0.1, port ${port}: another program listens there: end it, or set http.port`,
  })
  await expect(second.publish(placed, { number: 'SO-1' })).rejects.toMatchObject({ code: 'overloaded' })
  await expect(hubWith({ host: '192.0.2.1' }).start()).rejects.toMatchObject({
    code: 'config.invalid',
    message: expect.stringContaining('set http.host') as string,
  })
  expect((await post(first.url)).status).toBe(202)
})

it('refuses a lease that ends before a call could', () => {
  expect(() => hubWith({}, { leaseMs: 1_000 })).toThrow('leaseMs must be a number at least 2000')
})
