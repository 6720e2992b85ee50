/** What a multi-step run does next: pure, total, and the only place that knows the rules of the graph. */

/**
 * What a step has come to.
 *
 * forward: pending → (active) → done | skipped | failed, by way of retrying (a call that is tried again) or waiting (for
 * time, an event, a person). Compensation: done → undoing → undone | kept (has nothing to undo) | undoFailed.
 */
export type StepPhase =
  | 'pending'
  | 'active'
  | 'retrying'
  | 'waiting'
  | 'done'
  | 'skipped'
  | 'failed'
  | 'undoing'
  | 'undone'
  | 'kept'
  | 'undoFailed'

/** A step as the plan sees it. */
export interface PlannedStep {
  /** Places of the steps that must have ended before it; all lower than its own. */
  readonly after: readonly number[]
  readonly phase: StepPhase
  /** Retrying, waiting or undoing: its time has come. */
  readonly due: boolean
  /** Its effect may have happened although nobody knows. */
  readonly maybe: boolean
}

/** What is to be done now. */
export interface Plan {
  /** Steps to take up, forward or (when the run is compensating) to undo; none of them is active. */
  readonly start: readonly number[]
  /**
   * What the run comes to once `start` is empty and nothing is active. `compensate`: from now on it only goes back.
   * `later`: something is retried or waited for. `stuck`: an undo has failed for good.
   */
  readonly rest: 'active' | 'later' | 'succeeded' | 'failed' | 'compensated' | 'stuck'
}

/** The plan of a run. `compensating` runs never start a forward step. */
export function plan(steps: readonly PlannedStep[], compensating: boolean): Plan {
  return compensating ? planBack(steps) : planForward(steps)
}

function planForward(steps: readonly PlannedStep[]): Plan {
  const active = steps.some(({ phase }) => phase === 'active')
  // After a final failure those in flight end, and nothing new begins.
  if (steps.some(({ phase }) => phase === 'failed')) return { start: [], rest: active ? 'active' : 'failed' }
  const start = placesOf(
    steps,
    (step) => mayStart(step) && step.after.every((place) => isBehind(steps[place])),
  )
  if (active) return { start, rest: 'active' }
  if (steps.every(isBehind)) return { start, rest: 'succeeded' }
  return { start, rest: start.length > 0 ? 'active' : 'later' }
}

function mayStart({ phase, due }: PlannedStep): boolean {
  return phase === 'pending' || ((phase === 'retrying' || phase === 'waiting') && due)
}

/** Its dependents may start. */
function isBehind(step: PlannedStep | undefined): boolean {
  return step?.phase === 'done' || step?.phase === 'skipped'
}

function planBack(steps: readonly PlannedStep[]): Plan {
  const active = steps.some(({ phase }) => phase === 'active')
  const dependents = dependentsOf(steps)
  const isLast = (place: number) => (dependents[place] ?? []).every((other) => isUndone(steps[other]))
  const start = placesOf(
    steps,
    (step, place) => (toUndo(step) || (step.phase === 'undoing' && step.due)) && isLast(place),
  )
  if (active) return { start, rest: 'active' }
  if (start.length > 0) return { start, rest: 'active' }
  if (steps.some(({ phase }, place) => phase === 'undoing' && isLast(place))) return { start, rest: 'later' }
  return { start, rest: steps.some(({ phase }) => phase === 'undoFailed') ? 'stuck' : 'compensated' }
}

/** It has had an effect, or may have had one, that is not looked after yet. */
function toUndo({ phase, maybe }: PlannedStep): boolean {
  return (
    phase === 'done' ||
    (maybe && (phase === 'failed' || phase === 'retrying' || phase === 'waiting' || phase === 'pending'))
  )
}

/** Nothing of it is left to be undone. */
function isUndone(step: PlannedStep | undefined): boolean {
  if (!step || toUndo(step)) return false
  return step.phase !== 'active' && step.phase !== 'undoing' && step.phase !== 'undoFailed'
}

/** By step, all that began because of it, directly or not. */
function dependentsOf(steps: readonly PlannedStep[]): number[][] {
  const dependents: number[][] = steps.map(() => [])
  for (let place = steps.length - 1; place >= 0; place--)
    for (const before of steps[place]?.after ?? [])
      dependents[before] = [...new Set([...(dependents[before] ?? []), place, ...(dependents[place] ?? [])])]
  return dependents
}

function placesOf(
  steps: readonly PlannedStep[],
  matches: (step: PlannedStep, place: number) => boolean,
): number[] {
  return steps.flatMap((step, place) => (matches(step, place) ? [place] : []))
}
