import { runState } from '../../src/journal/port.ts'
import type { RunAct, RunActResult } from '../../src/testing/journal-under-test.ts'
import { actOnSequence } from './memory-sequences.ts'
import { lockRun, retrySteps } from './memory-step-acts.ts'
import type { MemoryRun, MemoryStore } from './memory-store.ts'

const { waiting, retrying, parked, succeeded, skipped } = runState

/** What a person does to a run. */
export type MemoryAct = Omit<RunAct, 'verb'> & { readonly verb: RunAct['verb'] | 'compensate' }

/** What a person may do to a run; see act_on_run in 0020-step-acts.sql. */
export function actOnRun(store: MemoryStore, act: MemoryAct, now: number): RunActResult {
  const { flow, seq, gen = 0, verb, actor = 'tester', reason = '' } = act
  const run = store.run(flow, seq, gen)
  if (!run) return { result: 'absent', before: null, after: null }
  const before = run.state
  if (before >= succeeded && !(verb === 'compensate' && before === succeeded))
    return { result: 'ended', before, after: null }
  const steps = store.steps.get(`${flow}/${seq}/${gen}`)
  const change = changeBy(run, { verb, reason, now, hasSteps: steps !== undefined })
  if (!change) return { result: 'refused', before, after: before }
  const asItWas = { ...run }
  lockRun(store, run)
  if (verb === 'retry' && steps) retrySteps(steps)
  store.change(run, change)
  actOnSequence(store, asItWas, verb)
  store.settle(run.group as string, run.key as string, now)
  const object = `run ${store.flow(flow)?.name}/${seq}${gen === 0 ? '' : `/${gen}`}`
  store.audit.push({ actor, verb, object, reason })
  return { result: 'done', before, after: run.state }
}

function changeBy(
  run: MemoryRun,
  {
    verb,
    reason,
    now,
    hasSteps,
  }: {
    readonly verb: MemoryAct['verb']
    readonly reason: string
    readonly now: number
    readonly hasSteps: boolean
  },
): Partial<MemoryRun> | undefined {
  const is = (...states: readonly number[]) => states.includes(run.state)
  if (verb === 'compensate' && is(waiting, retrying, parked, succeeded) && !run.compensating && hasSteps) {
    const anew = { tries: 0, throttles: 0, conflicts: 0, crashes: 0, code: null, message: null, fp: null }
    const due = { state: retrying, holds: true, endedAt: null, nextAt: now, awaits: null }
    return { ...anew, ...due, compensating: true, reason }
  }
  if (verb === 'skip' && is(waiting, retrying, parked))
    return { state: skipped, endedAt: now, reason, nextAt: null, awaits: null }
  const atGap = run.awaits === 'gap' && is(waiting)
  if (verb !== 'retry' || !(is(retrying, parked) || atGap)) return undefined
  const anew = { throttles: 0, conflicts: 0, crashes: 0, reason: null, awaits: null }
  return { state: retrying, holds: true, nextAt: now, tries: is(parked) ? 0 : run.tries, ...anew }
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
