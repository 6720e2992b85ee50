import type { Awaits, LinkWait } from '../journal/port.ts'
import { runState } from '../journal/port.ts'
import type { RowChange } from './rows.ts'
import type { CallRun, Run, StepRun } from './run.ts'

/** The row of a run that goes on later, and the step that says so: the one that comes first. `now` is monotonic. */
export function restChange(
  run: Run,
  blocked: readonly CallRun[],
  now: number,
): { readonly change: RowChange; readonly of: StepRun } {
  const awaits = awaited(run)
  const waits = awaits && { awaits }
  const [closed] = blocked
  if (closed)
    return {
      of: closed,
      change: {
        state: runState.waiting,
        reason: `waits for ${closed.step.gate.name}`,
        ...(waits && { ...waits, nextInMs: 0 }),
      },
    }
  const [of = run.steps[0] as StepRun] = run.steps
    .filter(({ phase }) => phase === 'retrying' || phase === 'undoing' || phase === 'waiting')
    .sort((one, other) => (one.dueAt ?? Infinity) - (other.dueAt ?? Infinity))
  const due = of.dueAt !== null && { nextInMs: Math.max(0, of.dueAt - now) }
  if (of.phase === 'waiting')
    return { of, change: { state: runState.waiting, reason: waitWords(of), ...waits, ...due } }
  const { code, message, reason } = of.trouble ?? {}
  return {
    of,
    change: {
      state: runState.retrying,
      ...waits,
      ...due,
      ...(code && { code, message: message ?? '' }),
      ...(reason && { reason }),
      ...(of.ms !== null && { ms: of.ms }),
      ...(of.status !== null && { status: of.status }),
    },
  }
}

/** What can wake the run before its time. */
function awaited({ steps }: Run): Awaits | undefined {
  const waiting = steps.filter(({ phase }) => phase === 'waiting').map(({ step }) => step.definition.kind)
  // A link wakes the run whatever the row says; an event of its key only if it says so.
  if (waiting.includes('waitFor')) return 'signal'
  if (waiting.includes('approve')) return 'approval'
  if (waiting.includes('call')) return 'link'
  return waiting.includes('wait') ? 'timer' : undefined
}

function waitWords({ step: { definition }, trouble }: StepRun): string {
  switch (definition.kind) {
    case 'call':
      return trouble?.reason ?? 'waits for the id of another object'
    case 'waitFor':
      return `waits for an event "${definition.contract.type}" of its key`
    case 'approve':
      return `waits for the approval of a ${definition.role}`
    default:
      return 'waits as long as its flow says'
  }
}

/** The cross-references that a run waits for, each to be written with its lane. */
export function linkWaits({ key, steps }: Run): LinkWait[] {
  const waiting = steps.filter(({ phase }) => phase === 'waiting')
  return waiting.flatMap(({ missing }) => missing?.map((reference) => ({ key, ...reference })) ?? [])
}

/** The step that a parked run speaks of: the first that failed. */
export function troubledStep(run: Run, phase: 'failed' | 'undoFailed'): StepRun {
  return run.steps.find((stepRun) => stepRun.phase === phase) ?? (run.steps[0] as StepRun)
}
