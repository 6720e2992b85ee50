import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { underWayUntil } from '../define/abortable.ts'
import type { AttemptContext, Connector, Exchange } from '../define/system.ts'
import { BusbarError, CallError } from '../errors.ts'
import { apiKey, basic, bearer, clientCredentials, sessionLogin } from './http-auth.ts'
import type { HttpCall } from './http-call.ts'
import type { HttpSystemOptions } from './http.ts'
import { httpSystem } from './http.ts'

interface Got {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}
type Answer = (got: Got, response: ServerResponse, request: IncomingMessage) => void

let server: Server
let port: number
let got: Got[]
let answer: Answer
const connectors: Connector<HttpCall>[] = []

beforeEach(async () => {
  got = []
  answer = (_, response) => json(response, 200, { ok: true })
  server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const one = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body }
      got.push(one)
      answer(one, response, request)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})

afterEach(async () => {
  for (const connector of connectors.splice(0)) await connector.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

function connect(
  options: Partial<HttpSystemOptions> = {},
  redact: readonly string[] = [],
): Connector<HttpCall> {
  const system = httpSystem({ name: 'erp', baseUrl: `http://127.0.0.1:${port}/api`, ...options })
  const connector = system.connect({ redact })
  connectors.push(connector)
  return connector
}

/** An attempt that records what it was told. */
function attempt(options: { signal?: AbortSignal; subject?: string; id?: string; lease?: () => void } = {}) {
  const told = { before: 0, sent: 0, exchanges: [] as Exchange[] }
  const { signal = new AbortController().signal } = options
  const context: AttemptContext = {
    kind: 'send',
    idempotencyKey: 'key-1',
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    event: {
      id: options.id ?? 'e-1',
      source: 'urn:shop',
      type: 'order.placed',
      subject: options.subject,
      time: '2026-01-01T00:00:00Z',
      key: 'SO-1',
    },
    signal,
    ...underWayUntil(signal),
    beforeRequest: async () => void told.before++,
    checkLease: () => options.lease?.(),
    conceal: (text) => text,
    sent: () => void told.sent++,
    record: (exchange) => void told.exchanges.push(exchange),
  }
  return { context, told }
}

async function failure(work: Promise<unknown>): Promise<CallError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof CallError)) throw new Error(`expected a CallError, got ${String(error)}`)
  return error
}

describe('a request', () => {
  it('goes below the base URL with identity, trace and event attributes, and answers the parsed body', async () => {
    const { context, told } = attempt({ subject: 'Auftrag Ä "1"' })
    const result = await connect({ headers: { 'X-Tenant': '7' } })
      .open(context)
      .post('/sales', { reference: 'SO-1' })
    expect(result).toEqual({ ok: true })
    expect(got[0]).toMatchObject({
      method: 'POST',
      url: '/api/sales',
      body: '{"reference":"SO-1"}',
      headers: {
        'content-type': 'application/json',
        'idempotency-key': 'key-1',
        'ce-id': 'e-1',
        'ce-source': 'urn:shop',
        'ce-type': 'order.placed',
        'ce-subject': 'Auftrag%20%C3%84%20%221%22',
        'ce-time': '2026-01-01T00:00:00Z',
        'x-tenant': '7',
      },
    })
    expect(told).toMatchObject({ before: 1, sent: 1 })
  })

  it('counts only what may change something as sent', async () => {
    const { context, told } = attempt()
    await connect().open(context).get('/sales')
    expect(told).toMatchObject({ before: 1, sent: 0 })
  })

  it('that has waited for a connection does not leave when the lease was lost meanwhile', async () => {
    const freed = Promise.withResolvers<void>()
    answer = (_, response) => void freed.promise.then(() => json(response, 200, { ok: true }))
    const connector = connect({ limits: { concurrency: 1 } })
    const busy = [1, 2].map((n) => connector.open(attempt().context).post('/sales', { reference: `SO-${n}` }))
    await expect.poll(() => got.length).toBe(2) // it has no more connections
    let lost = false
    const { context, told } = attempt({
      lease: () => {
        if (lost) throw new BusbarError('journal.lease-lost', 'lost')
      },
    })
    const waits = connector.open(context).post('/sales', { reference: 'SO-3' })
    await expect.poll(() => told.before).toBe(1)
    lost = true
    freed.resolve()
    await Promise.all(busy)
    await expect(waits).rejects.toMatchObject({ code: 'journal.lease-lost' })
    expect(told.sent).toBe(0)
    lost = false
    await connector.open(context).post('/sales', { reference: 'SO-4' })
    expect(got.map(({ body }) => (JSON.parse(body) as { reference: string }).reference)).not.toContain('SO-3')
    expect(got).toHaveLength(3)
  })

  it('sends forms, text and bytes as what they are', async () => {
    const call = connect().open(attempt().context)
    await call.post('/form', new URLSearchParams({ a: '1 2' }))
    await call.post('/text', 'plain')
    await call.put('/bytes', Buffer.from([1, 2]))
    await call.post('/nothing')
    expect(got.map(({ headers, body }) => [headers['content-type'], body.length])).toEqual([
      ['application/x-www-form-urlencoded', 5],
      ['text/plain; charset=utf-8', 5],
      ['application/octet-stream', 2],
      [undefined, 0],
    ])
  })

  it('follows no redirect', async () => {
    answer = (_, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end()
    expect(await failure(connect().open(attempt().context).get('/'))).toMatchObject({
      class: 'invalid',
      status: 302,
    })
    expect(got).toHaveLength(1)
  })
})

describe('what an answer means', () => {
  it.each([
    [400, 'invalid'],
    [401, 'credential'],
    [404, 'invalid'],
    [409, 'conflict'],
    [422, 'invalid'],
    [423, 'busy'],
    [429, 'throttled'],
    [500, 'transient'],
    [503, 'transient'],
  ])('%i is %s', async (status, errorClass) => {
    answer = (_, response) => json(response, status, { error: { code: 'E7', message: 'no' } })
    expect(await failure(connect().open(attempt().context).post('/x', {}))).toMatchObject({
      class: errorClass,
      status,
      vendorCode: 'E7',
      message: expect.stringContaining('no') as string,
    })
  })

  it('Retry-After is told, in seconds or as a date', async () => {
    answer = (_, response) => json(response, 429, {}, { 'retry-after': '7' })
    expect((await failure(connect().open(attempt().context).get('/'))).retryAfterMs).toBe(7_000)
    answer = (_, response) =>
      json(response, 503, {}, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() })
    const { retryAfterMs = 0, class: errorClass } = await failure(connect().open(attempt().context).get('/'))
    expect(errorClass).toBe('throttled')
    expect(retryAfterMs).toBeGreaterThan(50_000)
  })

  it('the system may decide by the body of a 200', async () => {
    answer = (_, response) => json(response, 200, { error: ['could not obtain lock', ''] })
    const connector = connect({
      classify: ({ body }) =>
        (body as { error?: unknown[] }).error ? { class: 'busy', message: 'locked' } : 'ok',
    })
    expect(await failure(connector.open(attempt().context).post('/x', {}))).toMatchObject({
      class: 'busy',
      message: 'locked',
    })
  })

  it('an answer that is not HTTP will never be any better', async () => {
    const tcp = createTcpServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () =>
        socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'),
      )
    })
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve))
    const baseUrl = `http://127.0.0.1:${(tcp.address() as AddressInfo).port}`
    const error = await failure(connect({ baseUrl }).open(attempt().context).get('/'))
    tcp.close()
    expect(error.class).toBe('invalid')
    expect(error.vendorCode).toMatch(/^HPE_|^UND_ERR_RES/)
  })
})

describe('no answer', () => {
  it('nobody there: surely not sent', async () => {
    const { context, told } = attempt()
    const error = await failure(connect({ baseUrl: 'http://127.0.0.1:1' }).open(context).post('/x', {}))
    expect(error.class).toBe('unavailable')
    expect(told.sent).toBe(0)
  })

  it('a name that does not exist: surely not sent', async () => {
    const error = await failure(
      connect({ baseUrl: 'http://no-such-host.invalid' }).open(attempt().context).get('/'),
    )
    expect(error.class).toBe('unavailable')
  })

  it('the connection breaks after the request: unknown, unless it changed nothing', async () => {
    answer = (_, __, request) => request.socket.resetAndDestroy()
    expect((await failure(connect().open(attempt().context).post('/x', {}))).class).toBe('unknown')
    expect((await failure(connect().open(attempt().context).get('/x'))).class).toBe('transient')
  })

  it('the deadline passes: the request is given up', async () => {
    answer = () => undefined
    const abort = new AbortController()
    const pending = failure(
      connect()
        .open(attempt({ signal: abort.signal }).context)
        .post('/x', {}),
    )
    await expect.poll(() => got.length).toBe(1)
    abort.abort()
    expect((await pending).class).toBe('unknown')
  })
})

describe('bounds', () => {
  it('an answer that is too large is cut off; a success is of unknown outcome then', async () => {
    answer = (_, response) => response.writeHead(200).end('x'.repeat(100_000))
    const connector = connect({ maxResponseBytes: 1_000 })
    expect(await failure(connector.open(attempt().context).get('/'))).toMatchObject({ class: 'invalid' })
    expect(await failure(connector.open(attempt().context).post('/', {}))).toMatchObject({ class: 'unknown' })
  })

  it('a compressed answer is read, a bomb is not', async () => {
    answer = (_, response) =>
      response
        .writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'application/json' })
        .end(gzipSync('{"a":1}'))
    expect(await connect().open(attempt().context).get('/')).toEqual({ a: 1 })
    answer = (_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(50_000_000)))
    expect(await failure(connect().open(attempt().context).get('/'))).toMatchObject({ class: 'invalid' })
  })
})

describe('find', () => {
  it('answers the first record, wherever the list is, and undefined when there is none', async () => {
    const call = connect().open(attempt().context)
    for (const body of [[{ id: 1 }], { items: [{ id: 1 }] }, { value: [{ id: 1 }] }, { id: 1 }]) {
      answer = (_, response) => json(response, 200, body)
      expect(await call.find('/sales', { reference: 'A' })).toEqual({ id: 1 })
    }
    for (const body of [[], { items: [] }, null]) {
      answer = (_, response) => json(response, 200, body)
      expect(await call.find('/sales', { reference: 'A' })).toBeUndefined()
    }
    answer = (_, response) => json(response, 404, {})
    expect(await call.find('/sales', { reference: 'A' })).toBeUndefined()
  })

  it('does not take another record for the one that was asked for', async () => {
    answer = (_, response) => json(response, 200, [{ reference: 'B' }])
    expect(await failure(connect().open(attempt().context).find('/sales', { reference: 'A' }))).toMatchObject(
      {
        class: 'invalid',
        vendorCode: 'find.filter-ignored',
      },
    )
  })

  it('fails when it cannot look', async () => {
    answer = (_, response) => json(response, 500, {})
    expect(await failure(connect().open(attempt().context).find('/sales', { reference: 'A' }))).toMatchObject(
      {
        class: 'transient',
      },
    )
  })
})

describe('the record', () => {
  it('shows request and response without secrets', async () => {
    answer = (_, response) =>
      json(
        response,
        422,
        { error: 'no', access_token: 'SECRET-1', customer: { iban: 'SECRET-2' } },
        { 'set-cookie': 'sid=SECRET-3' },
      )
    const { context, told } = attempt()
    const connector = connect({ auth: bearer('SECRET-4') }, ['pin'])
    await failure(
      connector
        .open(context)
        .post('/x?token=SECRET-5', { password: 'SECRET-6', pin: 'SECRET-7', name: 'Ann' }),
    )
    const [exchange] = told.exchanges
    const text = `${exchange?.request}\n${exchange?.response}`
    expect(text).not.toContain('SECRET')
    expect(exchange?.request).toContain('POST /api/x?token=')
    expect(exchange?.request).toContain('"name":"Ann"')
    expect(exchange?.response).toContain('"error":"no"')
    expect(exchange).toMatchObject({ status: 422 })
  })

  it('is bounded', async () => {
    const { context, told } = attempt()
    await connect()
      .open(context)
      .post('/x', { note: 'x'.repeat(100_000) })
    expect(told.exchanges[0]?.request.length).toBeLessThanOrEqual(4_096)
  })
})

describe('authentication', () => {
  it('basic, bearer and API keys go as headers', async () => {
    for (const auth of [basic({ user: 'u', password: 'p' }), bearer('t'), apiKey({ key: 'k' })])
      await connect({ auth }).open(attempt().context).get('/')
    expect(got.map(({ headers }) => headers.authorization ?? headers['x-api-key'])).toEqual([
      'Basic dTpw',
      'Bearer t',
      'k',
    ])
  })

  it('a session is opened once for all, and again once when it has ended', async () => {
    let logins = 0
    let valid = ''
    answer = ({ url, headers }, response) => {
      if (url === '/api/Login') {
        valid = `B1SESSION=s${++logins}; ROUTEID=r`
        const cookies = [`B1SESSION=s${logins}; HttpOnly`, 'ROUTEID=r; Path=/']
        return void response.writeHead(200, { 'set-cookie': cookies }).end('{}')
      }
      json(response, headers.cookie === valid ? 200 : 401, { session: headers.cookie })
    }
    const connector = connect({ auth: sessionLogin({ path: '/Login', login: { user: 'u' } }) })
    const calls = () => Promise.all([1, 2, 3, 4].map(() => connector.open(attempt().context).post('/x', {})))
    await calls()
    expect(logins).toBe(1)
    valid = 'ended'
    await calls()
    expect(logins).toBe(2)
  })

  it('a wrong login is a credential error and is not tried again for each call', async () => {
    let logins = 0
    answer = ({ url }, response) => {
      if (url === '/api/Login') logins++
      json(response, 401, {})
    }
    const connector = connect({ auth: sessionLogin({ path: '/Login', login: {} }) })
    const errors = await Promise.all(
      [1, 2, 3].map(() => failure(connector.open(attempt().context).get('/x'))),
    )
    expect(errors.map((error) => error.class)).toEqual(['credential', 'credential', 'credential'])
    expect(logins).toBe(1)
  })

  it('client credentials: one token for all, renewed before it expires and when it is refused', async () => {
    let tokens = 0
    let valid = ''
    answer = ({ url, headers, body }, response) => {
      if (url === '/token') {
        expect(body).toBe('grant_type=client_credentials&audience=erp&scope=sales')
        expect(headers.authorization).toBe(`Basic ${Buffer.from('id:secret').toString('base64')}`)
        valid = `Bearer t${++tokens}`
        return json(response, 200, { access_token: `t${tokens}`, expires_in: 3600 })
      }
      json(response, headers.authorization === valid ? 200 : 401, {})
    }
    const connector = connect({
      auth: clientCredentials({
        tokenUrl: `http://127.0.0.1:${port}/token`,
        clientId: 'id',
        clientSecret: 'secret',
        scope: 'sales',
        parameters: { audience: 'erp' },
      }),
    })
    await Promise.all([1, 2, 3].map(() => connector.open(attempt().context).get('/x')))
    expect(tokens).toBe(1)
    valid = 'revoked'
    await Promise.all([1, 2, 3].map(() => connector.open(attempt().context).get('/x')))
    expect(tokens).toBe(2)
  })
})

describe('the declaration', () => {
  it.each([
    ['not a url', /is not a URL/],
    ['ftp://erp', /must be http or https/],
    ['https://user:pw@erp', /must not carry credentials/],
    ['https://erp/?a=1', /must not carry a query/],
  ])('refuses baseUrl %s', (baseUrl, message) => {
    expect(() => httpSystem({ name: 'erp', baseUrl })).toThrow(message)
  })

  it('refuses empty credentials at once, not at the first call', () => {
    expect(() => bearer('')).toThrow(/is empty/)
    expect(() => basic({ user: '', password: '' })).toThrow(/is empty/)
  })
})
