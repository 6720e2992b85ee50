import type { AnyContract } from '../define/event.ts'
import { hashKey } from '../journal/hash-key.ts'
import type { NewEvent } from '../journal/port.ts'
import type { Redaction } from '../define/redaction.ts'
import type { Fault } from './faults.ts'
import { EventRefused, maxFaults, pointerPart, withoutValues } from './faults.ts'

/** An event as it came in, its envelope read but not checked. */
export interface EventInput {
  readonly id: unknown
  readonly source: unknown
  readonly type: unknown
  readonly subject?: unknown
  readonly time?: unknown
  readonly dataschema?: unknown
  readonly datacontenttype?: unknown
  /** Extension attributes by name. */
  readonly extensions: Readonly<Record<string, unknown>>
  /** The data as text, exactly as it came. */
  readonly data: string
  /** The same, parsed. */
  readonly value: unknown
  /** What was wrong with the envelope already. */
  readonly faults?: readonly Fault[]
}

/** What the check of an event needs. */
export interface Acceptance {
  readonly contracts: ReadonlyMap<string, AnyContract>
  readonly allowUnknownTypes: boolean
  /** Keeps what must not be shown out of faults. */
  readonly redaction: Redaction
}

const maxNameBytes = 255
/** `tracestate` may have 512 characters, `baggage` more. */
const maxExtensionBytes = 1_024
const traceparent = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/
const rfc3339 = /^(\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i

/**
 * Checks an event against CloudEvents 1.0, its contract, and what can be stored; answers it ready for the log. Throws
 * `EventRefused` with every fault, each under `at` (`/3` in a batch). The contract's schema may be asynchronous.
 */
export function acceptEvent(
  input: EventInput,
  acceptance: Acceptance,
  at = '',
): NewEvent | Promise<NewEvent> {
  const refuse = (error: unknown): never => {
    const { type, value } = input
    throw withoutValues(
      error,
      acceptance.redaction.conceal(typeof type === 'string' ? type : undefined, value),
    )
  }
  try {
    const accepted = judgeEvent(input, acceptance, at)
    return accepted instanceof Promise ? accepted.catch(refuse) : accepted
  } catch (error) {
    return refuse(error)
  }
}

function judgeEvent(input: EventInput, acceptance: Acceptance, at: string): NewEvent | Promise<NewEvent> {
  const faults: Fault[] = [...(input.faults ?? [])]
  const id = name('id', input.id, faults, at)
  const source = name('source', input.source, faults, at)
  const type = name('type', input.type, faults, at)
  const ext = attributes(input, faults, at)
  if (faults.length > 0)
    throw new EventRefused('event.invalid', 'the event is not a valid CloudEvent', faults.slice(0, maxFaults))
  const contract = acceptance.contracts.get(type)
  if (!contract && !acceptance.allowUnknownTypes)
    throw new EventRefused('event.unknown-type', `no contract declares the event type "${type}"`, [
      { pointer: `${at}/type`, message: 'unknown' },
    ])
  const finish = (key: string | undefined): NewEvent => {
    const checked = key === undefined || key === '' ? null : keyName(key, at)
    return {
      source,
      id,
      type,
      key: checked,
      khash: hashKey(checked ?? `${source}\n${id}`),
      data: input.data,
      ext: JSON.stringify(ext),
    }
  }
  const fallback = text(ext.extensions?.['partitionkey']) ?? ext.subject
  if (!contract) return finish(fallback)
  const result = contract.schema['~standard'].validate(input.value)
  const judge = (validated: Awaited<typeof result>): NewEvent => {
    if (validated.issues) throw contractFaults(type, validated.issues, at)
    return finish(contract.key(validated.value) ?? fallback)
  }
  return result instanceof Promise ? result.then(judge) : judge(result)
}

interface Attributes {
  subject?: string
  time?: string
  dataschema?: string
  datacontenttype?: string
  extensions?: Record<string, string>
}

function attributes(input: EventInput, faults: Fault[], at: string): Attributes {
  const result: Attributes = {}
  for (const attribute of ['subject', 'dataschema', 'datacontenttype'] as const)
    if (input[attribute] !== undefined && input[attribute] !== null)
      result[attribute] = name(attribute, input[attribute], faults, at)
  if (input.time !== undefined && input.time !== null) {
    if (typeof input.time === 'string' && isTime(input.time)) result.time = input.time
    else
      faults.push({ pointer: `${at}/time`, message: 'must be an RFC 3339 time such as 2026-01-31T12:00:00Z' })
  }
  const extensions: Record<string, string> = {}
  for (const [attribute, value] of Object.entries(input.extensions)) {
    const pointer = at + pointerPart(attribute)
    if (!/^[a-z0-9]{1,40}$/.test(attribute))
      faults.push({
        pointer,
        message: 'an extension name has only lower-case letters and digits, at most 40',
      })
    else if (attribute === 'traceparent' && !isTraceparent(value)) continue
    else if (value !== null && value !== undefined) {
      const content = scalar(value)
      const message = nameFault(content, attribute === 'partitionkey' ? maxNameBytes : maxExtensionBytes)
      if (message) faults.push({ pointer, message })
      extensions[attribute] = content as string
    }
  }
  if (Object.keys(extensions).length > 0) result.extensions = extensions
  return result
}

function isTraceparent(value: unknown): boolean {
  return typeof value === 'string' && traceparent.test(value)
}

/** RFC 3339, and a day that there is: Date.parse takes 30 February for 2 March. */
function isTime(time: string): boolean {
  const date = rfc3339.exec(time)?.[1]
  if (date === undefined || Number.isNaN(Date.parse(time))) return false
  return new Date(`${date}T00:00:00Z`).toISOString().startsWith(date)
}

/** CloudEvents extension values are strings, integers or booleans. */
function scalar(value: unknown): unknown {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value
}

/** An attribute that is stored as a name: text, not empty, at most 255 bytes, without control characters. */

function name(attribute: string, value: unknown, faults: Fault[], at: string): string {
  const message = nameFault(value)
  if (message) faults.push({ pointer: at + pointerPart(attribute), message })
  return value as string
}

function nameFault(value: unknown, maxBytes = maxNameBytes): string | undefined {
  if (typeof value !== 'string') return value === undefined ? 'is required' : 'must be a string'
  if (value === '') return 'must not be empty'
  if (value.length > maxBytes || Buffer.byteLength(value) > maxBytes)
    return `must not be longer than ${maxBytes} bytes`

  if (/[\u0000-\u001f\u007f-\u009f]/.test(value)) return 'must not contain control characters'
  return value.isWellFormed() ? undefined : 'must be well-formed Unicode'
}

function keyName(key: string, at: string): string {
  const message = nameFault(key)
  if (message)
    throw new EventRefused('event.invalid', 'the key of the event cannot be stored', [
      { pointer: `${at}/data`, message: `the key ${message}` },
    ])
  return key
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

type Issues = readonly {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}[]

function contractFaults(type: string, issues: Issues, at: string): EventRefused {
  const faults = issues.slice(0, maxFaults).map(({ message, path }) => ({
    pointer: `${at}/data${(path ?? []).map((part) => pointerPart(String(typeof part === 'object' ? part.key : part))).join('')}`,
    message,
  }))
  return new EventRefused('event.invalid', `the data does not pass the contract of "${type}"`, faults)
}
