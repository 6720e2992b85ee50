import type { Config } from '../define/config.ts'
import type { Clock } from '../engine/clock.ts'
import { BusbarError } from '../errors.ts'
import type { NewEvent } from '../journal/port.ts'
import type { AcceptedRow, OutboxRow, RejectedRow } from '../journal/port-outbox.ts'
import type { EventInput } from './event-input.ts'
import { acceptEvent } from './event-input.ts'
import { EventRefused, noJson } from './faults.ts'
import { scanJson } from './json.ts'

/** How long an asynchronous schema may take for one row, in milliseconds. */
const patienceMs = 10_000
const maxMessage = 500

/**
 * What a row of the outbox becomes: an event that passed everything that the HTTP door asks of it (size, depth, CloudEvents,
 * contract), or a rejected row with the code and the reason. Never rejects: whatever the contract's own code does, a row must not stop
 * those behind it.
 */
export async function judgeRow(
  row: OutboxRow,
  deps: { readonly config: Config; readonly clock: Clock },
): Promise<AcceptedRow | RejectedRow> {
  try {
    return { id: row.id, event: await inTime(accept(row, deps.config), deps.clock) }
  } catch (error) {
    return { id: row.id, ...reasonOf(error, row) }
  }
}

/** Whether a row may go into the log. */
export function isAccepted(judged: AcceptedRow | RejectedRow): judged is AcceptedRow {
  return 'event' in judged
}

/** Code and words of an error for a person, bounded, without the data. */
export function reasonOf(error: unknown, row: Pick<OutboxRow, 'type'>): { code: string; message: string } {
  if (!(error instanceof BusbarError)) {
    const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    return { code: 'event.invalid', message: storable(`the contract of "${row.type}" failed: ${said}`) }
  }
  const faults = error instanceof EventRefused ? error.faults : []
  const named = faults.slice(0, 3).map(({ pointer, message }) => `${pointer} ${message}`)
  const more = faults.length > named.length ? ` and ${faults.length - named.length} more` : ''
  const list = named.length > 0 ? `: ${named.join('; ')}${more}` : ''
  return { code: error.code, message: storable(error.message + list) }
}

/** PostgreSQL stores no NUL, and half a surrogate pair is no text. */
function storable(message: string): string {
  return message.replaceAll('\0', '').slice(0, maxMessage).toWellFormed()
}

function accept(row: OutboxRow, config: Config): NewEvent | Promise<NewEvent> {
  const { maxBodyBytes, maxDepth } = config.http
  if (row.data === null || row.bytes > maxBodyBytes)
    throw new EventRefused(
      'event.too-large',
      `the data has ${row.bytes} bytes; http.maxBodyBytes is ${maxBodyBytes}`,
    )
  const value = parsed(row.data)
  scanJson(row.data, maxDepth, '/data')
  return acceptEvent({ ...envelope(row), data: row.data, value }, config)
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch (error) {
    throw new EventRefused('event.invalid', 'the data is not JSON', [
      { pointer: '/data', message: noJson(error) },
    ])
  }
}

/** The key goes as `partitionkey`, as over HTTP: where the contract knows the key, the contract's counts. */
function envelope(row: OutboxRow): Omit<EventInput, 'data' | 'value'> {
  const { subject, time, dataschema, datacontenttype, ...extensions } = JSON.parse(row.ext) as Record<
    string,
    unknown
  >
  return {
    id: row.eventId,
    source: row.source,
    type: row.type,
    subject,
    time,
    dataschema,
    datacontenttype,
    extensions: row.key === null ? extensions : { ...extensions, partitionkey: row.key },
  }
}

async function inTime<T>(work: T | Promise<T>, clock: Clock): Promise<T> {
  if (!(work instanceof Promise)) return work
  const { promise: late, reject } = Promise.withResolvers<never>()
  const cancel = clock.timer(patienceMs, () =>
    reject(new EventRefused('event.invalid', `its schema did not answer within ${patienceMs / 1_000} s`)),
  )
  try {
    return await Promise.race([work, late])
  } finally {
    cancel()
  }
}
