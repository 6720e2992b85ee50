import type { IdReference } from '../define/link.ts'
import { idReference } from '../define/link.ts'
import type { Clock } from './clock.ts'
import type { IdLookup } from './id-lookup.ts'
import { concealed } from './conceal-run.ts'
import { failedOutcome } from './outcome.ts'
import { change, hold, isHeld } from './pauses.ts'
import type { CallRun, Run, StepRun } from './run.ts'
import { resultsOf } from './run.ts'
import { seenEvent } from './seen-event.ts'
import { linksOf } from './step-links.ts'

/** What waiting for cross-references needs. */
export interface DependenciesDeps {
  readonly clock: Clock
  readonly ids: IdLookup
  /** The step has come to something: its run goes on. */
  readonly goOn: (stepRun: StepRun) => void
  /** The step has failed for good; `goOn` follows. */
  readonly failed: (stepRun: StepRun) => void
}

/** Whether the step has to look for ids before it is called. Once it was attempted, they were there. */
export function mustLook({ step, attempts, missing, run }: CallRun): boolean {
  const isKnown = attempts > 0 || missing?.length === 0
  return step.definition.dependsOn !== undefined && !isKnown && !run.compensating
}

/** Steps that need the ids of other objects: they wait in a row until those are there, or their time is up. */
export class Dependencies {
  readonly #deps: DependenciesDeps

  constructor(deps: DependenciesDeps) {
    this.#deps = deps
  }

  /** Looks whether all that the step needs is there: `then` if it is, otherwise the step waits. */
  look(stepRun: CallRun, then: () => void): void {
    const { clock, failed, goOn } = this.#deps
    const goesOnWaiting = stepRun.phase === 'waiting'
    hold(stepRun)
    stepRun.woken = false
    void this.#missing(stepRun).then(
      (missing) => {
        if (!isHeld(stepRun)) return
        stepRun.place = 'idle'
        stepRun.missing = missing
        if (missing.length === 0) {
          stepRun.trouble = undefined
          stepRun.dueAt = null
          return then()
        }
        const now = clock.monotonic()
        if (!goesOnWaiting) stepRun.dueAt = now + stepRun.step.definition.dependsWithinMs
        if (stepRun.dueAt !== null && stepRun.dueAt <= now) this.#fail(stepRun, missing)
        else {
          stepRun.trouble = { code: null, message: null, reason: `waits for ${wordsOf(missing)}` }
          change(stepRun, 'waiting')
        }
        goOn(stepRun)
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
        const message = `its "dependsOn" failed: ${outcome.kind === 'failed' ? outcome.message : ''}`
        stepRun.trouble = { code: 'step.depends-failed', message, reason: null }
        failed(stepRun)
        goOn(stepRun)
      },
    )
  }

  async #missing(stepRun: CallRun): Promise<readonly IdReference[]> {
    const event = await seenEvent(stepRun)
    const facts = { event: event as never, results: resultsOf(stepRun), ids: idReference }
    const answer = stepRun.step.definition.dependsOn?.(facts)
    const references = [answer ?? []].flat().filter((reference) => reference !== undefined)
    // What was written by hand is checked like what `ids` has made.
    return this.#deps.ids.missing(references.map(({ kind, id, system }) => idReference(kind, id, system)))
  }

  #fail(stepRun: CallRun, missing: readonly IdReference[]): void {
    stepRun.missing = undefined
    stepRun.trouble = {
      code: 'step.dependency-missing',
      message: `${wordsOf(missing)} has not come in time`,
      reason: null,
    }
    this.#deps.failed(stepRun)
  }
}

/** What is missing, for people: `the id of customer C-7 in erp`. */
function wordsOf(missing: readonly IdReference[]): string {
  const [first] = missing
  if (!first) return 'nothing'
  const one = `the id of ${first.kind} ${first.id} in ${first.system}`
  return missing.length === 1 ? one : `${one} and ${missing.length - 1} more`
}

/**
 * Makes the links of results that a person has given: their owner sees them when the run goes on. Whether there were
 * any; `then` follows, each step with its links or failed.
 */
export function linkByHand(
  run: Run,
  { then, failed, now }: { then: () => void; failed: (stepRun: StepRun) => void; now: () => number },
): boolean {
  const byHand = run.compensating ? [] : run.steps.filter(({ given }) => given === 'by-hand')
  if (byHand.length === 0) return false
  void Promise.all(byHand.map((stepRun) => linkOne(stepRun, { failed, now }))).then(then)
  return true
}

async function linkOne(
  stepRun: StepRun,
  { failed, now }: { failed: (stepRun: StepRun) => void; now: () => number },
): Promise<void> {
  const { definition } = stepRun.step
  if (definition.kind !== 'call') return
  const linked = await Promise.resolve(stepRun)
    .then(seenEvent)
    .then(
      (event) => linksOf(definition, stepRun.result, { event, results: resultsOf(stepRun) }),
      (error: unknown) => ({ fault: error instanceof Error ? error.message : String(error) }),
    )
  stepRun.given = linked && 'links' in linked ? linked.links : undefined
  stepRun.changed = true
  if (!linked || 'links' in linked) return
  stepRun.trouble = { code: 'step.links-invalid', message: concealed(stepRun)(linked.fault), reason: null }
  stepRun.maybeAt = now()
  failed(stepRun)
}
