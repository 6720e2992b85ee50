import type { EventLog } from '../journal/port.ts'
import { runState } from '../journal/port.ts'
import type { AttemptReport } from './attempt.ts'
import type { EngineObserver } from './attempts.ts'
import type { Clock } from './clock.ts'
import type { Hold } from './doubt.ts'
import type { Flusher } from './flusher.ts'
import { Pauses } from './pauses.ts'
import { plan } from './plan.ts'
import type { Plan } from './plan.ts'
import { restChange, troubledStep } from './rest.ts'
import type { Verdict } from './retry.ts'
import type { RowChange } from './rows.ts'
import { problemRow, stepRow, systemOf } from './rows.ts'
import type { CallRun, Run, StepRun } from './run.ts'
import { isCall } from './run.ts'
import { obstacleOf } from './versions.ts'
import { storableResult } from './step-result.ts'

/** What the processes of a group need. */
export interface ProcessesDeps {
  readonly clock: Clock
  readonly flusher: Flusher
  readonly observer: EngineObserver
  readonly log: Pick<EventLog, 'firstOf'>
  readonly onError: (error: unknown) => void
  /** Puts a call into its gate's queue. */
  readonly offer: (stepRun: CallRun) => void
  /** Whether the run stands at the head of its lane, in memory. */
  readonly isHead: (run: Run) => boolean
  /** Writes the run's row; the run stays. */
  readonly stay: (run: Run, change: RowChange, of: StepRun) => void
  /** Writes the run's row; the run leaves memory, with its lane. */
  readonly leave: (run: Run, change: RowChange, of: StepRun) => void
  /** The same for a run that is parked. */
  readonly park: (run: Run, change: RowChange, of: StepRun) => void
  /** Writes the run's outcome; the lane goes on. */
  readonly end: (run: Run, change: RowChange, of: StepRun) => void
}

/** Retries that end within this time of the step's first attempt stay in memory. */
const shortRetryMs = 1_000

/**
 * Drives runs of several steps that stand at the head of their lane. Whatever a step came to is committed before
 * anything that follows it starts; a run leaves memory when nothing of it is under way and nothing can start.
 */
export class Processes {
  readonly #deps: ProcessesDeps
  readonly #pauses: Pauses

  constructor(deps: ProcessesDeps) {
    this.#deps = deps
    this.#pauses = new Pauses({
      ...deps,
      goOn: ({ run }) => this.#goOn(run),
      failed: (stepRun) => this.#failed(stepRun),
    })
  }

  /** Takes up what may start now; where nothing may and nothing is under way, the run comes to rest. */
  advance(run: Run): void {
    if (run.writes > 0 || !this.#deps.isHead(run)) return
    const obstacle = obstacleOf(run)
    if (obstacle !== undefined) return this.#parkChanged(run, obstacle)
    const { start, rest } = this.#plan(run)
    const blocked = start.flatMap((place) => this.#take(run.steps[place] as StepRun) ?? [])
    if (start.length > blocked.length) this.#goOn(run)
    else if (!isUnderWay(run)) this.#rest(run, rest, blocked)
  }

  /** A call of the run at the head of a lane has been attempted. */
  ended(stepRun: CallRun, report: AttemptReport, verdict: Verdict): void {
    const { outcome, ms, value } = report
    stepRun.ms = ms
    stepRun.status = outcome.status
    if (outcome.kind === 'succeeded') this.#succeeded(stepRun, value)
    else {
      if (verdict.do === 'retry' && this.#pauseShortly(stepRun, verdict.delayMs)) return
      const { message } = outcome
      stepRun.trouble = { code: verdict.do === 'park' ? verdict.code : outcome.code, message, reason: null }
      if (verdict.do === 'park') this.#failed(stepRun)
      else this.#later(stepRun, verdict.do === 'retry' ? verdict.delayMs : 0)
    }
    this.#goOn(stepRun.run)
  }

  /** A call may not be attempted yet, or not without a person. */
  held(stepRun: CallRun, hold: Hold): void {
    if ('park' in hold) {
      stepRun.trouble = { code: hold.park, message: hold.reason, reason: null }
      this.#failed(stepRun)
    } else {
      stepRun.trouble = { code: null, message: null, reason: hold.reason }
      this.#later(stepRun, hold.waitMs)
    }
    this.#goOn(stepRun.run)
  }

  /** What the run's steps came to is committed. */
  committed(run: Run): void {
    run.writes--
    this.advance(run)
  }

  /** An event was read that the run may wait for. */
  signalled(run: Run): void {
    let woken = false
    for (const stepRun of run.steps) {
      const { kind } = stepRun.step.definition
      if (kind !== 'waitFor' || (stepRun.phase !== 'waiting' && stepRun.phase !== 'active')) continue
      stepRun.woken = woken = true
    }
    if (woken) this.advance(run)
  }

  /** The run must leave memory, whatever it is about: its steps are written as they stand, what was under way is due. */
  unload(run: Run): void {
    for (const stepRun of run.steps) {
      if (stepRun.phase !== 'active') continue
      stepRun.place = 'idle'
      stepRun.cancelPause?.()
      if (isCall(stepRun)) this.#later(stepRun, 0)
      else stepRun.phase = stepRun.firstAt === null ? 'pending' : 'waiting'
    }
    this.#write(run)
  }

  /** A call was taken out of its gate's queue before it began. */
  withdrawn(stepRun: CallRun): void {
    this.#later(stepRun, 0)
    this.#goOn(stepRun.run)
  }

  #plan(run: Run): Plan {
    const now = this.#deps.clock.monotonic()
    const steps = run.steps.map(({ step, phase, dueAt, maybeAt, woken }) => ({
      after: step.after,
      phase,
      due: woken || (dueAt !== null && dueAt <= now),
      maybe: maybeAt !== null,
    }))
    return plan(steps, run.compensating)
  }

  /** Takes up a step; a call whose system is closed is given back, to wait in a row that names the system. */
  #take(stepRun: StepRun): CallRun | undefined {
    const { run, step, phase } = stepRun
    if (run.compensating) {
      if (!this.#mayUndo(stepRun)) return undefined
    } else if (phase === 'pending' && step.definition.when && stepRun.attempts === 0) {
      this.#pauses.decide(stepRun, () => {
        if (isCall(stepRun)) this.#call(stepRun)
        else this.#takePause(stepRun)
      })
      return undefined
    }
    if (!isCall(stepRun)) {
      this.#pauses.take(stepRun)
      return undefined
    }
    // A run that has not begun may wait in memory: reading stops for its flow.
    if (stepRun.step.gate.stand === 'closed' && (run.hasRow || hasBegun(run))) return stepRun
    this.#call(stepRun)
    return undefined
  }

  #takePause(stepRun: StepRun): void {
    stepRun.phase = 'pending'
    this.#pauses.take(stepRun)
    this.#goOn(stepRun.run)
  }

  #call(stepRun: CallRun): void {
    stepRun.phase = 'active'
    this.#deps.offer(stepRun)
  }

  /** False for a step without anything to undo, and for one of which nobody can say whether there is. */
  #mayUndo(stepRun: StepRun): stepRun is CallRun {
    if (!isCall(stepRun) || !stepRun.step.definition.undo) this.#become(stepRun, 'kept')
    else if (stepRun.result === undefined && !stepRun.step.definition.find) {
      const message = 'its effect may have happened, and without "find" nobody can look: see the system'
      stepRun.trouble = { code: 'step.undo-unknown', message, reason: null }
      this.#become(stepRun, 'undoFailed')
    } else {
      if (stepRun.phase !== 'undoing') beginUndo(stepRun)
      return true
    }
    return false
  }

  #succeeded(stepRun: CallRun, value: unknown): void {
    stepRun.trouble = undefined
    stepRun.maybeAt = null
    stepRun.dueAt = null
    if (stepRun.run.compensating) return this.#become(stepRun, 'undone')
    const result = storableResult(value)
    if ('fault' in result) {
      stepRun.trouble = { code: result.code, message: result.fault, reason: null }
      stepRun.maybeAt = this.#deps.clock.now()
      return this.#failed(stepRun)
    }
    stepRun.result = result.value
    this.#become(stepRun, 'done')
  }

  #failed(stepRun: StepRun): void {
    const { run } = stepRun
    const { onFailure } = run.flow
    const compensates = !run.compensating && onFailure.kind === 'compensate'
    stepRun.dueAt = compensates ? this.#deps.clock.monotonic() + onFailure.afterMs : null
    this.#become(stepRun, run.compensating ? 'undoFailed' : 'failed')
  }

  #later(stepRun: CallRun, delayMs: number): void {
    const { run, attempts, maybeAt } = stepRun
    stepRun.dueAt = this.#deps.clock.monotonic() + delayMs
    if (run.compensating) this.#become(stepRun, 'undoing')
    else if (attempts > 0 || maybeAt !== null) this.#become(stepRun, 'retrying')
    else stepRun.phase = 'pending'
  }

  #become(stepRun: StepRun, phase: StepRun['phase']): void {
    stepRun.phase = phase
    stepRun.changed = true
  }

  #pauseShortly(stepRun: CallRun, delayMs: number): boolean {
    const { clock, offer } = this.#deps
    if (stepRun.run.hasRow || clock.monotonic() + delayMs - stepRun.startedAt >= shortRetryMs) return false
    stepRun.place = 'paused'
    stepRun.cancelPause = clock.timer(delayMs, () => {
      stepRun.place = 'idle'
      offer(stepRun)
    })
    return true
  }

  /** What steps came to is written before what follows them starts; where nothing follows, the run's row goes with it. */
  #goOn(run: Run): void {
    if (!this.#deps.isHead(run)) return
    const { start, rest } = this.#plan(run)
    if (run.writes === 0 && start.length === 0 && !isUnderWay(run)) return this.#rest(run, rest, [])
    this.#write(run)
    if (run.writes === 0 && start.length > 0) this.advance(run)
  }

  #write(run: Run): void {
    const now = this.#deps.clock.monotonic()
    const changed = run.steps.filter((stepRun) => stepRun.changed && stepRun.phase !== 'active')
    if (changed.length === 0) return
    for (const stepRun of changed) stepRun.changed = false
    this.#commit(
      run,
      changed.map((stepRun) => stepRow(stepRun, now)),
    )
  }

  #commit(run: Run, rows: Parameters<Flusher['steps']>[1]): void {
    if (this.#deps.flusher.steps(run, rows)) run.writes++
  }

  #rest(run: Run, rest: Plan['rest'], blocked: readonly CallRun[]): void {
    if (rest === 'failed') return this.#comesToFail(run)
    if (rest === 'stuck') return this.#park(run, 'undoFailed')
    this.#write(run)
    if (rest === 'succeeded' || rest === 'compensated') return this.#end(run, rest)
    const { change, of } = restChange(run, blocked, this.#deps.clock.monotonic())
    const { code, message } = change
    if (change.state === runState.retrying && code !== undefined) {
      this.#deps.flusher.problem(problemRow(systemOf(of), { code, message: message ?? '' }))
      this.#deps.observer.became(run, 'retrying', code)
    }
    this.#deps.leave(run, change, of)
  }

  #end(run: Run, state: 'succeeded' | 'compensated'): void {
    const calls = run.steps.filter(({ attempts }) => attempts > 0)
    const [last = run.steps[0] as StepRun] = calls.slice(-1)
    const ms = calls.reduce((sum, call) => sum + (call.ms ?? 0), 0)
    this.#deps.end(run, { state: runState[state], ms, status: last.status ?? 0 }, last)
  }

  /** A step has failed for good: a person, or the way back. */
  #comesToFail(run: Run): void {
    const now = this.#deps.clock.monotonic()
    const failed = run.steps.filter(({ phase }) => phase === 'failed')
    if (!failed.some((stepRun) => mustCompensate(stepRun, now))) return this.#park(run, 'failed')
    const [first = run.steps[0] as StepRun] = failed
    run.compensating = true
    for (const stepRun of failed) {
      stepRun.dueAt = null
      stepRun.changed = true
    }
    const { code, message } = failureOf(first)
    this.#deps.flusher.problem(problemRow(systemOf(first), { code, message }))
    // That it only goes back from here on is committed before the first undo.
    this.#deps.stay(run, { state: runState.running }, first)
    this.#write(run)
  }

  #park(run: Run, phase: 'failed' | 'undoFailed'): void {
    this.#write(run)
    const of = troubledStep(run, phase)
    const { dueAt } = of
    const now = this.#deps.clock.monotonic()
    const timed = dueAt === null ? {} : { awaits: 'timer' as const, nextInMs: Math.max(0, dueAt - now) }
    const stuck = phase === 'undoFailed' ? { reason: 'its compensation is stuck' } : {}
    this.#parkWith(run, { ...failureOf(of), ...timed, ...stuck }, of)
  }

  #parkChanged(run: Run, message: string): void {
    this.#parkWith(run, { code: 'flow.changed', message, ms: 0, status: 0 }, run.steps[0] as StepRun)
  }

  #parkWith(
    run: Run,
    change: Omit<RowChange, 'state'> & { code: string; message: string },
    of: StepRun,
  ): void {
    this.#deps.flusher.problem(problemRow(systemOf(of), change))
    this.#deps.observer.became(run, 'parked', change.code)
    this.#deps.park(run, { state: runState.parked, ...change }, of)
  }
}

function isUnderWay({ steps }: Run): boolean {
  return steps.some(({ phase }) => phase === 'active')
}

/** Something of it has been done, tried or written. */
export function hasBegun({ steps }: Run): boolean {
  return steps.some(({ phase, attempts }) => attempts > 0 || (phase !== 'pending' && phase !== 'active'))
}

function mustCompensate({ dueAt, trouble, step: { definition } }: StepRun, now: number): boolean {
  if (dueAt !== null && dueAt <= now) return true
  const waits = definition.kind === 'waitFor' || definition.kind === 'approve'
  return waits && definition.onTimeout === 'compensate' && trouble?.code === 'step.timed-out'
}

function failureOf({ trouble, ms, status }: StepRun) {
  return {
    code: trouble?.code ?? 'step.failed',
    message: trouble?.message ?? '',
    ms: ms ?? 0,
    status: status ?? 0,
  }
}

/** The undo has budgets of its own. */
function beginUndo(stepRun: StepRun): void {
  stepRun.tries = 0
  stepRun.throttles = 0
  stepRun.conflicts = 0
  stepRun.firstAt = null
  stepRun.startedAt = Number.NaN
  if (stepRun.result !== undefined) stepRun.maybeAt = null
}
