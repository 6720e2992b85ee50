import type { EventLog } from '../journal/port.ts'
import { busEvent } from './bus-event.ts'
import type { Clock } from './clock.ts'
import { sleep } from './clock.ts'
import { concealed } from './conceal-run.ts'
import { failedOutcome } from './outcome.ts'
import type { StepRun } from './run.ts'
import { resultsOf } from './run.ts'
import { seenEvent } from './seen-event.ts'
import { storableResult } from './step-result.ts'

/** What the steps that call nobody need. */
export interface PausesDeps {
  readonly clock: Clock
  readonly log: Pick<EventLog, 'firstOf'>
  /** The step has come to something: its run goes on. */
  readonly goOn: (stepRun: StepRun) => void
  /** The step has failed for good; `goOn` follows. */
  readonly failed: (stepRun: StepRun) => void
  readonly onError: (error: unknown) => void
}

/** Pauses, waits for events and persons, and conditions: what a run does without calling a system. */
export class Pauses {
  readonly #deps: PausesDeps

  constructor(deps: PausesDeps) {
    this.#deps = deps
  }

  /** Begins a wait, or looks whether it is over. */
  take(stepRun: StepRun): void {
    // 'retrying': a person wants one that had run out, or was refused, to wait anew.
    if (stepRun.phase === 'pending' || stepRun.phase === 'retrying') this.#begin(stepRun)
    const { definition } = stepRun.step
    if (definition.kind === 'waitFor') void this.#look(stepRun)
    else if (stepRun.dueAt === null || stepRun.dueAt > this.#deps.clock.monotonic())
      change(stepRun, 'waiting')
    else if (definition.kind === 'wait') this.#end(stepRun, null)
    else this.#timedOut(stepRun)
  }

  /** Whether a step is needed at all: `then` if it is, otherwise it is skipped. */
  decide(stepRun: StepRun, then: () => void): void {
    hold(stepRun)
    void this.#isNeeded(stepRun).then(
      (needed) => {
        if (!isHeld(stepRun)) return
        stepRun.place = 'idle'
        if (needed) return then()
        stepRun.trouble = { code: null, message: null, reason: 'its condition says no' }
        // As it said before, if it was asked: nothing was sent.
        stepRun.maybeAt = null
        change(stepRun, 'skipped')
        this.#deps.goOn(stepRun)
      },
      (error: unknown) => {
        if (!isHeld(stepRun)) return
        stepRun.place = 'idle'
        const outcome = failedOutcome(error, {
          sent: 0,
          timedOut: false,
          readOnly: true,
          conceal: concealed(stepRun),
        })
        const message = outcome.kind === 'failed' ? outcome.message : ''
        stepRun.trouble = {
          code: 'step.when-failed',
          message: `its condition failed: ${message}`,
          reason: null,
        }
        this.#deps.failed(stepRun)
        this.#deps.goOn(stepRun)
      },
    )
  }

  async #isNeeded(stepRun: StepRun): Promise<boolean> {
    const event = await seenEvent(stepRun)
    const facts = { event: event as never, results: resultsOf(stepRun) }
    return stepRun.step.definition.when?.(facts) ?? true
  }

  #begin(stepRun: StepRun): void {
    const { clock } = this.#deps
    const { definition } = stepRun.step
    const limitMs =
      definition.kind === 'wait'
        ? definition.forMs
        : definition.kind === 'call'
          ? undefined
          : definition.timeoutMs
    stepRun.firstAt = clock.now()
    stepRun.dueAt = limitMs === undefined ? null : clock.monotonic() + limitMs
  }

  /** Looks into the log, again as long as something comes in meanwhile. */
  async #look(stepRun: StepRun): Promise<void> {
    const { clock, log, onError, goOn } = this.#deps
    const { run, step } = stepRun
    if (step.definition.kind !== 'waitFor') return
    const { key, seq } = run.event
    const { contract, since } = step.definition
    hold(stepRun)
    for (;;) {
      stepRun.woken = false
      try {
        const query = { types: [contract.type], after: since === 'ever' ? 0 : seq }
        const found = await (key === null ? undefined : log.firstOf({ key, ...query }))
        if (!isHeld(stepRun)) return
        if (found) {
          const result = storableResult(await busEvent(found, contract))
          stepRun.place = 'idle'
          if ('fault' in result) this.#fail(stepRun, result.code, result.fault)
          else this.#end(stepRun, result.value)
          break
        }
        if (stepRun.woken) continue
        stepRun.place = 'idle'
        if (stepRun.dueAt !== null && stepRun.dueAt <= clock.monotonic()) this.#timedOut(stepRun)
        else change(stepRun, 'waiting')
        break
      } catch (error) {
        onError(error)
        await sleep(clock, 200)
        if (!isHeld(stepRun)) return
      }
    }
    goOn(stepRun)
  }

  #end(stepRun: StepRun, result: unknown): void {
    stepRun.result = result
    stepRun.trouble = undefined
    stepRun.dueAt = null
    change(stepRun, 'done')
  }

  #timedOut(stepRun: StepRun): void {
    const { definition } = stepRun.step
    if (definition.kind !== 'waitFor' && definition.kind !== 'approve') return
    stepRun.dueAt = null
    if (definition.onTimeout !== 'continue')
      return this.#fail(stepRun, 'step.timed-out', 'what it waited for has not come in time')
    stepRun.trouble = { code: null, message: null, reason: 'what it waited for has not come in time' }
    change(stepRun, 'skipped')
  }

  #fail(stepRun: StepRun, code: string, message: string): void {
    stepRun.trouble = { code, message, reason: null }
    this.#deps.failed(stepRun)
  }
}

/** It is under way, though not in a system: nothing else begins for it. */
export function hold(stepRun: StepRun): void {
  stepRun.phase = 'active'
  stepRun.place = 'active'
}

/** Nothing has taken it out of the hand that holds it. */
export function isHeld({ phase, place }: StepRun): boolean {
  return phase === 'active' && place === 'active'
}

/** It has come to this, and its row does not say so yet. */
export function change(stepRun: StepRun, phase: StepRun['phase']): void {
  stepRun.phase = phase
  stepRun.changed = true
}
