import { BusbarError } from '../errors.ts'
import type { Duration } from './duration.ts'
import { durationMs } from './duration.ts'
import type { AnyContract, EventContract, EventOf } from './event.ts'
import type { FirstStep } from './flow-builder.ts'
import { flowBuilder } from './flow-builder.ts'
import { checkFlowName, checkName } from './name.ts'
import type { Ordering, OrderingName, SequenceRules } from './ordering.ts'
import { orderingOf } from './ordering.ts'
import type { StepDefinition } from './step.ts'

/** Where a flow that busbar has not seen before starts in the log. */
export type FlowStart = 'now' | 'beginning' | { readonly at: Date }

/** Options of a flow; `Data` is what its events carry, where `ordering` looks into it. */
export interface FlowOptions<Data = unknown> {
  /** Lane group: flows that name the same one share one order per key. Default: the flow's own name. */
  readonly lane?: string
  /**
   * Into how many parts the lane group is split by key, each run by one worker at a time: 1 (default), 2, 4, 8, 16, 32 or
   * 64. All flows of a lane group must say the same. A new number takes effect without draining when it is deployed.
   */
  readonly partitions?: 1 | 2 | 4 | 8 | 16 | 32 | 64
  /** Default `'arrival'`. */
  readonly ordering?: Ordering<Data>
  /** What a parked run does to later runs of its lane: `'hold'` them (default) or let them `'continue'`. */
  readonly onParked?: 'hold' | 'continue'
  /** Default `'now'`. Only matters when the flow is first registered. */
  readonly start?: FlowStart
  /** Keep request and response excerpts of successes too; default false: only of failures. */
  readonly capture?: boolean
  /** Default `'park'`. */
  readonly onFailure?: OnFailure
  /** What an event that is the echo of our own write comes to: `'skip'` (default) records it and does nothing, `'run'` treats it as any other. */
  readonly echoes?: 'skip' | 'run'
}

/**
 * What becomes of a run when a step has failed for good: it is parked for a person (`'park'`, default), its done steps are
 * undone at once (`'compensate'`), or it is parked and undone unless a person has mended it in time.
 */
export type OnFailure = 'park' | 'compensate' | { readonly compensateAfter: Duration }

/** A declared flow: on these events, do these steps. */
export interface Flow {
  readonly kind: 'flow'
  readonly name: string
  readonly lane: string
  readonly partitions: number
  readonly ordering: OrderingName
  /** For `ordering: 'sequence'`. */
  readonly sequence: SequenceRules | undefined
  readonly onParked: 'hold' | 'continue'
  readonly start: FlowStart
  readonly capture: boolean
  readonly onFailure: { readonly kind: 'park' } | { readonly kind: 'compensate'; readonly afterMs: number }
  readonly echoes: 'skip' | 'run'
  readonly events: readonly AnyContract[]
  readonly steps: readonly StepDefinition[]
}

/** A contract whose events carry such data. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- contracts are invariant in what publishers give
type ContractOf<Data> = unknown extends Data ? AnyContract : EventContract<string, any, Data>

/** A flow that still lacks its events. */
export interface FlowWithoutEvents<Data = unknown> {
  /** The events that start a run. */
  on<const Contracts extends readonly [ContractOf<Data>, ...ContractOf<Data>[]]>(
    ...contracts: Contracts
  ): FirstStep<EventOf<Contracts[number]>>
}

/**
 * Declares a flow: on these events, do these steps. A step starts as soon as those that it names in `after` have ended;
 * its result is committed before anything that follows it starts.
 *
 * @example
 * export const bookOrder = defineFlow('book-order')
 *   .on(orderPlaced)
 *   .step('sale', erp, {
 *     run: ({ event, call }) => call.post('/sales', { reference: event.data.number }),
 *     undo: ({ result, call }) => call.delete(`/sales/${result.id}`),
 *   })
 *   .step('invoice', accounting, {
 *     after: ['sale'],
 *     run: ({ results, call }) => call.post('/invoices', { sale: results.sale.id }),
 *   })
 */
export function defineFlow<Data = unknown>(
  name: string,
  options: FlowOptions<Data> = {},
): FlowWithoutEvents<Data> {
  checkFlowName(name)
  if (options.lane !== undefined) checkName('lane group name', options.lane)
  const head = {
    kind: 'flow',
    name,
    lane: options.lane ?? name,
    partitions: partitionsOf(name, options.partitions ?? 1),
    ...orderingOf(name, options.ordering),
    onParked: options.onParked ?? 'hold',
    start: options.start ?? 'now',
    capture: options.capture ?? false,
    onFailure: onFailureOf(options.onFailure ?? 'park'),
    echoes: echoesOf(name, options.echoes ?? 'skip'),
  } as const
  if (head.ordering === 'latest' && head.onParked === 'continue')
    throw new BusbarError(
      'config.invalid',
      `flow "${name}": leave out onParked: with ordering 'latest' a newer snapshot takes the place of a parked one`,
    )
  return { on: (...contracts) => flowBuilder({ ...head, events: contracts }, []) }
}

/** Powers of two up to 64: `khash % 64 % n` is then `khash % n`, so that 64 fixed slots serve every number. */
function partitionsOf(flow: string, option: number): number {
  if ([1, 2, 4, 8, 16, 32, 64].includes(option)) return option
  throw new BusbarError(
    'config.invalid',
    `flow "${flow}": partitions must be 1, 2, 4, 8, 16, 32 or 64, not ${JSON.stringify(option)}`,
  )
}

function echoesOf(flow: string, option: string): Flow['echoes'] {
  if (option === 'skip' || option === 'run') return option
  throw new BusbarError(
    'config.invalid',
    `flow "${flow}": echoes must be 'skip' or 'run', not ${JSON.stringify(option)}`,
  )
}

function onFailureOf(option: OnFailure): Flow['onFailure'] {
  if (option === 'park') return { kind: 'park' }
  return { kind: 'compensate', afterMs: option === 'compensate' ? 0 : durationMs(option.compensateAfter) }
}
