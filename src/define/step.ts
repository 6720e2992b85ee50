import type { Duration } from './duration.ts'
import { durationMs } from './duration.ts'
import type { Written } from './echo.ts'
import type { AnyContract } from './event.ts'
import type { IdReference, Ids, IdsOf, Links } from './link.ts'
import { checkName } from './name.ts'
import type { RetryOptions, RetryPolicy } from './retry-policy.ts'
import { retryPolicy } from './retry-policy.ts'
import type { System } from './system.ts'

/** What decides about a step looks at: the event, and the results of all steps that have ended before this one. */
export interface StepFacts<Event, Results = NoResults> {
  readonly event: Event
  readonly results: Results
}

/** The results of no step at all. */
export type NoResults = Readonly<Record<never, never>>

/** What a step's functions are given. */
export interface StepInput<Event, Call, Results = NoResults> extends StepFacts<Event, Results> {
  readonly call: Call
  /** Cross-references: the ids that objects have in systems. */
  readonly ids: Ids
  /** Stable over all tries of this step of this run; another one for its undo. */
  readonly idempotencyKey: string
  /** 1 for the first try. */
  readonly attempt: number
  /** Aborts at the attempt's deadline. */
  readonly signal: AbortSignal
}

/** What a step needs before it starts, and whether it is needed at all. */
export interface StepConditions<Event, Results, After, When extends boolean> {
  /** Names of earlier steps that must have ended before; without it the step starts at once, beside the others. */
  readonly after?: After
  /** False skips the step, and what follows it goes on without its result. Must be a pure function of what it is given. */
  readonly when?: (facts: StepFacts<Event, Results>) => When
}

/** One call to one system inside a run. */
export interface StepOptions<Event, Call, Result, Results = NoResults> {
  /** Does the work. Its result must be JSON of at most 64 KiB; `undefined` is fine. Throwing fails the attempt: see `RetryableError` and `FinalError`. */
  readonly run: (input: StepInput<Event, Call, Results>) => Promise<Result> | Result
  /** Looks whether an earlier try of unknown outcome has taken effect: the result if so, `undefined` if not. Must not change anything. */
  readonly find?: (
    input: StepInput<Event, Call, Results>,
  ) => Promise<NoInfer<Result> | undefined> | NoInfer<Result> | undefined
  /** Reads back after `run` said yes: false means that it did not happen, and the step is tried again. */
  readonly verify?: (
    input: StepInput<Event, Call, Results> & { readonly result: NoInfer<Result> },
  ) => Promise<boolean> | boolean
  /** Takes the effect back when the run is compensated; without it there is nothing to take back. Tried again as durably as `run`. */
  readonly undo?: (input: StepInput<Event, Call, Results> & { readonly result: NoInfer<Result> }) => unknown
  /**
   * The ids that the system has given, as cross-references; written in one transaction with the step's result. An id that
   * cannot be one fails the step for good, though its effect has happened. An undone step takes its links back.
   *
   * @example links: (result) => ({ order: result.id })
   */
  readonly links?: (result: NoInfer<Result>, facts: StepFacts<Event, Results>) => Links | undefined
  /**
   * Ids of other objects that must be known before the step starts: until then it waits. Must be a pure function of what
   * it is given; undefined is nothing to wait for.
   *
   * @example dependsOn: ({ event, ids }) => ids('customer', event.data.customerId, erp)
   */
  readonly dependsOn?: (facts: StepFacts<Event, Results> & { readonly ids: IdsOf }) => Dependencies
  /** How long it waits for them before it fails for good with `step.dependency-missing`; default 72 h. */
  readonly dependsWithin?: Duration
  /**
   * What `run` writes, so that the system's own event about it is recognised as an echo; `undefined` when it writes
   * nothing of that kind. Committed before the request is sent. Must be a pure function of what it is given.
   */
  readonly writes?: (facts: StepFacts<Event, Results>) => Written | undefined
  /** The version that the object has after the write, from what `run` gave or `find` found. */
  readonly version?: (result: NoInfer<Result>) => string | number | undefined
  /** What `undo` writes. */
  readonly undoWrites?: (
    facts: StepFacts<Event, Results> & { readonly result: NoInfer<Result> },
  ) => Written | undefined
  readonly retry?: RetryOptions
  /** Overrides the system's timeout for this step. */
  readonly timeout?: Duration
}

/** What a step waits for: one id, several, or none. */
export type Dependencies = IdReference | readonly (IdReference | undefined)[] | undefined

/** What becomes of a run whose wait has run out: it is parked, goes on without a result, or is compensated. */
export type OnTimeout = 'park' | 'continue' | 'compensate'

/** A pause inside a run. */
export interface WaitOptions {
  /** Counted from the moment at which the step could start. */
  readonly for: Duration
}

/** Waiting for an event of the run's own key. */
export interface WaitForOptions {
  /** Default: no limit. */
  readonly timeout?: Duration
  /** Default `'park'`. */
  readonly onTimeout?: OnTimeout
  /** Which events count: those behind the run's own event in the log (`'start'`, default), or any of the key (`'ever'`). */
  readonly since?: 'start' | 'ever'
}

/** Waiting for a person. */
export interface ApproveOptions {
  /** Who may decide, for people to see. */
  readonly role: string
  /** Default: no limit. */
  readonly timeout?: Duration
  /** Default `'park'`. */
  readonly onTimeout?: OnTimeout
}

/** What a person decided. A refusal has no result: it fails the step. */
export interface Approval {
  readonly by: string
  /** RFC 3339. */
  readonly at: string
  readonly note?: string
}

interface AnyStep {
  readonly name: string
  readonly after: readonly string[]
  readonly when: ((facts: StepFacts<never, never>) => boolean) | undefined
}

/** A call to a system, as the engine sees it. */
export interface CallStep extends AnyStep {
  readonly kind: 'call'
  readonly system: System
  readonly run: (input: StepInput<never, never, never>) => unknown
  readonly find: ((input: StepInput<never, never, never>) => unknown) | undefined
  readonly verify: ((input: WithResult) => unknown) | undefined
  readonly undo: ((input: WithResult) => unknown) | undefined
  readonly links: ((result: never, facts: StepFacts<never, never>) => Links | undefined) | undefined
  readonly dependsOn: ((facts: StepFacts<never, never> & { readonly ids: IdsOf }) => Dependencies) | undefined
  readonly dependsWithinMs: number
  readonly writes: ((facts: StepFacts<never, never>) => Written | undefined) | undefined
  readonly version: ((result: never) => string | number | undefined) | undefined
  readonly undoWrites:
    ((facts: StepFacts<never, never> & { readonly result: never }) => Written | undefined) | undefined
  readonly retry: RetryPolicy
  readonly timeoutMs: number
}
type WithResult = StepInput<never, never, never> & { readonly result: never }

/** A pause. */
export interface WaitStep extends AnyStep {
  readonly kind: 'wait'
  readonly forMs: number
}

/** A wait for an event of the run's key. */
export interface WaitForStep extends AnyStep {
  readonly kind: 'waitFor'
  readonly contract: AnyContract
  readonly since: 'start' | 'ever'
  readonly timeoutMs: number | undefined
  readonly onTimeout: OnTimeout
}

/** A wait for a person. */
export interface ApproveStep extends AnyStep {
  readonly kind: 'approve'
  readonly role: string
  readonly timeoutMs: number | undefined
  readonly onTimeout: OnTimeout
}

/** A step of a flow, as the engine sees it. */
export type StepDefinition = CallStep | WaitStep | WaitForStep | ApproveStep

interface Conditions {
  readonly after?: readonly string[]
  readonly when?: unknown
}

function anyStep(name: string, { after, when }: Conditions): AnyStep {
  checkName('step name', name)
  return { name, after: after ?? [], when: when as AnyStep['when'] }
}

/** The definition of a call, defaults filled in. */
export function callStep(
  name: string,
  system: System,
  options: Conditions & StepOptions<never, never, never, never>,
): CallStep {
  const { run, find, verify, undo, retry, timeout } = options
  const { links, dependsOn, dependsWithin, writes, version, undoWrites } = options
  return {
    kind: 'call',
    ...anyStep(name, options),
    system,
    run,
    find,
    verify,
    undo,
    links,
    dependsOn,
    dependsWithinMs: durationMs(dependsWithin ?? '72h'),
    writes,
    version,
    undoWrites,
    retry: retryPolicy(retry ?? {}),
    timeoutMs: timeout === undefined ? system.settings.timeoutMs : durationMs(timeout),
  }
}

/** The definition of a pause. */
export function waitStep(name: string, options: Conditions & WaitOptions): WaitStep {
  return { kind: 'wait', ...anyStep(name, options), forMs: durationMs(options.for) }
}

/** The definition of a wait for an event. */
export function waitForStep(
  name: string,
  contract: AnyContract,
  options: Conditions & WaitForOptions,
): WaitForStep {
  const since = options.since ?? 'start'
  return { kind: 'waitFor', ...anyStep(name, options), contract, since, ...limits(options) }
}

/** The definition of a wait for a person. */
export function approveStep(name: string, options: Conditions & ApproveOptions): ApproveStep {
  checkName('role', options.role)
  return { kind: 'approve', ...anyStep(name, options), role: options.role, ...limits(options) }
}

function limits({ timeout, onTimeout }: { readonly timeout?: Duration; readonly onTimeout?: OnTimeout }) {
  return {
    timeoutMs: timeout === undefined ? undefined : durationMs(timeout),
    onTimeout: onTimeout ?? 'park',
  } as const
}
