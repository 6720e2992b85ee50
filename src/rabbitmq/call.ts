import type { Conceal } from '../define/conceal.ts'
import type { FieldRules } from '../define/redaction.ts'
import type { AttemptContext, Exchange, Transport, TransportRequest } from '../define/system.ts'
import { CallError } from '../errors.ts'
import { HttpRecord } from '../systems/http-record.ts'

/** What one publish may say beside its routing key and body. */
export interface AmqpPublishOptions {
  /** Default: the system's. */
  readonly exchange?: string
  /** Application headers. */
  readonly headers?: Readonly<Record<string, string | number | boolean>>
  /** Default: the attempt's idempotency key, the same over all retries; a second publish of the step has `-2` behind it. */
  readonly messageId?: string
  /** Default: the event's id. */
  readonly correlationId?: string
  /** The `type` property; default none. */
  readonly type?: string
  /** Default `application/json` for objects, `text/plain` for strings, `application/octet-stream` for buffers. */
  readonly contentType?: string
  /** A message that reaches no queue is an error; default true. */
  readonly mandatory?: boolean
  /** The message survives a restart of the broker, in a durable queue; default true. */
  readonly persistent?: boolean
  /** Milliseconds after which a queue drops the message; default never. */
  readonly expirationMs?: number
}

/** What was published. */
export interface AmqpPublished {
  readonly exchange: string
  readonly routingKey: string
  readonly messageId: string
}

/** What a step of an AMQP system talks through. */
export interface AmqpCall {
  /**
   * Publishes one message; resolves after the broker's confirm, and throws a `CallError` otherwise: `invalid` with
   * `call.unroutable` when it reached no queue, `invalid` for an exchange that is missing, `throttled` while the broker
   * blocks publishers, `unavailable` without a connection, `unknown` when the message was sent and no confirm came.
   */
  publish(routingKey: string, body: unknown, options?: AmqpPublishOptions): Promise<AmqpPublished>
}

/** One message as it goes out. */
export interface OutgoingMessage {
  readonly exchange: string
  readonly routingKey: string
  readonly messageId: string
  readonly correlationId: string
  readonly type: string | undefined
  readonly contentType: string
  readonly headers: Readonly<Record<string, string | number | boolean>>
  readonly mandatory: boolean
  readonly persistent: boolean
  readonly expirationMs: number | undefined
  readonly body: Buffer
}

/** Publishes one message; resolves when it is confirmed. `onSent` is called when it may have left, unless that throws. */
export type Send = (
  message: OutgoingMessage,
  options: { readonly signal: AbortSignal; readonly onSent: () => void },
) => Promise<void>

/** The calls of one attempt. */
export function amqpCall(
  target: { readonly exchange: string; readonly rules: FieldRules; readonly send: Send },
  attempt: AttemptContext,
): AmqpCall {
  let published = 0
  return {
    async publish(routingKey, body, options = {}) {
      const place = ++published
      const message = outgoing({ routingKey, body, options, attempt, place, exchange: target.exchange })
      await attempt.beforeRequest()
      const startedAt = performance.now()
      let answer = 'confirmed'
      try {
        await target.send(message, {
          signal: attempt.signal,
          onSent: () => {
            attempt.checkLease() // it may have waited for a channel
            attempt.sent()
          },
        })
      } catch (error) {
        answer = error instanceof Error ? error.message : 'failed'
        throw error
      } finally {
        attempt.record(
          recordOf(message, {
            answer,
            ms: performance.now() - startedAt,
            rules: target.rules,
            attempt,
          }),
        )
      }
      const { exchange, messageId } = message
      return { exchange, routingKey, messageId }
    },
  }
}

function outgoing(of: {
  routingKey: string
  body: unknown
  options: AmqpPublishOptions
  attempt: AttemptContext
  place: number
  exchange: string
}): OutgoingMessage {
  const { routingKey, options, attempt, place } = of
  const { type, body } = bodyOf(of.body)
  const key = attempt.idempotencyKey
  const message = {
    exchange: options.exchange ?? of.exchange,
    routingKey,
    messageId: options.messageId ?? (place === 1 ? key : `${key}-${place}`),
    correlationId: options.correlationId ?? attempt.event.id,
    type: options.type,
    contentType: options.contentType ?? type,
    headers: { traceparent: attempt.traceparent, ...options.headers },
    mandatory: options.mandatory ?? true,
    persistent: options.persistent ?? true,
    expirationMs: options.expirationMs,
    body,
  }
  check(message)
  return message
}

function bodyOf(body: unknown): { type: string; body: Buffer } {
  if (Buffer.isBuffer(body)) return { type: 'application/octet-stream', body }
  if (typeof body === 'string') return { type: 'text/plain; charset=utf-8', body: Buffer.from(body) }
  const text = JSON.stringify(body) as string | undefined
  if (text === undefined) throw invalid('the body is undefined: publish JSON, a string or a buffer')
  return { type: 'application/json', body: Buffer.from(text) }
}

/** AMQP 0-9-1: a short string has at most 255 bytes. A frame that cannot be written would take the whole channel with it. */
function check(message: OutgoingMessage): void {
  for (const property of [
    'exchange',
    'routingKey',
    'messageId',
    'correlationId',
    'type',
    'contentType',
  ] as const) {
    const value: unknown = message[property]
    if (value === undefined && property === 'type') continue
    if (typeof value !== 'string') throw invalid(`${property} must be a string`)
    if (Buffer.byteLength(value) > 255) throw invalid(`${property} must not be longer than 255 bytes`)
  }
  for (const [name, value] of Object.entries(message.headers)) {
    if (!['string', 'number', 'boolean'].includes(typeof value) || Number.isNaN(value))
      throw invalid(`header ${JSON.stringify(name)} must be a string, a number or a boolean`)
    if (Buffer.byteLength(name) > 255) throw invalid('the name of a header must not be longer than 255 bytes')
  }
  const { expirationMs } = message
  if (expirationMs !== undefined && !(Number.isSafeInteger(expirationMs) && expirationMs >= 0))
    throw invalid('expirationMs must be a whole number of milliseconds')
}

function invalid(message: string): CallError {
  return new CallError({ class: 'invalid', message: `publish: ${message}` })
}

/** The message as a request: for its record, and for a transport in the place of the broker. */
function requestOf(message: OutgoingMessage): TransportRequest {
  const { exchange, routingKey, headers, body, messageId, correlationId, contentType, type } = message
  const own = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
  return {
    method: 'PUBLISH',
    path: `/${encodeURIComponent(exchange)}/${encodeURIComponent(routingKey)}`,
    headers: {
      ...own,
      'content-type': contentType,
      'message-id': messageId,
      'correlation-id': correlationId,
      ...(type !== undefined && { type }),
    },
    body,
  }
}

/** Texts are made when somebody reads them. */
function recordOf(
  message: OutgoingMessage,
  {
    answer,
    ...of
  }: { answer: string; ms: number; rules: FieldRules; attempt: { readonly conceal: Conceal } },
): Exchange {
  const { ms } = of
  const record = new HttpRecord({ request: requestOf(message), answer: undefined, credentials: {}, ...of })
  return {
    ms,
    response: answer,
    get request() {
      return record.request
    },
  }
}

/** Publishes over a transport: its answers below 300 are confirms, 404 is a message that reached no queue. */
export function sendOver(transport: Transport): Send {
  return async (message, options) => {
    const { status } = await transport(requestOf(message), options)
    if (status < 300) return
    if (status === 404) throw unroutable(message)
    throw new CallError({ class: 'transient', message: `${nameOf(message)} was answered ${status}`, status })
  }
}

/** A message that the broker has returned. */
export function unroutable(message: OutgoingMessage): CallError {
  return new CallError({
    class: 'invalid',
    vendorCode: 'call.unroutable',
    message: `${nameOf(message)} reached no queue: bind one to this routing key, or publish with mandatory: false`,
  })
}

/** For messages to people. */
export function nameOf({ exchange, routingKey }: OutgoingMessage): string {
  return `publish to ${exchange === '' ? 'queue' : `exchange "${exchange}", routing key`} "${routingKey}"`
}
