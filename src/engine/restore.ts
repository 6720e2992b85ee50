import type { KnownStep } from '../journal/port.ts'
import { stepState } from '../journal/port.ts'
import type { StepPhase } from './plan.ts'
import type { Run, StepRun } from './run.ts'
import { asProcess, changedStep, markPassed } from './versions.ts'

const phases: Readonly<Record<number, StepPhase>> = {
  [stepState.waiting]: 'waiting',
  [stepState.retrying]: 'retrying',
  [stepState.failed]: 'failed',
  [stepState.undoing]: 'undoing',
  [stepState.undoFailed]: 'undoFailed',
  [stepState.done]: 'done',
  [stepState.skipped]: 'skipped',
  [stepState.undone]: 'undone',
  [stepState.kept]: 'kept',
}

/** Brings a run's steps to where the journal knows them; `now` is monotonic. */
export function restoreSteps(run: Run, known: readonly KnownStep[], now: number): void {
  if (known.length === 0) return
  run.flow = asProcess(run.flow)
  for (const row of known) {
    const stepRun = run.steps.find(({ step }) => step.definition.name === row.step)
    if (stepRun) restoreStep(stepRun, row, now)
    else run.unknownSteps.push(row.step)
    const changed = stepRun && changedStep(stepRun, row)
    if (changed) run.changedSteps = [...run.changedSteps, changed]
  }
  markPassed(run, known)
}

function restoreStep(stepRun: StepRun, row: KnownStep, now: number): void {
  const { tries, attempts, throttles, conflicts, firstAt, maybeAt, ms, status, keyNo, input } = row
  const { code, message, reason } = row
  Object.assign(stepRun, {
    tries,
    attempts,
    throttles,
    conflicts,
    firstAt,
    maybeAt,
    ms,
    status,
    keyNo,
    input,
  })
  const phase = phases[row.state] ?? 'pending'
  // A person has edited it before its turn: it has not begun.
  const isUnbegun = phase === 'retrying' && attempts === 0 && maybeAt === null && input !== null
  stepRun.phase = isUnbegun ? 'pending' : phase
  const goesOn = stepRun.phase === 'retrying' || stepRun.phase === 'undoing'
  stepRun.dueAt = row.nextInMs === null ? (goesOn ? now : null) : now + row.nextInMs
  if (row.result !== null) {
    stepRun.result = JSON.parse(row.result) as unknown
    Object.assign(stepRun, { storedResult: { value: stepRun.result, text: row.result } })
  }
  stepRun.trouble = code === null && reason === null ? undefined : { code, message, reason }
  const { onFailure } = stepRun.run.flow
  if (
    stepRun.phase === 'failed' &&
    stepRun.dueAt === null &&
    !stepRun.run.compensating &&
    onFailure.kind === 'compensate'
  ) {
    // A person has refused it: it failed just now.
    stepRun.dueAt = now + onFailure.afterMs
    stepRun.changed = true
  }
  // What it waits for may have come meanwhile.
  const { definition } = stepRun.step
  stepRun.woken = stepRun.phase === 'waiting' && (definition.kind === 'waitFor' || definition.kind === 'call')
  // An owner counts the try that succeeded; a person does not try.
  const byHand = stepRun.phase === 'done' && tries === 0
  if (byHand && definition.kind === 'call' && definition.links) stepRun.given = 'by-hand'
}

/** An earlier owner may have been at work on the run when it ended: on whatever could have been under way. */
export function doubtSteps(run: Run, doubt: { readonly sentBy: number; readonly since: number }): void {
  for (const stepRun of run.steps) {
    if (!couldBeUnderWay(run, stepRun)) continue
    // It may have been tried again since it was last known to be in doubt.
    stepRun.maybeAt = Math.max(stepRun.maybeAt ?? 0, doubt.sentBy)
    stepRun.firstAt ??= doubt.since
    stepRun.changed = true
  }
}

function couldBeUnderWay(run: Run, { step, phase }: StepRun): boolean {
  if (step.definition.kind !== 'call') return false
  if (phase === 'undoing') return true
  // Turned round by its owner, nothing went forward any more; by a person, what had been under way may not be known yet.
  // One that waits for an id may have got it, and begun, without a word in its row.
  if (phase !== 'pending' && phase !== 'retrying' && phase !== 'waiting') return false
  if (run.compensating && run.steps.some(goesBack)) return false
  return step.after.every((place) => {
    const before = run.steps[place]?.phase
    return before === 'done' || before === 'skipped'
  })
}

function goesBack({ phase }: StepRun): boolean {
  return phase === 'undoing' || phase === 'undone' || phase === 'kept' || phase === 'undoFailed'
}
