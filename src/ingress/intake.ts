import type { Config } from '../define/config.ts'
import type { Intake, SourceMessage } from '../define/consumer-source.ts'
import { BusbarError } from '../errors.ts'
import type { Appended, NewEvent } from '../journal/port.ts'
import { attributedEvent, parseBody, structuredEvent } from './cloudevents.ts'
import type { EventInput } from './event-input.ts'
import { acceptEvent } from './event-input.ts'
import { conflictOf, EventRefused } from './faults.ts'
import { jsonOf } from './json-of.ts'

/** What the intake of a source needs. */
export interface IntakeDeps {
  readonly config: Config
  /** As of the `Appender`. */
  readonly appendAll: (events: readonly NewEvent[]) => Promise<readonly PromiseSettledResult<Appended>[]>
  readonly observe: {
    accepted(count: number, duplicates: number): void
    refused(code: string): void
  }
  /** Hears of what nobody raised on purpose; its message is offered again. */
  readonly onError: (error: unknown) => void
  /** Hears of a message that is refused for good, with what was raised. Must not throw. */
  readonly onRefused?: (error: unknown, body: Buffer) => void
}

type Prepared = { readonly event: NewEvent } | { readonly intake: Intake }

/**
 * The door for messages that a source has fetched: the same checks, the same commit and the same duplicate check as over
 * HTTP. Resolves to what became of each message, in their order; after one that must come again, later ones are not taken.
 */
export async function takeMessages(
  messages: readonly SourceMessage[],
  deps: IntakeDeps,
): Promise<readonly Intake[]> {
  const prepared = await Promise.all(messages.map((message) => prepare(message, deps)))
  const stop = prepared.findIndex((each) => 'intake' in each && each.intake.kind === 'later')
  const taken = stop < 0 ? prepared : prepared.slice(0, stop)
  const events = taken.flatMap((each) => ('event' in each ? [each.event] : []))
  const appended = await append(events, deps)
  const intakes = taken.map((each) => ('event' in each ? (appended.shift() as Intake) : each.intake))
  const put: Intake = {
    kind: 'later',
    code: 'journal.unavailable',
    message: 'an earlier message must be taken first',
  }
  const rest = prepared.slice(taken.length)
  const all = [
    ...intakes,
    ...rest.map((each, index) => (index === 0 && 'intake' in each ? each.intake : put)),
  ]
  observe(all, deps)
  return all
}

async function prepare(message: SourceMessage, deps: IntakeDeps): Promise<Prepared> {
  try {
    const input = inputOf(message, deps.config)
    if (!input) return { intake: { kind: 'ignored' } }
    return { event: await acceptEvent(input, deps.config) }
  } catch (error) {
    const intake = failed(error, deps)
    if (intake.kind === 'refused') deps.onRefused?.(error, message.body)
    return { intake }
  }
}

function inputOf({ body, reading }: SourceMessage, config: Config): EventInput | undefined {
  const { maxDepth, maxBodyBytes } = config.http
  if (reading.mode === 'unreadable') throw new BusbarError(reading.code, reading.why)
  if (body.length > maxBodyBytes)
    throw new EventRefused('event.too-large', `the message is larger than ${maxBodyBytes} bytes`)
  if (reading.mode === 'structured') return structuredEvent(body, maxDepth)
  if (reading.mode === 'binary')
    return attributedEvent({ ...reading.attributes }, { contentType: reading.contentType, body, maxDepth })
  return mappedEvent(body, reading, config)
}

function mappedEvent(
  body: Buffer,
  reading: Extract<SourceMessage['reading'], { mode: 'mapped' }>,
  config: Config,
): EventInput | undefined {
  const { text, value } = parseBody(body, config.http.maxDepth, '/data')
  let mapped, id
  try {
    mapped = reading.map(value)
    id = mapped && (mapped.id ?? reading.id(value))
  } catch (error) {
    if (error instanceof BusbarError) throw error
    const said = error instanceof Error ? error.message : 'unknown'
    const why = config.redaction.conceal(undefined, value)(said).slice(0, 200)
    throw new EventRefused('event.invalid', `the source cannot map this message: ${why}`)
  }
  if (!mapped) return undefined
  if (id === undefined || id === '')
    throw new EventRefused('event.invalid', 'the message does not say what identifies it', [
      { pointer: '/id', message: 'is required' },
    ])
  return {
    id,
    source: reading.source,
    type: mapped.event.type,
    subject: mapped.subject,
    time: mapped.time,
    extensions: {
      ...(reading.traceparent && { traceparent: reading.traceparent }),
      ...mapped.extensions,
    },
    ...(reading.verbatim ? { data: text, value } : dataOf(mapped.data, config)),
  }
}

function dataOf(data: unknown, config: Config): { data: string; value: unknown } {
  const { text, value } = jsonOf(data, config)
  return { data: text, value }
}

async function append(events: readonly NewEvent[], deps: IntakeDeps): Promise<Intake[]> {
  if (events.length === 0) return []
  try {
    const results = await deps.appendAll(events)
    return results.map((result, index) => {
      if (result.status === 'rejected') return failed(result.reason, deps)
      const { kind, seq } = result.value
      return kind === 'conflict' ? failed(conflictOf(events[index] as NewEvent, seq), deps) : { kind, seq }
    })
  } catch (error) {
    const intake = failed(error, deps)
    return events.map(() => intake)
  }
}

const passing: ReadonlySet<string> = new Set(['overloaded', 'journal.unavailable'])

/** What busbar raised on purpose is a refusal for good, unless it is the journal that is away. */
function failed(error: unknown, deps: IntakeDeps): Intake {
  if (!(error instanceof BusbarError)) {
    deps.onError(error)
    return { kind: 'later', code: 'internal', message: 'the message could not be checked' }
  }
  const { code } = error
  if (passing.has(code)) return { kind: 'later', code, message: error.message }
  return { kind: 'refused', code, message: told(error) }
}

/** The message and its first faults, without the payload. */
function told(error: BusbarError): string {
  const faults = error instanceof EventRefused ? error.faults.slice(0, 3) : []
  return [error.message, ...faults.map(({ pointer, message }) => `${pointer} ${message}`)].join('; ')
}

function observe(intakes: readonly Intake[], deps: IntakeDeps): void {
  let stored = 0
  let duplicates = 0
  for (const intake of intakes) {
    if (intake.kind === 'stored') stored++
    if (intake.kind === 'duplicate') duplicates++
    if (intake.kind === 'refused') deps.observe.refused(intake.code)
  }
  if (stored + duplicates > 0) deps.observe.accepted(stored, duplicates)
}
