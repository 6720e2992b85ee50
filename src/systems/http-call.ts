import type { Abortable } from '../define/abortable.ts'
import type { FieldRules } from '../define/redaction.ts'
import type { AttemptContext } from '../define/system.ts'
import { CallError } from '../errors.ts'
import { pathBelow, withoutQuery } from './http-address.ts'
import type { AuthHeaders, AuthSession } from './http-auth.ts'
import { noHeaders } from './http-auth.ts'
import type { Classify, HttpAnswer } from './http-classify.ts'
import { judge } from './http-classify.ts'
import type { Exchange, ExchangeOptions, RawAnswer, RawRequest } from './http-exchange.ts'
import { isSafe } from './http-exchange.ts'
import type { HttpRecordOf } from './http-record.ts'
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
 * a form, strings and buffers as they are. Paths are below the system's `baseUrl`. They are methods: `call.post(…)`, never
 * taken out of it.
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
  return new Calls(target, attempt)
}

class Calls implements HttpCall {
  readonly #target: HttpTarget
  readonly #attempt: AttemptContext

  constructor(target: HttpTarget, attempt: AttemptContext) {
    this.#target = target
    this.#attempt = attempt
  }

  get<T>(path: string, options?: CallOptions): Promise<T> {
    return this.#ask({ method: 'GET', path, body: undefined, options }, bodyOf<T>)
  }

  post<T>(path: string, body?: unknown, options?: CallOptions): Promise<T> {
    return this.#ask({ method: 'POST', path, body, options }, bodyOf<T>)
  }

  put<T>(path: string, body?: unknown, options?: CallOptions): Promise<T> {
    return this.#ask({ method: 'PUT', path, body, options }, bodyOf<T>)
  }

  patch<T>(path: string, body?: unknown, options?: CallOptions): Promise<T> {
    return this.#ask({ method: 'PATCH', path, body, options }, bodyOf<T>)
  }

  delete<T>(path: string, options?: CallOptions): Promise<T> {
    return this.#ask({ method: 'DELETE', path, body: undefined, options }, bodyOf<T>)
  }

  find<T>(path: string, query: Query): Promise<T | undefined> {
    return find((wanted) => this.request(wanted), path, query) as Promise<T | undefined>
  }

  request(wanted: Parameters<HttpCall['request']>[0]): Promise<HttpAnswer> {
    const { method, path, body } = wanted
    return this.#ask({ method, path, body, options: wanted }, (answer) => answer)
  }

  /** With credentials; when they are refused (401), once more with renewed ones. One promise, not one for each part: it shows. */
  async #ask<T>(wanted: Wanted, take: (answer: HttpAnswer) => T): Promise<T> {
    const { auth, classify, exchange, maxResponseBytes } = this.#target
    const attempt = this.#attempt
    const bare = rawRequest(this.#target, wanted, attempt)
    const known = auth.headers()
    let credentials = known instanceof Promise ? await known : known
    for (let renewed = false; ; renewed = true) {
      const request = withHeaders(bare, credentials)
      const waited = attempt.beforeRequest()
      if (waited) await waited
      const startedAt = performance.now()
      let raw: RawAnswer | undefined
      try {
        raw = await exchange(request, new Sending(request, attempt, maxResponseBytes))
      } finally {
        this.#record(request, { answer: raw, ms: performance.now() - startedAt, credentials })
      }
      if (raw.cutOff) throw tooLarge(request, raw, maxResponseBytes)
      const answer = answerOf(request, raw)
      if (answer.status !== 401 || !auth.renew || renewed) {
        judge(answer, classify, Date.now())
        return take(answer)
      }
      credentials = await auth.renew(credentials)
    }
  }

  #record(request: RawRequest, how: Pick<HttpRecordOf, 'answer' | 'ms' | 'credentials'>): void {
    const attempt = this.#attempt
    attempt.record(new HttpRecord({ request, rules: this.#target.rules, attempt, ...how }))
  }
}

function bodyOf<T>(answer: HttpAnswer): T {
  return answer.body as T
}

/** What a step asks for. */
interface Wanted {
  readonly method: string
  readonly path: string
  readonly body: unknown
  readonly options: CallOptions | undefined
}

/** One request of an attempt, on its way. */
class Sending implements ExchangeOptions {
  readonly maxBytes: number
  readonly #request: RawRequest
  readonly #attempt: AttemptContext

  constructor(request: RawRequest, attempt: AttemptContext, maxBytes: number) {
    this.maxBytes = maxBytes
    this.#request = request
    this.#attempt = attempt
  }

  get signal(): AbortSignal {
    return this.#attempt.signal
  }

  onSent(): void {
    this.#attempt.checkLease() // it may have waited for a connection, in a process that stood still meanwhile
    if (!isSafe(this.#request.method)) this.#attempt.sent()
  }

  begun(request: Abortable): void {
    this.#attempt.begun(request)
  }

  ended(request: Abortable): void {
    this.#attempt.ended(request)
  }
}

/** Those of the system, Idempotency-Key, W3C Trace Context, and the event's attributes as in the CloudEvents HTTP binding. */
function attemptHeaders(target: HttpTarget, attempt: AttemptContext): Record<string, string> {
  const { id, source, type, subject, time } = attempt.event
  const headers: Record<string, string> = {
    ...target.headers,
    'idempotency-key': attempt.idempotencyKey,
    traceparent: attempt.traceparent,
    'ce-id': headerText(id),
    'ce-source': headerText(source),
    'ce-type': headerText(type),
  }
  if (subject !== undefined) headers['ce-subject'] = headerText(subject)
  if (time !== undefined) headers['ce-time'] = time
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

function rawRequest(target: HttpTarget, wanted: Wanted, attempt: AttemptContext): RawRequest {
  const { method, options } = wanted
  const { type, body } = contentOf(wanted.body)
  const headers = attemptHeaders(target, attempt)
  if (type !== undefined) headers['content-type'] = type
  for (const name in options?.headers) {
    const value = options.headers[name] ?? null
    if (value === null) delete headers[name.toLowerCase()]
    else headers[name.toLowerCase()] = value
  }
  return { method, path: pathBelow(target.base, wanted.path, options?.query), headers, body }
}

function contentOf(body: unknown): { type: string | undefined; body: string | Buffer | undefined } {
  if (body === undefined) return { type: undefined, body: undefined }
  if (typeof body === 'string') return { type: 'text/plain; charset=utf-8', body }
  if (Buffer.isBuffer(body)) return { type: 'application/octet-stream', body }
  if (body instanceof URLSearchParams)
    return { type: 'application/x-www-form-urlencoded', body: body.toString() }
  return { type: 'application/json', body: JSON.stringify(body) }
}

function withHeaders(request: RawRequest, headers: AuthHeaders): RawRequest {
  if (headers === noHeaders) return request
  return { ...request, headers: { ...request.headers, ...headers } }
}

/** A success that is too large to be read has happened all the same; busbar cannot know what it said. */
function tooLarge({ method, path }: RawRequest, { status }: RawAnswer, maxBytes: number): CallError {
  const happened = status >= 200 && status < 300 && !isSafe(method)
  return new CallError({
    class: happened ? 'unknown' : 'invalid',
    message: `${method} ${withoutQuery(path)} answered more than ${maxBytes} bytes; raise maxResponseBytes or ask for less`,
    vendorCode: 'response-too-large',
    status,
  })
}

function answerOf({ method, path }: RawRequest, { status, headers, body }: RawAnswer): HttpAnswer {
  return { method, path: withoutQuery(path), status, headers, body: parsed(headers, body) }
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
