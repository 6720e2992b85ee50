import type { EventLog } from '../journal/port.ts'
import { runState } from '../journal/port.ts'
import type { AttemptReport } from './attempt.ts'
import type { EngineObserver } from './attempts.ts'
import type { Clock } from './clock.ts'
import { concealed } from './conceal-run.ts'
import { Dependencies, linkByHand, mustLook } from './dependencies.ts'
import type { Hold } from './doubt.ts'
import type { Flusher } from './flusher.ts'
import type { SystemGate } from './gate.ts'
import type { IdLookup } from './id-lookup.ts'
import { Pauses } from './pauses.ts'
import { plan } from './plan.ts'
import type { Plan } from './plan.ts'
import { linkWaits, restChange, troubledStep } from './rest.ts'
import type { Verdict } from './retry.ts'
import type { RowChange } from './rows.ts'
import { problemRow, stepRow, systemOf } from './rows.ts'
import type { CallRun, Run, StepRun } from './run.ts'
import { isCall } from './run.ts'
import { linkChanges } from './step-links.ts'
import { obstacleOf } from './versions.ts'
import { storableResult } from './step-result.ts'

/** What the processes of a group need. */
export interface ProcessesDeps {
  readonly clock: Clock
  readonly flusher: Flusher
  readonly observer: EngineObserver
  readonly log: Pick<EventLog, 'firstOf'>
  readonly ids: IdLookup
  readonly onError: (error: unknown) => void
  /** Puts a call into its gate's queue. */
  readonly offer: (stepRun: CallRun) => void
  /** Whether the run must not wait in memory for this system, which is closed. */
  readonly mustLeave: (run: Run, gate: SystemGate) => boolean
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
  /** Its steps are being taken up: one that comes to something at once must not send the run away under the others. */
  #taking: Run | undefined
  readonly #dependencies: Dependencies

  constructor(deps: ProcessesDeps) {
    this.#deps = deps
    const told = {
      goOn: ({ run }: StepRun) => this.#goOn(run),
      failed: (stepRun: StepRun) => this.#failed(stepRun),
    }
    this.#pauses = new Pauses({ ...deps, ...told })
    this.#dependencies = new Dependencies({ ...deps, ...told })
  }

  /** Takes up what may start now; where nothing may and nothing is under way, the run comes to rest. */
  advance(run: Run): void {
    if (run.writes > 0 || !this.#deps.isHead(run)) return
    const obstacle = obstacleOf(run)
    if (obstacle !== undefined) return this.#parkChanged(run, obstacle)
    // What an earlier owner left in doubt is written before this one adds to it: its time is that of the first.
    if (run.steps.some(({ changed, maybeAt, phase }) => changed && maybeAt !== null && phase !== 'active'))
      return this.#write(run)
    if (run.compensating) this.#giveUpForward(run)
    if (this.#linkByHand(run)) return
    const { start, rest } = this.#plan(run)
    this.#taking = run
    const blocked = start.flatMap((place) => this.#take(run.steps[place] as StepRun) ?? [])
    this.#taking = undefined
    if (start.length > blocked.length) this.#goOn(run)
    else if (!isUnderWay(run)) this.#rest(run, rest, blocked)
  }

  /** What a person has given is linked, and the links committed, before anything that follows it starts. */
  #linkByHand(run: Run): boolean {
    const then = () => {
      run.writes--
      this.#goOn(run)
    }
    const failed = (stepRun: StepRun) => this.#failed(stepRun)
    const begun = linkByHand(run, { then, failed, now: () => this.#deps.clock.now() })
    if (begun) run.writes++
    return begun
  }

  /** A call of the run at the head of a lane has been attempted. */
  ended(stepRun: CallRun, report: AttemptReport, verdict: Verdict): void {
    const { outcome, ms } = report
    stepRun.ms = ms
    stepRun.status = outcome.status
    if (outcome.kind === 'succeeded') this.#succeeded(stepRun, report)
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
      // Careful mode wants it in a row first, and holds it again as long as it has none.
      if (hold.waitMs <= 0 && !stepRun.run.hasRow)
        this.#deps.stay(stepRun.run, { state: runState.running }, stepRun)
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
      else if (stepRun.firstAt === null) stepRun.phase = 'pending'
      else this.#become(stepRun, 'waiting')
    }
    this.#write(run)
  }

  /** A call was taken out of its gate's queue before it began, since its system is closed: the run waits in a row that says so. */
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
      if (phase !== 'undoing' || !this.#mayUndo(stepRun)) {
        this.#turn(stepRun)
        return undefined
      }
    } else if (step.definition.when && stepRun.attempts === 0 && phase !== 'waiting') {
      this.#pauses.decide(stepRun, () => {
        if (isCall(stepRun)) this.#callOrLook(stepRun)
        else this.#takePause(stepRun)
      })
      return undefined
    }
    if (!isCall(stepRun)) {
      this.#pauses.take(stepRun)
      return undefined
    }
    const { gate } = stepRun.step
    if (gate.stand === 'closed' && this.#deps.mustLeave(run, gate)) return stepRun
    this.#callOrLook(stepRun)
    return undefined
  }

  #takePause(stepRun: StepRun): void {
    stepRun.phase = 'pending'
    this.#pauses.take(stepRun)
    this.#goOn(stepRun.run)
  }

  #callOrLook(stepRun: CallRun): void {
    if (mustLook(stepRun)) this.#dependencies.look(stepRun, () => this.#call(stepRun))
    else this.#call(stepRun)
  }

  #call(stepRun: CallRun): void {
    stepRun.phase = 'active'
    this.#deps.offer(stepRun)
  }

  /** False for a step without anything to undo, and for one of which nobody can say whether there is. */
  #mayUndo(stepRun: StepRun): boolean {
    const { step, result } = stepRun
    const { definition } = step
    return definition.kind === 'call' && !!definition.undo && (result !== undefined || !!definition.find)
  }

  /** Before it is undone its row says that it will be: so much may be under way when its owner ends, and nothing else. */
  #turn(stepRun: StepRun): void {
    const { step } = stepRun
    stepRun.dueAt = null
    if (this.#mayUndo(stepRun)) {
      beginUndo(stepRun)
      stepRun.dueAt = this.#deps.clock.monotonic()
      this.#become(stepRun, 'undoing')
    } else if (step.definition.kind === 'call' && step.definition.undo) {
      const message = 'its effect may have happened, and without "find" nobody can look: see the system'
      stepRun.trouble = { code: 'step.undo-unknown', message, reason: null }
      this.#become(stepRun, 'undoFailed')
    } else this.#become(stepRun, 'kept')
  }

  /** What has not begun, or is waited for, is not needed any more. */
  #giveUpForward({ steps }: Run): void {
    for (const stepRun of steps) {
      const { phase, maybeAt } = stepRun
      if ((phase !== 'waiting' && phase !== 'retrying') || maybeAt !== null) continue
      stepRun.dueAt = null
      stepRun.trouble = { code: null, message: null, reason: 'its run is compensated' }
      this.#become(stepRun, 'skipped')
    }
  }

  #succeeded(stepRun: CallRun, { value, linked }: AttemptReport): void {
    stepRun.trouble = undefined
    stepRun.maybeAt = null
    stepRun.dueAt = null
    if (stepRun.run.compensating) return this.#become(stepRun, 'undone')
    const result = storableResult(value)
    if ('fault' in result) return this.#unstorable(stepRun, result.code, result.fault)
    if (linked && 'fault' in linked) return this.#unstorable(stepRun, 'step.links-invalid', linked.fault)
    stepRun.result = result.value
    stepRun.given = linked?.links
    this.#become(stepRun, 'done')
  }

  /** Its effect has happened, but what it gave cannot be kept. */
  #unstorable(stepRun: CallRun, code: string, message: string): void {
    stepRun.trouble = { code, message: concealed(stepRun)(message), reason: null }
    stepRun.maybeAt = this.#deps.clock.now()
    this.#failed(stepRun)
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
    if (!this.#deps.isHead(run) || this.#taking === run) return
    const { start, rest } = this.#plan(run)
    if (run.writes === 0 && start.length === 0 && !isUnderWay(run)) return this.#rest(run, rest, [])
    this.#write(run)
    if (run.writes === 0 && start.length > 0) this.advance(run)
  }

  /** Writes what steps have come to, beside a row of their run. */
  save(run: Run): void {
    this.#write(run)
  }

  #write(run: Run): void {
    const now = this.#deps.clock.monotonic()
    const changed = run.steps.filter((stepRun) => stepRun.changed && stepRun.phase !== 'active')
    if (changed.length === 0) return
    this.#deps.flusher.links(changed.flatMap(linkChanges))
    for (const stepRun of changed) {
      stepRun.changed = false
      stepRun.given = undefined
    }
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
    this.#deps.flusher.linkWaits(linkWaits(run))
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
    const { code, message } = failureOf(first)
    this.#deps.flusher.problem(problemRow(systemOf(first), { code, message }))
    run.compensating = true
    // The code that undoes is another than that which may have killed its workers.
    run.crashes = 0
    for (const stepRun of failed) {
      stepRun.dueAt = null
      stepRun.changed = true
    }
    this.#giveUpForward(run)
    for (const place of this.#plan(run).start) this.#turn(run.steps[place] as StepRun)
    // That it only goes back from here on is committed before the first undo.
    this.#deps.stay(run, { state: runState.running }, first)
    this.#write(run)
  }

  #park(run: Run, phase: 'failed' | 'undoFailed'): void {
    this.#write(run)
    const of = troubledStep(run, phase)
    const { dueAt } = of
    const now = this.#deps.clock.monotonic()
    const timed =
      dueAt === null || phase === 'undoFailed'
        ? {}
        : { awaits: 'timer' as const, nextInMs: Math.max(0, dueAt - now) }
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
