import { runState, stepState } from '../../src/journal/port.ts'
import type { MemoryRun, MemoryStep, MemoryStore } from './memory-store.ts'

/** What a person does to a step; see act_on_step in 0009-steps.sql. */
export interface MemoryStepAct {
  readonly flow: number
  readonly seq: number
  readonly gen: number
  readonly step: string
  readonly verb: 'approve' | 'refuse' | 'result' | 'skip'
  /** What it gave, JSON text. */
  readonly data?: string
  readonly actor?: string
}

const nothing = {
  began: null,
  tries: 0,
  attempts: 0,
  throttles: 0,
  conflicts: 0,
  keyNo: 0,
  firstAt: null,
  ms: null,
  status: null,
  input: null,
}

const becomes = {
  approve: stepState.done,
  result: stepState.done,
  skip: stepState.skipped,
  refuse: stepState.failed,
} as const

/** 'done', or why not. */
export function actOnStep(store: MemoryStore, act: MemoryStepAct, now: number): string {
  const { flow, seq, gen, step, verb, actor = 'tester' } = act
  const run = store.run(flow, seq, gen)
  if (!run) return 'absent'
  if (run.state >= runState.succeeded) return 'ended'
  if (run.state === runState.running) return 'running'
  if (run.compensating) return 'compensating'
  const id = `${flow}/${seq}/${gen}`
  const steps = store.steps.get(id) ?? new Map<string, MemoryStep>()
  const known = steps.get(step)
  const decides = verb === 'approve' || verb === 'refuse'
  if (decides && known?.state !== stepState.waiting) return 'not-waiting'
  if (!decides && (known?.state ?? 0) >= stepState.done) return 'done-already'
  store.steps.set(id, steps)
  const refused = verb === 'refuse'
  steps.set(step, {
    ...(known ?? { ...nothing, step }),
    state: becomes[verb],
    result: act.data ?? null,
    maybeAt: null,
    nextAt: null,
    code: refused ? 'step.refused' : null,
    message: refused ? `refused by ${actor}` : null,
    reason: null,
    ...{ tries: 0, throttles: 0, conflicts: 0 },
  })
  store.change(run, {
    ...{ state: runState.retrying, holds: true, nextAt: now, awaits: null, reason: null, crashes: 0 },
  })
  store.settle(run.group as string, run.key as string, now)
  return 'done'
}

/** What failed is tried again with full budgets; see retry_steps. */
export function retrySteps(steps: Map<string, MemoryStep>): void {
  const { failed, retrying, undoFailed, undoing } = stepState
  const next = new Map<number, MemoryStep['state']>([
    [retrying, retrying],
    [failed, retrying],
    [undoing, undoing],
    [undoFailed, undoing],
  ])
  for (const [name, row] of steps) {
    const state = next.get(row.state)
    if (state === undefined) continue
    steps.set(name, { ...row, state, nextAt: null, tries: 0, throttles: 0, conflicts: 0 })
  }
}

/** A plain success has no lane in its row: the event and the flow know it; see lock_run. */
export function lockRun(store: MemoryStore, run: MemoryRun): void {
  if (run.group !== null) return
  const flow = store.flow(run.flow)
  const event = store.places.get(run.seq)
  if (!flow || !event) return
  const [, , , , ordering] = JSON.parse(flow.declaration) as readonly unknown[]
  const key = ordering !== 'none' && event.key !== null ? event.key : `#${run.flow}:${run.seq}`
  store.change(run, { group: flow.group, ord: flow.ord, khash: event.khash, lord: run.seq, key })
}
