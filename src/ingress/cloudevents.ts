import type { EventInput } from './event-input.ts'
import { EventRefused } from './faults.ts'
import type { Span } from './json.ts'
import { decodeUtf8, scanJson } from './json.ts'

/** How a request carries events: CloudEvents 1.0 HTTP protocol binding, section 3. */
export type Mode = 'structured' | 'batched' | 'binary'

/** The mode of a request, by its content type; undefined when it is none that busbar takes. */
export function modeOf(contentType: string | undefined, hasBinaryHeaders: boolean): Mode | undefined {
  const [media = '', ...parameters] = (contentType ?? '').toLowerCase().split(';')
  if (
    parameters.some(
      (parameter) => /charset\s*=/.test(parameter) && !/charset\s*=\s*"?utf-8"?\s*$/.test(parameter),
    )
  )
    return undefined
  switch (media.trim()) {
    case 'application/cloudevents+json':
      return 'structured'
    case 'application/cloudevents-batch+json':
      return 'batched'
    case 'application/json':
      return hasBinaryHeaders ? 'binary' : 'structured'
    default:
      return undefined
  }
}

/** The text and value of a JSON body. Throws `request.malformed` (400) or `event.invalid` (422). */
export function parseBody(
  body: Buffer,
  maxDepth: number,
): { text: string; value: unknown; members: readonly Span[]; kind: string } {
  const text = decodeUtf8(body)
  if (text === undefined)
    throw new EventRefused('request.malformed', 'the body is not UTF-8 without a byte order mark')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new EventRefused(
      'request.malformed',
      `the body is not JSON: ${error instanceof Error ? error.message.slice(0, 120) : ''}`,
    )
  }
  return { text, value, ...scanJson(text, maxDepth) }
}

const known = new Set([
  'specversion',
  'id',
  'source',
  'type',
  'subject',
  'time',
  'dataschema',
  'datacontenttype',
  'data',
  'data_base64',
])

/** One event in structured mode: its data keeps the bytes that came in. */
export function structuredEvent(body: Buffer, maxDepth: number): EventInput {
  const { text, value, members, kind } = parseBody(body, maxDepth)
  if (kind !== 'object')
    throw new EventRefused('event.invalid', 'a structured event is a JSON object', [
      { pointer: '', message: 'must be an object' },
    ])
  return envelope(value as Record<string, unknown>, dataText(text, members), '')
}

/** The events of a batch. */
export function batchedEvents(body: Buffer, maxDepth: number): EventInput[] {
  const { text, value, members, kind } = parseBody(body, maxDepth + 1)
  if (kind !== 'array')
    throw new EventRefused('event.invalid', 'a batch is a JSON array', [
      { pointer: '', message: 'must be an array' },
    ])
  return members.map(({ start, end }, index) => {
    const item = text.slice(start, end)
    const event = (value as unknown[])[index]
    if (typeof event !== 'object' || event === null || Array.isArray(event))
      throw new EventRefused('event.invalid', 'every item of a batch is an object', [
        { pointer: `/${index}`, message: 'must be an object' },
      ])
    return envelope(
      event as Record<string, unknown>,
      dataText(item, scanJson(item, maxDepth).members),
      `/${index}`,
    )
  })
}

/** An event in binary mode: attributes in `ce-` headers, the body is the data. */
export function binaryEvent(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: Buffer,
  maxDepth: number,
): EventInput {
  const { text, value } = parseBody(body, maxDepth)
  const attributes: Record<string, unknown> = { datacontenttype: 'application/json' }
  for (const [header, content] of Object.entries(headers)) {
    if (header.startsWith('ce-') && typeof content === 'string')
      attributes[header.slice(3)] = percentDecoded(content)
  }
  return envelope({ ...attributes, data: value }, text, '')
}

function envelope(event: Record<string, unknown>, data: string, at: string): EventInput {
  if (event['specversion'] !== '1.0')
    throw new EventRefused('event.invalid', 'the event is not a CloudEvent 1.0', [
      { pointer: `${at}/specversion`, message: 'must be "1.0"' },
    ])
  if (event['data_base64'] !== undefined)
    throw new EventRefused('event.invalid', 'busbar takes JSON data only', [
      { pointer: `${at}/data_base64`, message: 'is not taken; send JSON in data' },
    ])
  const extensions: Record<string, unknown> = {}
  for (const [attribute, value] of Object.entries(event))
    if (!known.has(attribute)) extensions[attribute] = value
  const { id, source, type, subject, time, dataschema, datacontenttype } = event
  if (
    datacontenttype !== undefined &&
    !/^application\/(?:[\w.+-]+\+)?json(?:\s*;.*)?$/i.test(String(datacontenttype))
  )
    throw new EventRefused('event.invalid', 'busbar takes JSON data only', [
      { pointer: `${at}/datacontenttype`, message: 'must be a JSON media type' },
    ])
  return {
    id,
    source,
    type,
    subject,
    time,
    dataschema,
    datacontenttype,
    extensions,
    data,
    value: event['data'] ?? null,
  }
}

function dataText(text: string, members: readonly Span[]): string {
  const span = members.find((member) => member.name === 'data')
  return span ? text.slice(span.start, span.end) : 'null'
}

/** CloudEvents HTTP binding 3.1.3.2: header values are percent-encoded UTF-8. */
function percentDecoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
