import { BusbarError } from '../errors.ts'
import type { Duration } from './duration.ts'
import { durationMs } from './duration.ts'
import type { AnyContract, EventOf } from './event.ts'
import { checkFlowName, checkName } from './name.ts'
import type { System } from './system.ts'

/** How the runs of one key follow each other: in log order, or not at all. */
export type Ordering = 'arrival' | 'none'

/** Where a flow that busbar has not seen before starts in the log. */
export type FlowStart = 'now' | 'beginning' | { readonly at: Date }

/** When and how often a failed step is tried again. */
export interface RetryOptions {
  /** Delay before the first retry, before jitter; default 1 s. */
  readonly first?: Duration
  /** Each further delay is longer by this factor; default 2. */
  readonly factor?: number
  /** No delay is longer; default 15 min. */
  readonly cap?: Duration
  /** Tries in all before the run is parked; default 300, about 72 h with the other defaults. */
  readonly attempts?: number
}

/** The same with defaults filled in, in milliseconds. */
export interface RetryPolicy {
  readonly firstMs: number
  readonly factor: number
  readonly capMs: number
  readonly attempts: number
}

/** Options of a flow. */
export interface FlowOptions {
  /** Lane group: flows that name the same one share one order per key. Default: the flow's own name. */
  readonly lane?: string
  /** Default `'arrival'`. */
  readonly ordering?: Ordering
  /** What a parked run does to later runs of its lane: `'hold'` them (default) or let them `'continue'`. */
  readonly onParked?: 'hold' | 'continue'
  /** Default `'now'`. Only matters when the flow is first registered. */
  readonly start?: FlowStart
  /** Keep request and response excerpts of successes too; default false: only of failures. */
  readonly capture?: boolean
}

/** What a step's functions are given. */
export interface StepInput<Event, Call> {
  readonly event: Event
  readonly call: Call
  /** Stable over all tries of this step of this run. */
  readonly idempotencyKey: string
  /** 1 for the first try. */
  readonly attempt: number
  /** Aborts at the attempt's deadline. */
  readonly signal: AbortSignal
}

/** One call to one system inside a run. */
export interface StepOptions<Event, Call, Result> {
  /** Does the work. Its result must be JSON; `undefined` is fine. Throwing fails the attempt: see `RetryableError` and `FinalError`. */
  readonly run: (input: StepInput<Event, Call>) => Promise<Result> | Result
  /** Looks whether an earlier try of unknown outcome has taken effect: the result if so, `undefined` if not. Must not change anything. */
  readonly find?: (
    input: StepInput<Event, Call>,
  ) => Promise<NoInfer<Result> | undefined> | NoInfer<Result> | undefined
  /** Reads back after `run` said yes: false means that it did not happen, and the step is tried again. */
  readonly verify?: (
    input: StepInput<Event, Call> & { readonly result: Result },
  ) => Promise<boolean> | boolean
  readonly retry?: RetryOptions
  /** Overrides the system's timeout for this step. */
  readonly timeout?: Duration
}

/** A step as the engine sees it. */
export interface StepDefinition {
  readonly name: string
  readonly system: System
  readonly run: (input: StepInput<never, never>) => unknown
  readonly find: ((input: StepInput<never, never>) => unknown) | undefined
  readonly verify: ((input: StepInput<never, never> & { readonly result: never }) => unknown) | undefined
  readonly retry: RetryPolicy
  readonly timeoutMs: number
}

/** A declared flow: on these events, do this step. */
export interface Flow {
  readonly kind: 'flow'
  readonly name: string
  readonly lane: string
  readonly ordering: Ordering
  readonly onParked: 'hold' | 'continue'
  readonly start: FlowStart
  readonly capture: boolean
  readonly events: readonly AnyContract[]
  readonly steps: readonly StepDefinition[]
}

/** A flow that still lacks its events. */
export interface FlowWithoutEvents {
  /** The events that start a run. */
  on<const Contracts extends readonly [AnyContract, ...AnyContract[]]>(
    ...contracts: Contracts
  ): FlowWithoutSteps<EventOf<Contracts[number]>>
}

/** A flow that still lacks its step. */
export interface FlowWithoutSteps<Event> {
  /** The call that each run makes. */
  step<Call, Result>(name: string, system: System<Call>, options: StepOptions<Event, Call, Result>): Flow
}

/**
 * Declares a flow: on these events, do this step.
 *
 * @example
 * export const bookOrder = defineFlow('book-order')
 *   .on(orderPlaced)
 *   .step('sale', erp, { run: ({ event, call }) => call.post('/sales', { reference: event.data.number }) })
 */
export function defineFlow(name: string, options: FlowOptions = {}): FlowWithoutEvents {
  checkFlowName(name)
  if (options.lane !== undefined) checkName('lane group name', options.lane)
  const head = {
    kind: 'flow',
    name,
    lane: options.lane ?? name,
    ordering: options.ordering ?? 'arrival',
    onParked: options.onParked ?? 'hold',
    start: options.start ?? 'now',
    capture: options.capture ?? false,
  } as const
  return {
    on: (...contracts) => ({
      step: (stepName, system, step) => ({
        ...head,
        events: contracts,
        steps: [stepDefinition(stepName, system, step as unknown as StepOptions<never, never, never>)],
      }),
    }),
  }
}

function stepDefinition(
  name: string,
  system: System,
  step: StepOptions<never, never, never>,
): StepDefinition {
  checkName('step name', name)
  return {
    name,
    system,
    run: step.run,
    find: step.find,
    verify: step.verify,
    retry: retryPolicy(step.retry ?? {}),
    timeoutMs: step.timeout === undefined ? system.settings.timeoutMs : durationMs(step.timeout),
  }
}

/** Fills in the defaults: 1 s, factor 2, cap 15 min, 300 tries. */
export function retryPolicy(options: RetryOptions): RetryPolicy {
  const policy = {
    firstMs: durationMs(options.first ?? '1s'),
    factor: options.factor ?? 2,
    capMs: durationMs(options.cap ?? '15m'),
    attempts: options.attempts ?? 300,
  }
  if (policy.factor < 1 || policy.attempts < 1)
    throw new BusbarError(
      'config.invalid',
      'a retry policy needs a factor of at least 1 and at least 1 attempt',
    )
  return policy
}
