import type { AsyncMessage } from 'rabbitmq-client'
import type { SourceMessage } from '../define/consumer-source.ts'
import type { MappedEvent } from '../define/source.ts'
import type { Oversize } from './keep-bytes.ts'

/** A message as the functions of `amqpSource` see it. */
export interface AmqpMessage {
  /** Parsed as JSON. */
  readonly body: unknown
  /** Application headers. */
  readonly headers: Readonly<Record<string, unknown>>
  readonly routingKey: string
  readonly exchange: string
  readonly messageId: string | undefined
  readonly correlationId: string | undefined
  readonly type: string | undefined
  readonly appId: string | undefined
  readonly contentType: string | undefined
  /** Seconds since 1970, as its publisher set it. */
  readonly timestamp: number | undefined
}

/** How a source reads what is no CloudEvent. */
export interface Reader {
  readonly source: string
  readonly map: (message: AmqpMessage) => MappedEvent | undefined
  readonly id: (message: AmqpMessage) => string | undefined
  readonly verbatim: boolean
}

/** CloudEvents AMQP binding 1.0.2, section 3.1: the prefix of attributes, as AMQP 1.0 and as JMS clients can write it. */
const attribute = /^cloudEvents[:_](.+)$/

/** How a message is to be read: as a CloudEvent, binary or structured, or as its source says. */
export function sourceMessage(
  message: AsyncMessage & Oversize,
  reader: Reader,
  maxBytes: number,
): SourceMessage {
  const body = message.body as Buffer
  const { contentType, contentEncoding = '' } = message
  const media = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  const unreadable = (
    code: 'event.too-large' | 'request.unsupported-media-type',
    why: string,
  ): SourceMessage => ({
    body,
    reading: { mode: 'unreadable', code, why },
  })
  if (message.oversize) return unreadable('event.too-large', `the message is larger than ${maxBytes} bytes`)
  if (contentEncoding !== '' && contentEncoding !== 'identity')
    return unreadable(
      'request.unsupported-media-type',
      'the message has a content encoding: send it as it is',
    )
  if (media === 'application/cloudevents+json') return { body, reading: { mode: 'structured' } }
  if (media.startsWith('application/cloudevents'))
    return unreadable(
      'request.unsupported-media-type',
      'of structured CloudEvents, only one in JSON is taken',
    )
  const headers = (message.headers ?? {}) as Readonly<Record<string, unknown>>
  const attributes = attributesOf(headers)
  if (attributes['specversion'] !== undefined)
    return { body, reading: { mode: 'binary', attributes, contentType } }
  return { body, reading: mappedReading(message, { reader, headers, contentType }) }
}

function attributesOf(headers: Readonly<Record<string, unknown>>): Record<string, string> {
  const attributes: Record<string, string> = {}
  for (const [header, value] of Object.entries(headers)) {
    const name = attribute.exec(header)?.[1]
    if (name !== undefined && value !== null && value !== undefined) attributes[name] = textOf(value)
  }
  return attributes
}

function textOf(value: unknown): string {
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function mappedReading(
  message: AsyncMessage,
  {
    reader,
    headers,
    contentType,
  }: { reader: Reader; headers: Readonly<Record<string, unknown>>; contentType: string | undefined },
): SourceMessage['reading'] {
  const { routingKey, exchange, messageId, correlationId, type, appId, timestamp } = message
  const seen = (body: unknown): AmqpMessage => ({
    body,
    headers,
    routingKey,
    exchange,
    messageId,
    correlationId,
    type,
    appId,
    contentType,
    timestamp,
  })
  const { traceparent } = headers
  return {
    mode: 'mapped',
    source: reader.source,
    traceparent: typeof traceparent === 'string' ? traceparent : undefined,
    map: (body) => reader.map(seen(body)),
    id: (body) => reader.id(seen(body)),
    verbatim: reader.verbatim,
  }
}
