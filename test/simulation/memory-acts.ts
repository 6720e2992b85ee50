import type { StepState } from '../../src/journal/port.ts'
import { runState, stepState } from '../../src/journal/port.ts'
import type { RunAct, RunActResult } from '../../src/testing/journal-under-test.ts'
import type { MemoryRun, MemoryStore } from './memory-store.ts'

const { waiting, retrying, parked, succeeded, skipped } = runState

/** What a person may do to a run; see act_on_run in 0006-acts.sql. */
export function actOnRun(store: MemoryStore, act: RunAct, now: number): RunActResult {
  const { flow, seq, gen = 0, verb, actor = 'tester', reason = '' } = act
  const run = store.run(flow, seq, gen)
  if (!run) return { result: 'absent', before: null, after: null }
  const before = run.state
  if (before >= succeeded) return { result: 'ended', before, after: null }
  const change = changeBy(run, { verb, reason, now })
  if (!change) return { result: 'refused', before, after: before }
  store.change(run, change)
  if (verb === 'retry') retrySteps(store, run)
  store.settle(run.group as string, run.key as string, now)
  const object = `run ${store.flow(flow)?.name}/${seq}${gen === 0 ? '' : `/${gen}`}`
  store.audit.push({ actor, verb, object, reason })
  return { result: 'done', before, after: run.state }
}

function changeBy(
  run: MemoryRun,
  { verb, reason, now }: { readonly verb: RunAct['verb']; readonly reason: string; readonly now: number },
): Partial<MemoryRun> | undefined {
  const is = (...states: readonly number[]) => states.includes(run.state)
  if (verb === 'skip' && is(waiting, retrying, parked))
    return { state: skipped, endedAt: now, reason, nextAt: null }
  if (verb !== 'retry' || !is(retrying, parked)) return undefined
  const anew = { throttles: 0, conflicts: 0, crashes: 0, reason: null }
  return { state: retrying, holds: true, nextAt: now, tries: is(parked) ? 0 : run.tries, ...anew }
}

/** What failed is tried again with full budgets; see retry_steps in 0009-steps.sql. */
function retrySteps(store: MemoryStore, { flow, seq, gen }: MemoryRun): void {
  const { retrying, failed, undoing, undoFailed } = stepState
  const again = new Map<StepState, StepState>([
    [retrying, retrying],
    [failed, retrying],
    [undoing, undoing],
    [undoFailed, undoing],
  ])
  const steps = store.steps.get(`${flow}/${seq}/${gen}`)
  for (const [name, step] of steps ?? []) {
    const state = again.get(step.state)
    if (state !== undefined)
      steps?.set(name, { ...step, state, nextAt: null, tries: 0, throttles: 0, conflicts: 0 })
  }
}

/** Pauses or resumes a system or a lane group; whether there is one of that name. */
export function setPaused(
  store: MemoryStore,
  {
    kind,
    name,
    paused,
  }: { readonly kind: 'system' | 'group'; readonly name: string; readonly paused: boolean },
): boolean {
  const system = kind === 'system' ? store.systems.find((each) => each.name === name) : undefined
  const parts = kind === 'group' ? (store.groups.get(name)?.parts ?? []) : []
  for (const part of parts) part.paused = paused
  if (system) {
    system.paused = paused
    system.version++
  }
  const found = system !== undefined || parts.length > 0
  if (found)
    store.audit.push({
      actor: 'tester',
      verb: paused ? 'pause' : 'resume',
      object: `${kind} ${name}`,
      reason: null,
    })
  return found
}
