import { durationMs } from '../define/duration.ts'
import type { Duration } from '../define/duration.ts'
import type { Connector, System, Transport, TransportAnswer, TransportRequest } from '../define/system.ts'
import type { Clock } from '../engine/clock.ts'
import { CallError } from '../errors.ts'

/** A request as a stub gets it. */
export interface StubRequest {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  /** Parsed when it is JSON, else text; undefined when there is none. */
  readonly body: unknown
  readonly idempotencyKey: string | undefined
  /** 1 for the first request that this stub gets. */
  readonly number: number
}

/** What a stub answers: a status and body; nobody there (`refused`); done but never answered (`timeout`); done, connection lost (`reset`). */
export type StubAnswer =
  | {
      readonly status?: number
      readonly body?: unknown
      readonly headers?: Readonly<Record<string, string>>
    }
  | 'refused'
  | 'timeout'
  | 'reset'

/** How a system behaves in a world. */
export interface StubOptions<Call = unknown> {
  /** Answers the first so many requests with 500. */
  readonly failFirst?: number
  /** How long each answer takes, in virtual time; default none. */
  readonly latency?: Duration
  /** Answers each request after `failFirst`; default: 404 for GET, else 200 with an id. */
  readonly answer?: (request: StubRequest) => StubAnswer
  /** For systems that do not speak HTTP: a connector in the place of the real one. */
  readonly connector?: Connector<Call>
}

/** A request that a stub got, and what it answered. */
export interface StubCall extends StubRequest {
  /** 0 when there was no answer. */
  readonly status: number
  readonly answer: 'answered' | 'refused' | 'timeout' | 'reset'
  /** Attributes of the event it was about. */
  readonly event: string | undefined
  readonly subject: string | undefined
  /** Virtual time, in milliseconds since 1970. */
  readonly at: number
}

/** A system and how it behaves in a world; made by `stub`. */
export interface Stub {
  readonly system: System
  readonly options: StubOptions
}

/**
 * Has a system behave as told in a world. What the flow sends goes through the real code of the system: paths,
 * authentication, classification, records; only the network is not there.
 *
 * @example stub(erp, { failFirst: 2, answer: () => ({ body: { id: 'SALE-1' } }) })
 */
export function stub<Call>(system: System<Call>, options: StubOptions<Call> = {}): Stub {
  return { system, options }
}

/** A stub at work: keeps what it got. */
export class RunningStub {
  readonly calls: StubCall[] = []
  readonly #options: StubOptions
  readonly #clock: Clock
  /** Requests that were not answered yet. */
  underWay = 0

  constructor(options: StubOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
  }

  readonly transport: Transport = async (raw, { signal, onSent }) => {
    const request = stubRequest(raw, this.calls.length + 1)
    const answer = this.#answer(request)
    if (answer !== 'refused') onSent()
    this.calls.push({
      ...request,
      status: typeof answer === 'string' ? 0 : (answer.status ?? 200),
      answer: typeof answer === 'string' ? answer : 'answered',
      event: raw.headers['ce-id'],
      subject: raw.headers['ce-subject'],
      at: this.#clock.now(),
    })
    this.underWay++
    try {
      await this.#latency(signal)
      return await outcomeOf(answer, request, signal)
    } finally {
      this.underWay--
    }
  }

  #answer(request: StubRequest): StubAnswer {
    if (request.number <= (this.#options.failFirst ?? 0))
      return { status: 500, body: { error: 'stubbed failure' } }
    if (this.#options.answer) return this.#options.answer(request)
    return request.method === 'GET' ? { status: 404 } : { body: { id: `stub-${request.number}` } }
  }

  async #latency(signal: AbortSignal): Promise<void> {
    const ms = durationMs(this.#options.latency ?? 0)
    if (ms === 0) return
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.timer(ms, resolve)
      signal.addEventListener('abort', () => {
        cancel()
        resolve()
      })
    })
  }
}

function stubRequest(raw: TransportRequest, number: number): StubRequest {
  const url = new URL(raw.path, 'http://stub')
  return {
    method: raw.method,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: raw.headers,
    body: parsed(raw.body),
    idempotencyKey: raw.headers['idempotency-key'],
    number,
  }
}

function parsed(body: string | Buffer | undefined): unknown {
  if (body === undefined) return undefined
  try {
    return JSON.parse(body.toString()) as unknown
  } catch {
    return body.toString()
  }
}

async function outcomeOf(
  answer: StubAnswer,
  request: StubRequest,
  signal: AbortSignal,
): Promise<TransportAnswer> {
  const what = `${request.method} ${request.path}`
  if (answer === 'refused')
    throw new CallError({ class: 'unavailable', message: `${what}: no connection (ECONNREFUSED)` })
  if (answer === 'reset')
    throw new CallError({
      class: 'unknown',
      message: `${what}: the connection broke before the answer (ECONNRESET)`,
    })
  if (answer === 'timeout') {
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve())
    })
    throw new CallError({ class: 'unknown', message: `${what}: no answer` })
  }
  const text = answer.body === undefined ? '' : JSON.stringify(answer.body)
  return {
    status: answer.status ?? 200,
    headers: { 'content-type': 'application/json', ...answer.headers },
    body: Buffer.from(text),
  }
}
