/** The HTTP door of a hub on loopback, over a real journal in a schema of its own, and a client that sends any bytes. */
import { createHmac, randomBytes } from 'node:crypto'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import Fastify from 'fastify'
import type { FastifyHttpOptions } from 'fastify'
import pg from 'pg'
import { z } from 'zod'
import type { HttpConfig } from '../../src/define/http-config.ts'
import { defineConfig } from '../../src/define/config.ts'
import { defineEvent } from '../../src/define/event.ts'
import type { WebhookSource } from '../../src/define/source.ts'
import { Appender } from '../../src/ingress/appender.ts'
import { registerIngress } from '../../src/ingress/http.ts'
import type { Authenticate } from '../../src/ingress/principal.ts'
import { problemOptions, registerProblems } from '../../src/ingress/problem.ts'
import { openJournal } from '../../src/journal/sql-journal.ts'
import { databaseUrl } from './rig.ts'

export const orderPlaced = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string(), lines: z.array(z.object({ quantity: z.number() })).optional() }),
  key: (order) => order.number,
})

/** What the door takes as the whole of a body. */
export const maxBodyBytes = 65_536

export interface DoorOptions {
  readonly http?: HttpConfig
  readonly sources?: readonly WebhookSource[]
  readonly authenticate?: Authenticate
  readonly server?: FastifyHttpOptions<Server>
}

export interface Door extends AsyncDisposable {
  readonly port: number
  readonly schema: string
  /** Codes of what was refused, and why signatures were. */
  readonly refused: string[]
  /** What reached the log as a fault of busbar itself. */
  readonly errors: unknown[]
  readonly send: (request: Request) => Promise<Answer>
  readonly sql: <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<Row[]>
  /** `id=data` of all events, in order. */
  readonly stored: () => Promise<string[]>
}

export async function openDoor(options: DoorOptions = {}): Promise<Door> {
  const schema = `door_${randomBytes(6).toString('hex')}`
  const journal = await openJournal({
    url: databaseUrl,
    schema,
    worker: schema,
    maxConnections: 2,
    migrate: true,
  })
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2, options: `-c search_path=${schema}` })
  const config = defineConfig({
    flows: [],
    events: [orderPlaced],
    sources: options.sources ?? [],
    http: { maxBodyBytes, maxDepth: 8, ...options.http },
  })
  const appender = new Appender({ log: () => journal, maxPending: config.http.maxPending })
  const refused: string[] = []
  const errors: unknown[] = []
  const app = Fastify({ ...problemOptions, ...options.server })
  registerProblems(app, { onError: (error) => errors.push(error) })
  registerIngress(app, {
    config,
    append: (event) => appender.append(event),
    appendAll: (events) => appender.appendAll(events),
    ...(options.authenticate && { authenticate: options.authenticate }),
    observe: { accepted() {}, refused: (code) => refused.push(code), door: () => ({ taken() {} }) },
    onRefusedSignature: (source, why) => refused.push(`${source}: ${why}`),
    onError: (error) => errors.push(error),
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as { port: number }
  const sql: Door['sql'] = async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
    (await pool.query<Row>(text, values)).rows
  return {
    port,
    schema,
    refused,
    errors,
    sql,
    send: (request) => exchange(port, wire(request)),
    stored: async () =>
      (await sql<{ line: string }>(`SELECT id || '=' || data AS line FROM events ORDER BY seq`)).map(
        ({ line }) => line,
      ),
    async [Symbol.asyncDispose]() {
      await app.close()
      await appender.stop()
      await journal.close()
      await sql(`DROP SCHEMA ${schema} CASCADE`)
      await pool.end()
    },
  }
}

/** A request as it is to be on the wire; `POST /events` with structured content by default. */
export interface Request {
  readonly method?: string
  readonly path?: string
  /** Beside host, content-length and connection; an array is several headers of one name. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Buffer
  /** Instead of the body's own. */
  readonly contentLength?: number
  /** The whole request, written by hand. */
  readonly raw?: string
}

/** An answer as it was on the wire. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** The body as JSON. */
  readonly json: Record<string, unknown>
}

export const structured = { 'content-type': 'application/cloudevents+json' }
export const batched = { 'content-type': 'application/cloudevents-batch+json' }
export const binary = {
  'content-type': 'application/json',
  'ce-specversion': '1.0',
  'ce-source': 'urn:shop',
  'ce-type': 'order.placed',
}

/** The bytes of a request, in Latin-1 so that any byte can be sent. */
export function wire(request: Request): Buffer {
  if (request.raw !== undefined) return Buffer.from(request.raw, 'latin1')
  const { method = 'POST', path = '/events', headers = structured, body = '' } = request
  const bytes = Buffer.from(body as string)
  const lines = Object.entries(headers).flatMap(([name, values]) =>
    [values].flat().map((value) => `${name}: ${value}`),
  )
  const own = [
    'host: 127.0.0.1',
    `content-length: ${request.contentLength ?? bytes.length}`,
    'connection: close',
  ]
  const head = [`${method} ${path} HTTP/1.1`, ...own, ...lines, '', ''].join('\r\n')
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes])
}

/** Sends bytes and reads until the server ends the connection. `halfClose` ends our side after them. */
export function exchange(
  port: number,
  bytes: Buffer,
  options: { halfClose?: boolean } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => {
      socket.write(bytes)
      if (options.halfClose) socket.end()
    })
    socket.setTimeout(20_000, () => socket.destroy(new Error('no answer within 20 s')))
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('end', () => socket.end())
    socket.on('error', (error) => {
      if (chunks.length === 0) reject(error)
    })
    socket.on('close', () => resolve(answerOf(Buffer.concat(chunks).toString())))
  })
}

function answerOf(text: string): Answer {
  const [head = '', body = ''] = text.split(/\r\n\r\n(.*)/s)
  const [first = '', ...lines] = head.split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  )
  return {
    status: Number(first.split(' ')[1] ?? 0),
    headers,
    text: body,
    get json() {
      return JSON.parse(body) as Record<string, unknown>
    },
  }
}

/** An event in structured mode. */
export function event(id: string, more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    ...{ specversion: '1.0', id, source: 'urn:shop', type: 'order.placed', data: { number: id } },
    ...more,
  })
}

/** The same with data written by hand. */
export function eventWith(id: string, data: string): string {
  return `{"specversion":"1.0","id":"${id}","source":"urn:shop","type":"order.placed","data":${data}}`
}

/** HMAC-SHA256. */
export function hmac(secret: string, text: string, encoding: 'base64' | 'hex'): string {
  return createHmac('sha256', secret).update(text).digest(encoding)
}
