import type { Ids } from '../define/link.ts'
import type { AttemptDeps, AttemptReport } from './attempt.ts'
import { Attempt } from './attempt.ts'
import type { Clock, Random } from './clock.ts'
import type { Writes } from './echo-writes.ts'
import { tellGate } from './gate-sign.ts'
import type { Outcome } from './outcome.ts'
import type { Verdict } from './retry.ts'
import { decide } from './retry.ts'
import type { CallRun, Run } from './run.ts'
import type { EngineTracer } from './tracer.ts'

/** What happened, for logs, metrics and statistics. */
export interface EngineObserver {
  attempted(stepRun: CallRun, report: AttemptReport): void
  /** A run reached an end, or must wait in a row; skipped ones are echoes. */
  became(run: Run, state: 'succeeded' | 'skipped' | 'retrying' | 'parked', reason: string | undefined): void
}

/** What attempts need from their group. */
export interface AttemptsDeps {
  readonly hub: string
  readonly clock: Clock
  readonly random: Random
  readonly checkLease: () => void
  /** Aborts when their owner gives up. */
  readonly signal: AbortSignal
  /** Shared by all steps. */
  readonly ids: Ids
  readonly writes: Writes
  /** Absent where nothing is traced. */
  readonly tracer?: EngineTracer | undefined
  /** Careful mode: commits whether the run is inside the user's code. */
  readonly mark: (stepRun: CallRun, inside: boolean) => Promise<void>
  readonly observer: EngineObserver
  /** Told once per attempt, with what becomes of the step; its counters say so already. */
  readonly onEnded: (stepRun: CallRun, report: AttemptReport, verdict: Verdict) => void
}

/** The attempts under way in one group: begun, ended, and counted by the retry policy. */
export class Attempts {
  readonly #deps: AttemptsDeps
  /** Of every attempt that needs no mark. */
  readonly #plain: AttemptDeps
  /**
   * In no order, each at its `index`. Not a Map: a table that it has outgrown leads to the next one, so that once one of them is old
   * all that was ever in them seems alive to the collection of the young.
   */
  readonly #active: Attempt[] = []
  #attemptedTo = 0
  /** An earlier owner may have died of something here: user's code is run with a committed mark. */
  careful = false

  constructor(deps: AttemptsDeps) {
    this.#deps = deps
    const { hub, clock, random, checkLease, signal, ids, writes, tracer } = deps
    const onOver = (attempt: Attempt) => this.#ended(attempt)
    this.#plain = { hub, clock, random, checkLease, ids, writes, onOver, ...(tracer && { tracer }) }
    // One listener for all: of each attempt it would cost as much as the rest of its own work.
    signal.addEventListener('abort', () => {
      for (const attempt of this.#active) attempt.giveUp()
    })
  }

  /** How many are under way. */
  get underWay(): number {
    return this.#active.length
  }

  /** Steps being attempted. */
  get active(): readonly CallRun[] {
    return this.#active.map(({ stepRun }) => stepRun)
  }

  /** The highest seq that was attempted without a row. */
  get attemptedTo(): number {
    return this.#attemptedTo
  }

  /** Attempts a step now. */
  begin(stepRun: CallRun): void {
    const { clock, mark } = this.#deps
    const { run } = stepRun
    stepRun.place = 'active'
    stepRun.attemptAt = clock.monotonic()
    if (Number.isNaN(stepRun.startedAt)) stepRun.startedAt = stepRun.attemptAt
    stepRun.firstAt ??= clock.now()
    if (!run.hasRow && run.event.seq > this.#attemptedTo) this.#attemptedTo = run.event.seq
    // A row: careful mode has given it one because it was in doubt, also where `find` has taken the doubt away since.
    const isMarked = this.careful && (stepRun.maybeAt !== null || run.hasRow)
    const deps = isMarked ? { ...this.#plain, mark: (inside: boolean) => mark(stepRun, inside) } : this.#plain
    const attempt = new Attempt(stepRun, deps)
    attempt.index = this.#active.push(attempt) - 1
    void attempt.make()
  }

  #ended(attempt: Attempt): void {
    const { observer, onEnded } = this.#deps
    const { stepRun, outcome } = attempt
    stepRun.place = 'idle'
    this.#forget(attempt)
    stepRun.attempts++
    observer.attempted(stepRun, attempt)
    const verdict = outcome.kind === 'succeeded' ? succeed : this.#judge(stepRun, outcome)
    tellGate(stepRun.step.gate, outcome)
    count(stepRun, outcome, verdict)
    // Only now, with what followed the look: until then the rows go on saying that it is in doubt, as it is to a new owner.
    if (saidAbsent(attempt)) stepRun.maybeAt = null
    if (outcome.kind === 'failed' && leavesDoubt(outcome, verdict)) this.#doubt(stepRun, outcome.class)
    onEnded(stepRun, attempt, verdict)
  }

  #forget({ index }: Attempt): void {
    const last = this.#active.pop()
    if (!last || last.index === index) return
    this.#active[index] = last
    last.index = index
  }

  #judge(stepRun: CallRun, outcome: Outcome & { kind: 'failed' }): Verdict {
    const { clock, random } = this.#deps
    const { gate, definition } = stepRun.step
    const facts = {
      policy: definition.retry,
      tries: stepRun.tries,
      throttles: stepRun.throttles,
      conflicts: stepRun.conflicts,
      cutOff: gate.cutOff,
      hasFind: definition.find !== undefined,
      keyLifeMs: gate.settings.keyLifeMs,
      settleMs: gate.settings.settleMs,
      ageMs: clock.now() - (stepRun.firstAt ?? 0),
    }
    return decide(outcome, facts, random)
  }

  /** An answered attempt is over at the target too: looking for its effect need not wait. */
  #doubt(stepRun: CallRun, errorClass: string): void {
    const answered = errorClass !== 'unknown'
    stepRun.maybeAt = this.#deps.clock.now() - (answered ? stepRun.step.gate.settings.settleMs : 0)
  }
}

const succeed: Verdict = { do: 'succeed' }

/** `find` has looked, after what was sent before had settled, and there is no effect of it. */
function saidAbsent({ records }: AttemptReport): boolean {
  return records.some(({ kind, outcome }) => kind === 'find' && outcome === 'absent')
}

/** Whoever pays for it, and also where the system is waited for: of several requests one may have had its effect. */
function leavesDoubt(outcome: Outcome & { kind: 'failed' }, verdict: Verdict): boolean {
  return outcome.maybe || ('maybe' in verdict && verdict.maybe)
}

/** Which budget pays for the attempt. */
function count(stepRun: CallRun, outcome: Outcome, verdict: Verdict): void {
  switch (verdict.do) {
    case 'succeed':
    case 'park':
      stepRun.tries++
      break
    case 'retry':
      if (verdict.counts === 'try') stepRun.tries++
      if (verdict.counts === 'throttle') stepRun.throttles++
      if (verdict.counts === 'conflict') stepRun.conflicts++
      break
    case 'wait-for-system':
      if (outcome.kind === 'failed' && outcome.class === 'throttled') stepRun.throttles++
  }
}
