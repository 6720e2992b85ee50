import { BusbarError } from '../errors.ts'
import type { Duration } from './duration.ts'
import { durationMs } from './duration.ts'
import { inRange } from './range.ts'

/**
 * How the runs of one key follow each other:
 *
 * - `'arrival'`: in the order of the log.
 * - `'sequence'`: by the number that each event carries, without a gap; what comes too late is never applied.
 * - `'latest'`: of the snapshots that wait, only the newest runs; older ones end as `superseded`.
 * - `'none'`: not at all.
 */
export type Ordering<Data = unknown> = 'arrival' | 'none' | 'latest' | 'sequence' | SequenceOrdering<Data>

/**
 * Order by number, with its options. Numbers are whole, not negative, and rise by one per key.
 *
 * @example
 * defineFlow('book-order', { ordering: { by: 'sequence', field: (order: Order) => order.revision } })
 */
export interface SequenceOrdering<Data = unknown> {
  readonly by: 'sequence'
  /**
   * Where the number stands in the event's data. Annotate its parameter: the flow then takes only events whose data
   * fits. Default: the CloudEvents extension attribute `sequence`, a number written as text.
   */
  readonly field?: (data: Data) => number | undefined
  /** The first number of every key; default 1. */
  readonly start?: number
  /** How long a run waits for numbers before its own that have not come; default `'15m'`. */
  readonly gapTimeout?: Duration
  /**
   * After that: `'hold'` (default) parks the run with the code `sequence.gap`, and its key waits until the missing event
   * comes or a person decides; `'continue'` opens the same problem and goes on without it.
   */
  readonly onGap?: 'hold' | 'continue'
}

/** Order by number as a flow has it, with its defaults filled in. */
export interface SequenceRules {
  readonly field: ((data: never) => number | undefined) | undefined
  readonly start: number
  readonly gapTimeoutMs: number
  readonly onGap: 'hold' | 'continue'
}

/** The name of an ordering. */
export type OrderingName = 'arrival' | 'none' | 'latest' | 'sequence'

const names: readonly unknown[] = ['arrival', 'none', 'latest', 'sequence'] satisfies OrderingName[]

/** The ordering's name and, where it is by number, its rules. Throws `config.invalid` that names the flow. */
export function orderingOf<Data>(
  flow: string,
  ordering: Ordering<Data> = 'arrival',
): { readonly ordering: OrderingName; readonly sequence: SequenceRules | undefined } {
  if (typeof ordering === 'string' && ordering !== 'sequence') {
    if (names.includes(ordering)) return { ordering, sequence: undefined }
  } else if (ordering === 'sequence' || ordering?.by === 'sequence')
    return { ordering: 'sequence', sequence: rulesOf(flow, ordering === 'sequence' ? {} : ordering) }
  throw new BusbarError(
    'config.invalid',
    `flow "${flow}": ordering must be 'arrival', 'sequence', 'latest', 'none' or { by: 'sequence', … }`,
  )
}

function rulesOf<Data>(flow: string, options: Partial<SequenceOrdering<Data>>): SequenceRules {
  const { field, start = 1, gapTimeout = '15m', onGap = 'hold' } = options
  if (field !== undefined && typeof field !== 'function')
    throw new BusbarError(
      'config.invalid',
      `flow "${flow}": ordering.field must be a function that gives the number, such as (order) => order.revision`,
    )
  if (onGap !== 'hold' && onGap !== 'continue')
    throw new BusbarError('config.invalid', `flow "${flow}": ordering.onGap must be 'hold' or 'continue'`)
  return {
    field,
    start: inRange(`flow "${flow}": ordering.start`, start, { from: 0, whole: true }),
    gapTimeoutMs: durationMs(gapTimeout),
    onGap,
  }
}

/** Whether two flows of one lane group order its runs alike; where each finds the number is its own affair. */
export function sameOrdering(
  one: { readonly ordering: OrderingName; readonly sequence: SequenceRules | undefined },
  other: { readonly ordering: OrderingName; readonly sequence: SequenceRules | undefined },
): boolean {
  return (
    one.ordering === other.ordering &&
    one.sequence?.start === other.sequence?.start &&
    one.sequence?.gapTimeoutMs === other.sequence?.gapTimeoutMs &&
    one.sequence?.onGap === other.sequence?.onGap
  )
}
