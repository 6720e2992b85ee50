import type { AnyContract } from '../define/event.ts'
import type { Flow } from '../define/flow.ts'
import type { SequenceRules } from '../define/ordering.ts'
import type { CallStep, StepDefinition } from '../define/step.ts'
import type { GivenLink, IdReference } from '../define/link.ts'
import type { Redaction } from '../define/redaction.ts'
import type { Connector } from '../define/system.ts'
import type { KnownStep, StoredEvent } from '../journal/port.ts'
import type { Cancel } from './clock.ts'
import type { SystemGate } from './gate.ts'
import type { StepPhase } from './plan.ts'
import type { ChangedStep } from './versions.ts'

/** A step as an owner runs it: its declaration, its place in the flow, and the places of those that it follows. */
export type StepRuntime = CallRuntime | PauseRuntime

interface Placed {
  readonly place: number
  readonly after: readonly number[]
}

/** A call, with the gate and connector of its system. */
export interface CallRuntime extends Placed {
  readonly definition: CallStep
  readonly gate: SystemGate
  readonly connector: Connector<unknown>
}

/** A step that calls nobody: a pause, or a wait for an event or a person. */
export interface PauseRuntime extends Placed {
  readonly definition: Exclude<StepDefinition, CallStep>
  readonly gate?: undefined
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
  /** Its runs follow each other by number. */
  readonly sequence: SequenceRules | undefined
  /** Of its runs of one key only the newest counts; so long after it was sent, a request has landed. */
  readonly latest: { readonly settleMs: number } | undefined
  readonly onParked: 'hold' | 'continue'
  readonly capture: boolean
  /** By event type. */
  readonly contracts: ReadonlyMap<string, AnyContract>
  readonly steps: readonly StepRuntime[]
  /** One plain call: everything about a run is said by its own row. */
  readonly single: boolean
  /** Of the call that it starts with: while it is closed, nothing is read for the flow. */
  readonly gate: SystemGate | undefined
  readonly onFailure: Flow['onFailure']
  readonly echoes: Flow['echoes']
  readonly redaction: Redaction
  /** Types of events that its runs may wait for. */
  readonly signals: readonly string[]
  /** This deployment does not have it, but its lane group. */
  readonly absent?: true
}

/** One event handled by one flow, in its owner's memory. */
export interface Run {
  flow: FlowRuntime
  readonly event: StoredEvent
  readonly gen: number
  /** The generation whose idempotency keys it sends. */
  readonly keyGen: number
  /** Lane key. */
  readonly key: string
  /** Place in the lane. */
  lord: number
  /** Where its flow orders by number: its own; null for what stands outside of the sequence. */
  number: number | null
  /** Why it has no number although it needs one. */
  unnumbered: string | null
  /** It has waited for numbers before its own as long as it may. */
  readonly gapOver: boolean
  /** A row exists, or is about to be written; its outcome updates it. */
  hasRow: boolean
  /** Its row is committed: the position may pass it. */
  settled: boolean
  crashes: number
  /** What was done is being undone; no step goes forward any more. */
  compensating: boolean
  /** In the flow's order. */
  readonly steps: readonly StepRun[]
  /** Writes of its steps that are under way: what follows them waits. */
  writes: number
  /** Steps that the journal knows and this version of the flow does not. */
  readonly unknownSteps: string[]
  /** Steps that began as something else than they are now. */
  changedSteps: readonly ChangedStep[]
  /** Its event is an echo of our own write, for this reason; or nobody knows yet, and nothing of it may start. */
  echo: 'undecided' | { readonly reason: string } | undefined
}

/** A step of a run, in its owner's memory. */
export interface StepRun {
  readonly run: Run
  readonly step: StepRuntime
  /** In memory it is nowhere, in its gate's queue, being attempted, or in a short pause before its next try. */
  place: 'idle' | 'ready' | 'active' | 'paused'
  /** What it has come to, in a flow of several steps. */
  phase: StepPhase
  /** Monotonic time at which it is tried again, or what it waits for is given up; null: not by itself. */
  dueAt: number | null
  /** What it waits for may have come. */
  woken: boolean
  /** It differs from its row. */
  changed: boolean
  /** What it gave, JSON, null for nothing; undefined as long as it is not known to have happened. */
  result: unknown
  /** The result that came from the journal, and its text there: a person's numbers may have more digits than a double holds. */
  readonly storedResult: { readonly value: unknown; readonly text: string } | undefined
  /** Cross-references to be written with it; `by-hand`: a person has given its result, and they are still to be made. */
  given: readonly GivenLink[] | 'by-hand' | undefined
  /** Cross-references that it waits for; undefined as long as nobody has looked. */
  missing: readonly IdReference[] | undefined
  /** Why it is not done, or was skipped. */
  trouble: Trouble | undefined
  /** The event's data as a person has edited it for this step, JSON text. */
  readonly input: string | null
  /** Rises with each such edit. */
  readonly keyNo: number
  /** Its effect may have happened; sent at this time at the latest. */
  maybeAt: number | null
  /** When it was first attempted, milliseconds since 1970; for the life of its idempotency key. */
  firstAt: number | null
  tries: number
  attempts: number
  throttles: number
  conflicts: number
  ms: number | null
  status: number | null
  /** Monotonic time of its first attempt in this memory; NaN before. */
  startedAt: number
  /** Monotonic time of its latest attempt. */
  attemptAt: number
  /** Ends the pause. */
  cancelPause: Cancel | undefined
}

/** What went wrong with a step, or why it waits. */
export interface Trouble {
  readonly code: string | null
  readonly message: string | null
  readonly reason: string | null
}

/** A step that is a call. */
export type CallRun = StepRun & { readonly step: CallRuntime }

/** Whether a step is a call. */
export function isCall(stepRun: StepRun): stepRun is CallRun {
  return stepRun.step.gate !== undefined
}

/** What the journal knows of a run that has a row. */
export type KnownRun = Pick<Run, 'gen' | 'keyGen' | 'key' | 'lord' | 'crashes' | 'compensating'> &
  Counters & { readonly steps: readonly KnownStep[]; readonly awaits: 'gap' | null }
type Counters = Pick<KnownStep, 'maybeAt' | 'firstAt' | 'tries' | 'attempts' | 'throttles' | 'conflicts'>

/** Shared: hardly any run has one. */
const none: readonly ChangedStep[] = []

/** A run of an event that has been read from the log, or of one that the journal knows already. */
export function newRun(flow: FlowRuntime, event: StoredEvent, known?: KnownRun): Run {
  const steps: StepRun[] = []
  const run: Run = {
    flow,
    event,
    gen: known?.gen ?? 0,
    keyGen: known?.keyGen ?? 0,
    key: known?.key ?? laneKey(flow, event),
    lord: known?.lord ?? event.seq,
    number: null,
    unnumbered: null,
    gapOver: known?.awaits === 'gap',
    hasRow: known !== undefined,
    settled: known !== undefined,
    crashes: known?.crashes ?? 0,
    compensating: known?.compensating ?? false,
    steps,
    writes: 0,
    unknownSteps: [],
    changedSteps: none,
    echo: undefined,
  }
  // The row of a run of one plain call speaks of that call; otherwise each step speaks for itself.
  for (const step of flow.steps) steps.push(newStepRun(run, step, flow.single ? known : undefined))
  return run
}

function newStepRun(run: Run, step: StepRuntime, known: Counters | undefined): StepRun {
  return {
    run,
    step,
    place: 'idle',
    phase: 'pending',
    dueAt: null,
    woken: false,
    changed: false,
    result: undefined,
    storedResult: undefined,
    given: undefined,
    missing: undefined,
    trouble: undefined,
    input: null,
    keyNo: 0,
    maybeAt: known?.maybeAt ?? null,
    firstAt: known?.firstAt ?? null,
    tries: known?.tries ?? 0,
    attempts: known?.attempts ?? 0,
    throttles: known?.throttles ?? 0,
    conflicts: known?.conflicts ?? 0,
    ms: null,
    status: null,
    startedAt: Number.NaN,
    attemptAt: 0,
    cancelPause: undefined,
  }
}

/** Runs with one key in one lane group follow each other; without order each run is a lane of its own. */
export function laneKey(flow: FlowRuntime, event: StoredEvent): string {
  return flow.ordered && event.key !== null ? event.key : `#${flow.id}:${event.seq}`
}

/** A run of one step has none to show; most runs are, so this costs them nothing. */
const noResults = Object.freeze({})

/** The results that a step can see, by name; those of steps that were skipped are missing. */
export function resultsOf({ run }: StepRun): never {
  if (run.flow.single) return noResults as never
  const done = run.steps.filter(({ phase }) => phase === 'done')
  return Object.fromEntries(done.map(({ step, result }) => [step.definition.name, result])) as never
}

/** Whether any of its steps has been attempted. */
export function wasTried({ steps }: Run): boolean {
  return steps.some(({ attempts }) => attempts > 0)
}
