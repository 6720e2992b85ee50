import { runState, stepState } from '../../src/journal/port.ts'
import type { MemoryRun, MemoryStep, MemoryStore } from './memory-store.ts'

/** What a person does to a step; see act_on_step in 0020-step-acts.sql. */
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

const { waiting, retrying, failed, undoing, undoFailed, done, skipped, kept } = stepState

/** What becomes of the step; `doubt`: it may have had its effect. */
function becomes({ verb }: MemoryStepAct, run: MemoryRun, known: MemoryStep | undefined, doubt: boolean) {
  const goesBack = run.compensating && (known?.state === undoing || known?.state === undoFailed)
  switch (verb) {
    case 'result':
      return goesBack ? undoing : done
    case 'skip':
      return goesBack || (run.compensating && (known?.state === done || doubt)) ? kept : skipped
    case 'approve':
      return done
    case 'refuse':
      return failed
  }
}

/** Why it does not fit; see step_act_refusal. */
function refusalOf({ verb }: MemoryStepAct, run: MemoryRun, known: MemoryStep | undefined) {
  if (run.state >= runState.succeeded) return 'ended'
  if (run.state === runState.running) return 'running'
  if (verb === 'approve' || verb === 'refuse') {
    if (run.compensating) return 'compensating'
    const late = known?.state === failed && ['step.timed-out', 'step.refused'].includes(known.code ?? '')
    return known?.state === waiting || (verb === 'approve' && late) ? undefined : 'not-waiting'
  }
  const state = known?.state ?? 0
  if (!run.compensating) return state >= done ? 'done-already' : undefined
  if (state > done) return 'done-already'
  return verb === 'result' && known?.result !== null && known !== undefined ? 'result-known' : undefined
}

/** 'done', or why not. */
export function actOnStep(store: MemoryStore, act: MemoryStepAct, now: number): string {
  const { flow, seq, gen, step, verb, actor = 'tester' } = act
  const run = store.run(flow, seq, gen)
  if (!run) return 'absent'
  const id = `${flow}/${seq}/${gen}`
  const steps = store.steps.get(id) ?? new Map<string, MemoryStep>()
  const known = steps.get(step)
  const why = refusalOf(act, run, known)
  if (why !== undefined) return why
  const state = becomes(act, run, known, (known?.maybeAt ?? run.maybeAt) !== null)
  store.steps.set(id, steps)
  const refused = verb === 'refuse'
  steps.set(step, {
    ...(known ?? { ...nothing, step }),
    state,
    result: state === kept ? (known?.result ?? null) : (act.data ?? null),
    maybeAt: null,
    nextAt: null,
    code: refused ? 'step.refused' : null,
    message: refused ? `refused by ${actor}` : null,
    reason: null,
    ...{ tries: 0, throttles: 0, conflicts: 0 },
  })
  // One that waits for its turn, or for numbers before its own, goes on waiting.
  const goesOn = run.state === runState.waiting ? runState.waiting : runState.retrying
  if (run.awaits !== 'gap')
    store.change(run, {
      ...{ state: goesOn, system: 0, holds: true, nextAt: now, awaits: null, reason: null, crashes: 0 },
    })
  store.settle(run.group as string, run.key as string, now)
  return 'done'
}

/** What failed is tried again with full budgets; see retry_steps. */
export function retrySteps(steps: Map<string, MemoryStep>): void {
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

/** A plain success has no lane in its row: the event and the flow know it; the act that opens it again writes it. */
export function lockRun(store: MemoryStore, run: MemoryRun): void {
  if (run.group !== null) return
  const flow = store.flow(run.flow)
  const event = store.places.get(run.seq)
  if (!flow || !event) return
  const [, , , , ordering] = JSON.parse(flow.declaration) as readonly unknown[]
  const key = ordering !== 'none' && event.key !== null ? event.key : `#${run.flow}:${run.seq}`
  store.change(run, { group: flow.group, ord: flow.ord, khash: event.khash, lord: run.seq, key })
}
