import type { Config } from '../define/config.ts'
import type { ErrorCode } from '../errors.ts'
import { BusbarError } from '../errors.ts'
import type { Appended, NewEvent } from '../journal/port.ts'
import type { EventInput } from './event-input.ts'
import { acceptEvent } from './event-input.ts'
import { conflictOf, EventRefused, maxFaults } from './faults.ts'

/** All the events of a batch, checked; throws `EventRefused` with every fault of them. */
export async function acceptBatch(config: Config, inputs: readonly EventInput[]): Promise<NewEvent[]> {
  const refused: EventRefused[] = []
  const events: NewEvent[] = []
  for (const [index, input] of inputs.entries()) {
    try {
      events.push(await acceptEvent(input, config, `/${index}`))
    } catch (error) {
      if (!(error instanceof EventRefused)) throw error
      refused.push(error)
    }
  }
  const [first] = refused
  if (!first) return events
  if (refused.length === 1) throw first
  const faults = refused.flatMap((each) => each.faults).slice(0, maxFaults)
  const code = refused.some((each) => each.code === 'event.invalid') ? 'event.invalid' : 'event.unknown-type'
  throw new EventRefused(
    code,
    `${refused.length} of ${inputs.length} events are not valid; none was stored`,
    faults,
  )
}

/** What became of one event of a batch. */
export interface BatchItem {
  readonly id: string
  /** Its place in the log; of a conflict, that of the event which has its identity. */
  readonly seq?: number
  readonly duplicate?: boolean
  readonly error?: { readonly code: ErrorCode; readonly message: string }
}

/** What became of a batch, item by item; `refusal` where it was not stored whole, for all that is known. */
export interface BatchOutcome {
  readonly items: readonly BatchItem[]
  readonly stored: number
  readonly duplicates: number
  readonly refusal: BusbarError | undefined
}

/**
 * Puts together what the log said of the events of a batch, which may have taken several appends. The refusal is
 * `journal.unavailable` when it is not known of some whether they were stored (the batch is to be sent again),
 * `event.invalid` when the log took some for bad data, else `event.conflict`. Throws what nobody raised on purpose.
 */
export function batchOutcome(
  events: readonly NewEvent[],
  results: readonly PromiseSettledResult<Appended>[],
): BatchOutcome {
  const items = results.map((result, index) => itemOf(events[index] as NewEvent, result))
  const duplicates = items.filter(({ duplicate }) => duplicate).length
  const failed = items.flatMap(({ error }) => (error ? [error] : []))
  const stored = items.length - duplicates - failed.length
  return { items, stored, duplicates, refusal: refusalOf(failed, items) }
}

const gravest = ['journal.unavailable', 'event.invalid', 'event.conflict'] as const

function refusalOf(
  failed: readonly { readonly code: ErrorCode }[],
  items: readonly BatchItem[],
): BusbarError | undefined {
  const code = gravest.find((each) => failed.some((error) => error.code === each))
  if (code === undefined) return undefined
  const those = failed.filter((error) => error.code === code).length
  const message =
    code === 'journal.unavailable'
      ? `it is not known of ${those} of ${items.length} events whether they were stored; send the batch again with the same ids`
      : `${failed.length} of ${items.length} events were refused`
  return new BusbarError(code, message, { details: { items } })
}

function itemOf(event: NewEvent, result: PromiseSettledResult<Appended>): BatchItem {
  const { id } = event
  if (result.status === 'rejected') {
    const reason: unknown = result.reason
    const isExpected = reason instanceof BusbarError && (gravest as readonly string[]).includes(reason.code)
    if (!isExpected) throw reason
    return { id, error: { code: reason.code, message: reason.message } }
  }
  const { kind, seq } = result.value
  if (kind !== 'conflict') return { id, seq, duplicate: kind === 'duplicate' }
  return { id, seq, error: { code: 'event.conflict', message: conflictOf(event, seq).message } }
}
