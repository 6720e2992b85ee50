import type { EventInput } from './event-input.ts'
import type { Fault } from './faults.ts'
import { EventRefused, maxFaults, pointerPart, noJson } from './faults.ts'
import type { Span } from './json.ts'
import { decodeUtf8, scanJson } from './json.ts'

/** How a request carries events: CloudEvents 1.0 HTTP protocol binding, section 3. */
export type Mode = 'structured' | 'batched' | 'binary'

const jsonMedia = /^application\/(?:[\w.+-]+\+)?json$/

/**
 * The mode of a request, by its content type; undefined when it is none that busbar takes. JSON of any kind with `ce-`
 * headers is binary mode, as is no content type with them (an event without data); plain `application/json` without them is
 * taken as a structured event.
 */
export function modeOf(contentType: string | undefined, hasBinaryHeaders: boolean): Mode | undefined {
  const [media = '', ...parameters] = (contentType ?? '').toLowerCase().split(';')
  if (
    parameters.some(
      (parameter) => /charset\s*=/.test(parameter) && !/charset\s*=\s*"?utf-8"?\s*$/.test(parameter),
    )
  )
    return undefined
  const name = media.trim()
  if (name === 'application/cloudevents+json') return 'structured'
  if (name === 'application/cloudevents-batch+json') return 'batched'
  if (name.startsWith('application/cloudevents')) return undefined
  if (hasBinaryHeaders) return name === '' || jsonMedia.test(name) ? 'binary' : undefined
  return name === 'application/json' ? 'structured' : undefined
}

/** The text and value of a JSON body. Throws `request.malformed` (400), or `event.invalid` (422) with pointers under `under`. */
export function parseBody(
  body: Buffer,
  maxDepth: number,
  under = '',
): { text: string; value: unknown; members: readonly Span[]; kind: string } {
  const text = decodeUtf8(body)
  if (text === undefined)
    throw new EventRefused('request.malformed', 'the body is not UTF-8 without a byte order mark')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new EventRefused('request.malformed', `the body is not JSON: ${noJson(error)}`)
  }
  return { text, value, ...scanJson(text, maxDepth, under) }
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
  const items = value as unknown[]
  const faults = items.flatMap((item, index) =>
    isObject(item) ? [] : [{ pointer: `/${index}`, message: 'must be an object' }],
  )
  if (faults.length > 0)
    throw new EventRefused('event.invalid', 'every item of a batch is an object', faults.slice(0, maxFaults))
  return members.map(({ start, end }, index) => {
    const item = text.slice(start, end)
    const data = dataText(item, scanJson(item, maxDepth).members)
    return envelope(items[index] as Record<string, unknown>, data, `/${index}`)
  })
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An event in binary mode: attributes in `ce-` headers, the body is the data; without a content type there is none. */
export function binaryEvent(headers: Headers, body: Buffer, maxDepth: number): EventInput {
  const type = headers['content-type']
  const contentType = typeof type === 'string' ? type : undefined
  const attributes = new Map<string, unknown>()
  const faults: Fault[] = []
  for (const [header, content] of Object.entries(headers)) {
    if (!header.startsWith('ce-') || typeof content !== 'string') continue
    const attribute = header.slice(3)
    const decoded = headerText(content)
    if (decoded === undefined)
      faults.push({ pointer: pointerPart(attribute), message: 'must be percent-encoded UTF-8' })
    attributes.set(attribute, decoded ?? '')
  }
  // What is not readable is told once: no fault about its being empty.
  if (faults.length > 0) throw new EventRefused('event.invalid', 'the ce- headers are not readable', faults)
  return attributedEvent(Object.fromEntries(attributes), { contentType, body, maxDepth })
}

/** An event whose attributes came beside its data; without a content type and without bytes it has none. */
export function attributedEvent(
  attributes: Readonly<Record<string, unknown>>,
  {
    contentType,
    body,
    maxDepth,
  }: { readonly contentType: string | undefined; readonly body: Buffer; readonly maxDepth: number },
): EventInput {
  const hasData = contentType !== undefined || body.length > 0
  const { text, value } = hasData ? parseBody(body, maxDepth, '/data') : { text: 'null', value: null }
  return envelope({ ...attributes, datacontenttype: contentType, data: value }, text, '')
}

type Headers = Readonly<Record<string, string | string[] | undefined>>

function envelope(event: Record<string, unknown>, data: string, at: string): EventInput {
  const { id, source, type, subject, time, dataschema, datacontenttype } = event
  const extensions = Object.fromEntries(Object.entries(event).filter(([attribute]) => !known.has(attribute)))
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
    faults: envelopeFaults(event, at),
  }
}

function envelopeFaults(event: Record<string, unknown>, at: string): Fault[] {
  const { specversion, data_base64: base64, datacontenttype } = event
  const faults: Fault[] = []
  if (specversion !== '1.0') faults.push({ pointer: `${at}/specversion`, message: 'must be "1.0"' })
  if (base64 !== undefined)
    faults.push({ pointer: `${at}/data_base64`, message: 'is not taken; send JSON in data' })
  const media = typeof datacontenttype === 'string' ? datacontenttype.split(';', 1)[0] : undefined
  if (media !== undefined && !jsonMedia.test(media.trim().toLowerCase()))
    faults.push({ pointer: `${at}/datacontenttype`, message: 'must be a JSON media type' })
  return faults
}

function dataText(text: string, members: readonly Span[]): string {
  const span = members.find((member) => member.name === 'data')
  return span ? text.slice(span.start, span.end) : 'null'
}

/**
 * CloudEvents HTTP binding 3.1.3.2: a quoted string is unquoted, then percent-decoded once. Undefined where that is not
 * UTF-8, or has bytes outside ASCII, whose encoding nobody has said.
 */
function headerText(value: string): string | undefined {
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(value)?.[1]
  const plain = quoted === undefined ? value : quoted.replace(/\\(.)/g, '$1')
  if (/[^\t\x20-\x7e]/.test(plain)) return undefined
  try {
    return decodeURIComponent(plain)
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}
