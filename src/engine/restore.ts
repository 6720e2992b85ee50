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
  stepRun.phase = phases[row.state] ?? 'pending'
  const goesOn = stepRun.phase === 'retrying' || stepRun.phase === 'undoing'
  stepRun.dueAt = row.nextInMs === null ? (goesOn ? now : null) : now + row.nextInMs
  stepRun.result = row.result === null ? undefined : (JSON.parse(row.result) as unknown)
  stepRun.trouble = code === null && reason === null ? undefined : { code, message, reason }
  // What it waits for may have come meanwhile.
  stepRun.woken = stepRun.phase === 'waiting' && stepRun.step.definition.kind === 'waitFor'
}

/** An earlier owner may have been at work on the run when it ended: on whatever could have been under way. */
export function doubtSteps(run: Run, doubt: { readonly sentBy: number; readonly since: number }): void {
  for (const stepRun of run.steps) {
    if (!couldBeUnderWay(run, stepRun)) continue
    stepRun.changed ||= stepRun.maybeAt === null
    stepRun.maybeAt ??= doubt.sentBy
    stepRun.firstAt ??= doubt.since
  }
}

function couldBeUnderWay(run: Run, { step, phase }: StepRun): boolean {
  if (step.definition.kind !== 'call') return false
  if (run.compensating) return phase === 'done' || phase === 'undoing'
  if (phase !== 'pending' && phase !== 'retrying') return false
  return step.after.every((place) => {
    const before = run.steps[place]?.phase
    return before === 'done' || before === 'skipped'
  })
}
