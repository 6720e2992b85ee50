import type { FieldRules } from '../define/redaction.ts'
import type { AttemptContext } from '../define/system.ts'
import { CallError } from '../errors.ts'
import { pathBelow } from './http-address.ts'
import type { AuthHeaders, AuthSession } from './http-auth.ts'
import { noHeaders } from './http-auth.ts'
import type { Classify, HttpAnswer } from './http-classify.ts'
import { judge } from './http-classify.ts'
import type { Exchange, RawAnswer, RawRequest } from './http-exchange.ts'
import { isSafe } from './http-exchange.ts'
import { HttpRecord } from './http-record.ts'

/** Query parameters; null and undefined are left out. */
export type Query = Readonly<Record<string, string | number | boolean | null | undefined>>

/** What a single call may add. */
export interface CallOptions {
  readonly query?: Query
  /** Over those of the system; a null leaves one out. */
  readonly headers?: Readonly<Record<string, string | null>>
}

/**
 * What a step of an HTTP system talks through. Every method resolves with the parsed body of an answer that means success
 * and throws a `CallError` otherwise, as the system's `classify` decides. Bodies: objects go as JSON, `URLSearchParams` as
 * a form, strings and buffers as they are. Paths are below the system's `baseUrl`.
 */
export interface HttpCall {
  get<T = unknown>(path: string, options?: CallOptions): Promise<T>
  post<T = unknown>(path: string, body?: unknown, options?: CallOptions): Promise<T>
  put<T = unknown>(path: string, body?: unknown, options?: CallOptions): Promise<T>
  patch<T = unknown>(path: string, body?: unknown, options?: CallOptions): Promise<T>
  delete<T = unknown>(path: string, options?: CallOptions): Promise<T>
  /**
   * Looks for one record: GET with this query. `undefined` when the answer is 404, empty, null or an empty list (also
   * under `items`, `data`, `value`, `results` or `records`), else the first record. A record that shows other values than
   * the query asked for means that the system ignores the filter, and is an `invalid` error rather than a wrong answer.
   */
  find<T = Record<string, unknown>>(path: string, query: Query): Promise<T | undefined>
  /** The whole answer: status, headers, body. */
  request(
    request: { readonly method: string; readonly path: string; readonly body?: unknown } & CallOptions,
  ): Promise<HttpAnswer>
}

/** What all calls of one system share. */
export interface HttpTarget {
  readonly exchange: Exchange
  readonly base: URL
  readonly headers: Readonly<Record<string, string>>
  readonly auth: AuthSession
  readonly classify: Classify | undefined
  readonly maxResponseBytes: number
  readonly rules: FieldRules
}

/** The calls of one attempt. */
export function httpCall(target: HttpTarget, attempt: AttemptContext): HttpCall {
  const ask: HttpCall['request'] = async (wanted) => {
    const request = rawRequest(target, wanted, attempt)
    const answer = await authorized(target, attempt, request)
    judge(answer, target.classify, Date.now())
    return answer
  }
  const send =
    (method: string) =>
    async <T>(path: string, body?: unknown, options?: CallOptions) =>
      (await ask({ method, path, body, ...options })).body as T
  const bare =
    (method: string) =>
    async <T>(path: string, options?: CallOptions) =>
      (await ask({ method, path, ...options })).body as T
  return {
    get: bare('GET'),
    post: send('POST'),
    put: send('PUT'),
    patch: send('PATCH'),
    delete: bare('DELETE'),
    find: <T>(path: string, query: Query) => find(ask, path, query) as Promise<T | undefined>,
    request: ask,
  }
}

/** Those of the system, Idempotency-Key, W3C Trace Context, and the event's attributes as in the CloudEvents HTTP binding. */
function attemptHeaders(
  target: HttpTarget,
  { idempotencyKey, traceparent, event }: AttemptContext,
): Record<string, string> {
  const headers: Record<string, string> = {
    ...target.headers,
    'idempotency-key': idempotencyKey,
    traceparent,
    'ce-id': headerText(event.id),
    'ce-source': headerText(event.source),
    'ce-type': headerText(event.type),
  }
  if (event.subject !== undefined) headers['ce-subject'] = headerText(event.subject)
  if (event.time !== undefined) headers['ce-time'] = event.time
  return headers
}

/** CloudEvents HTTP binding 3.1.3.2: what is not printable ASCII, and `"`, `%` and blank, is percent-encoded. */
function headerText(text: string): string {
  return /^[!#$&-~]*$/.test(text)
    ? text
    : text.replace(/[^!#$&-~]/gu, (character) =>
        [...Buffer.from(character)]
          .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
          .join(''),
      )
}

function rawRequest(
  target: HttpTarget,
  wanted: Parameters<HttpCall['request']>[0],
  attempt: AttemptContext,
): RawRequest {
  const { type, body } = bodyOf(wanted.body)
  const headers = attemptHeaders(target, attempt)
  if (type !== undefined) headers['content-type'] = type
  for (const name in wanted.headers) {
    const value = wanted.headers[name] ?? null
    if (value === null) delete headers[name.toLowerCase()]
    else headers[name.toLowerCase()] = value
  }
  return { method: wanted.method, path: pathBelow(target.base, wanted.path, wanted.query), headers, body }
}

function bodyOf(body: unknown): { type: string | undefined; body: string | Buffer | undefined } {
  if (body === undefined) return { type: undefined, body: undefined }
  if (typeof body === 'string') return { type: 'text/plain; charset=utf-8', body }
  if (Buffer.isBuffer(body)) return { type: 'application/octet-stream', body }
  if (body instanceof URLSearchParams)
    return { type: 'application/x-www-form-urlencoded', body: body.toString() }
  return { type: 'application/json', body: JSON.stringify(body) }
}

/** With credentials; when they are refused (401), once more with renewed ones. */
async function authorized(
  target: HttpTarget,
  attempt: AttemptContext,
  request: RawRequest,
): Promise<HttpAnswer> {
  const { auth } = target
  const credentials = await auth.headers()
  const answer = await once(target, attempt, { request, credentials })
  if (answer.status !== 401 || !auth.renew) return answer
  return once(target, attempt, { request, credentials: await auth.renew(credentials) })
}

function withHeaders(request: RawRequest, headers: AuthHeaders): RawRequest {
  if (headers === noHeaders) return request
  return { ...request, headers: { ...request.headers, ...headers } }
}

async function once(
  target: HttpTarget,
  attempt: AttemptContext,
  wanted: { readonly request: RawRequest; readonly credentials: AuthHeaders },
): Promise<HttpAnswer> {
  const { credentials } = wanted
  const request = withHeaders(wanted.request, credentials)
  await attempt.beforeRequest()
  const startedAt = performance.now()
  let answer: RawAnswer | undefined
  try {
    answer = await target.exchange(request, {
      signal: attempt.signal,
      maxBytes: target.maxResponseBytes,
      onSent: () => {
        attempt.checkLease() // it may have waited for a connection, in a process that stood still meanwhile
        if (!isSafe(request.method)) attempt.sent()
      },
    })
  } finally {
    const ms = performance.now() - startedAt
    attempt.record(
      new HttpRecord({ request, answer, ms, credentials, rules: target.rules, conceal: attempt.conceal }),
    )
  }
  if (answer.cutOff) throw tooLarge(request, answer, target.maxResponseBytes)
  return answerOf(request, answer)
}

/** A success that is too large to be read has happened all the same; busbar cannot know what it said. */
function tooLarge({ method, path }: RawRequest, { status }: RawAnswer, maxBytes: number): CallError {
  const happened = status >= 200 && status < 300 && !isSafe(method)
  return new CallError({
    class: happened ? 'unknown' : 'invalid',
    message: `${method} ${path.split('?')[0]} answered more than ${maxBytes} bytes; raise maxResponseBytes or ask for less`,
    vendorCode: 'response-too-large',
    status,
  })
}

function answerOf({ method, path }: RawRequest, { status, headers, body }: RawAnswer): HttpAnswer {
  return { method, path: path.split('?')[0] ?? path, status, headers, body: parsed(headers, body) }
}

/** JSON where the answer says so, or looks so without saying anything; text otherwise; undefined when empty. */
function parsed(headers: RawAnswer['headers'], body: Buffer): unknown {
  if (body.length === 0) return undefined
  const text = body.toString('utf8')
  const type = headers['content-type']
  if (type !== undefined && !/json/i.test(String(type))) return text
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const listFields = ['items', 'data', 'value', 'results', 'records']

async function find(ask: HttpCall['request'], path: string, query: Query): Promise<unknown> {
  let answer: HttpAnswer
  try {
    answer = await ask({ method: 'GET', path, query })
  } catch (error) {
    if (error instanceof CallError && error.status === 404) return undefined
    throw error
  }
  const record = firstRecord(answer.body)
  if (record === undefined || record === null) return undefined
  const wrong = Object.entries(query).find(([name, value]) => differs(record, name, value))
  if (wrong)
    throw new CallError({
      class: 'invalid',
      vendorCode: 'find.filter-ignored',
      message: `GET ${answer.path} was asked for ${wrong[0]} = ${wrong[1]} but answers another: does the system know this filter?`,
      status: answer.status,
    })
  return record
}

function firstRecord(body: unknown): unknown {
  if (Array.isArray(body)) return body[0]
  if (typeof body !== 'object' || body === null) return undefined
  for (const field of listFields) {
    const list = (body as Record<string, unknown>)[field]
    if (Array.isArray(list)) return list[0]
  }
  return body
}

function differs(record: unknown, name: string, value: Query[string]): boolean {
  if (value === null || value === undefined || typeof record !== 'object' || record === null) return false
  const shown = (record as Record<string, unknown>)[name]
  if (typeof shown !== 'string' && typeof shown !== 'number' && typeof shown !== 'boolean') return false
  return String(shown) !== String(value)
}
