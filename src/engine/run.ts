import type { AnyContract } from '../define/event.ts'
import type { StepDefinition } from '../define/flow.ts'
import type { Connector } from '../define/system.ts'
import type { StoredEvent } from '../journal/port.ts'
import type { Cancel } from './clock.ts'
import type { SystemGate } from './gate.ts'

/** A step as an owner runs it: its declaration, and the gate and connector of its system. */
export interface StepRuntime {
  readonly definition: StepDefinition
  readonly gate: SystemGate
  readonly connector: Connector<unknown>
}

/** A flow as an owner runs it: its declaration and its registered id. */
export interface FlowRuntime {
  readonly id: number
  readonly name: string
  readonly version: number
  readonly group: string
  readonly ord: number
  /** By event type: it counts from the seq after this one. */
  readonly after: ReadonlyMap<string, number>
  readonly ordered: boolean
  readonly onParked: 'hold' | 'continue'
  readonly capture: boolean
  /** By event type. */
  readonly contracts: ReadonlyMap<string, AnyContract>
  readonly steps: readonly StepRuntime[]
  /** Of the step that it starts with: while it is closed, nothing is read for the flow. */
  readonly gate: SystemGate
}

/** One event handled by one flow, in its owner's memory. */
export interface Run {
  readonly flow: FlowRuntime
  readonly event: StoredEvent
  readonly gen: number
  /** Lane key. */
  readonly key: string
  /** Place in the lane. */
  readonly lord: number
  /** A row exists, or is about to be written; its outcome updates it. */
  hasRow: boolean
  /** Its row is committed: the position may pass it. */
  settled: boolean
  crashes: number
  /** What was done is being undone; no step goes forward any more. */
  compensating: boolean
  /** In the flow's order. */
  readonly steps: readonly StepRun[]
}

/** A step of a run, in its owner's memory. */
export interface StepRun {
  readonly run: Run
  readonly step: StepRuntime
  /** In memory it is nowhere, in its gate's queue, being attempted, or in a short pause before its next try. */
  place: 'idle' | 'ready' | 'active' | 'paused'
  /** Its effect may have happened; sent at this time at the latest. */
  maybeAt: number | null
  /** When it was first attempted, milliseconds since 1970; for the life of its idempotency key. */
  firstAt: number | null
  tries: number
  attempts: number
  throttles: number
  conflicts: number
  /** Monotonic time of its first attempt in this memory; NaN before. */
  startedAt: number
  /** Monotonic time of its latest attempt. */
  attemptAt: number
  /** Ends the pause. */
  cancelPause: Cancel | undefined
}

/** What the journal knows of a run that has a row. */
export type KnownRun = Pick<Run, 'gen' | 'key' | 'lord' | 'crashes' | 'compensating'> & KnownStep
type KnownStep = Pick<StepRun, 'maybeAt' | 'firstAt' | 'tries' | 'attempts' | 'throttles' | 'conflicts'>

/** A run of an event that has been read from the log, or of one that the journal knows already. */
export function newRun(flow: FlowRuntime, event: StoredEvent, known?: KnownRun): Run {
  const steps: StepRun[] = []
  const run: Run = {
    flow,
    event,
    gen: known?.gen ?? 0,
    key: known?.key ?? laneKey(flow, event),
    lord: known?.lord ?? event.seq,
    hasRow: known !== undefined,
    settled: known !== undefined,
    crashes: known?.crashes ?? 0,
    compensating: known?.compensating ?? false,
    steps,
  }
  for (const step of flow.steps) steps.push(newStepRun(run, step, known))
  return run
}

function newStepRun(run: Run, step: StepRuntime, known: KnownStep | undefined): StepRun {
  return {
    run,
    step,
    place: 'idle',
    maybeAt: known?.maybeAt ?? null,
    firstAt: known?.firstAt ?? null,
    tries: known?.tries ?? 0,
    attempts: known?.attempts ?? 0,
    throttles: known?.throttles ?? 0,
    conflicts: known?.conflicts ?? 0,
    startedAt: Number.NaN,
    attemptAt: 0,
    cancelPause: undefined,
  }
}

/** Runs with one key in one lane group follow each other; without order each run is a lane of its own. */
export function laneKey(flow: FlowRuntime, event: StoredEvent): string {
  return flow.ordered && event.key !== null ? event.key : `#${flow.id}:${event.seq}`
}
