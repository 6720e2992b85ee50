import { runState, stepState } from '../../src/journal/port.ts'
import type { JournalSnapshot, SnapshotRun, SnapshotStep } from '../../src/testing/journal-snapshot.ts'
import type { MemoryStore } from './memory-store.ts'
import type { FlowPlan } from './plan.ts'
import type { CallPlan } from './process-plan.ts'
import { callsOf, dependentsOf } from './process-plan.ts'
import type { LedgerEntry, Sink } from './sink.ts'

/** A call of a step that is about to be sent. */
export interface StepCall {
  readonly flow: string
  readonly step: string
  readonly seq: number
  readonly kind: LedgerEntry['kind']
}

const behind: readonly number[] = [stepState.done, stepState.skipped]

/**
 * D9: what the journal must have committed before a step is sent, and has not: the results of all that it follows, and
 * that its run still goes forward; before an undo, that its run goes back and that nothing is left that followed the step.
 */
export function unready(store: MemoryStore, flows: readonly FlowPlan[], call: StepCall): string[] {
  const { flow: name, step, seq, kind } = call
  const plan = flows.find((flow) => flow.name === name)?.process
  const id = store.flows.find((flow) => flow.name === name)?.id ?? 0
  if (!plan || (kind !== 'send' && kind !== 'undo')) return []
  const steps = store.steps.get(`${id}/${seq}/0`)
  const stateOf = (other: string) => steps?.get(other)?.state ?? 0
  const compensating = store.run(id, seq, 0)?.compensating ?? false
  if (kind === 'send') {
    const after = plan.steps.find((each) => each.name === step)?.after ?? []
    const open = after.filter((before) => !behind.includes(stateOf(before)))
    return [
      ...open.map((before) => `${before} is not committed`),
      ...(compensating ? ['its run goes back'] : []),
    ]
  }
  const left = [...(dependentsOf(plan.steps).get(step) ?? [])].filter(
    (other) => stateOf(other) === stepState.done,
  )
  const undone = left.filter((other) =>
    plan.steps.some((each) => each.name === other && each.kind === 'call'),
  )
  return [
    ...undone.map((other) => `${other} is not undone`),
    ...(compensating ? [] : ['its run goes forward']),
  ]
}

/** D9, at any moment: a parked run says exactly what the targets hold. `sink` stands as it did when the snapshot was taken. */
export function unbalanced(snapshot: JournalSnapshot, flows: readonly FlowPlan[], sink: Sink): string[] {
  return each(snapshot, flows, runState.parked).flatMap((run) => ledgerOf(run, sink))
}

interface RunOfPlan {
  readonly flow: FlowPlan
  readonly run: SnapshotRun
  readonly steps: ReadonlyMap<string, SnapshotStep>
}

function each(snapshot: JournalSnapshot, flows: readonly FlowPlan[], state: number): RunOfPlan[] {
  const rows = new Map<string, Map<string, SnapshotStep>>()
  for (const step of snapshot.steps) {
    const id = `${step.flow}/${step.seq}`
    rows.set(id, (rows.get(id) ?? new Map<string, SnapshotStep>()).set(step.step, step))
  }
  return snapshot.runs.flatMap((run) => {
    const name = snapshot.flows.find(({ id }) => id === run.flow)?.name
    const flow = flows.find((candidate) => candidate.name === name && candidate.process)
    if (!flow || run.state !== state) return []
    return [{ flow, run, steps: rows.get(`${run.flow}/${run.seq}`) ?? new Map<string, SnapshotStep>() }]
  })
}

/** What a run says of its calls, against the targets. */
function ledgerOf({ flow, run, steps }: RunOfPlan, sink: Sink): string[] {
  return [...callsOf(flow).values()].flatMap((step) => {
    const row = steps.get(step.name)
    const wanted = effectsOf(step, row, run)
    const found = sink.live(flow.name, run.seq, step.name).size
    if (wanted === undefined || wanted.includes(found)) return []
    const says = row ? `in state ${row.state}` : 'without a row'
    return [
      `D9 ${flow.name}/${run.seq} in state ${run.state}: step ${step.name} is ${says}, its target holds ${found}`,
    ]
  })
}

/** How many effects the target may hold of a step; undefined where the journal says that it does not know. */
function effectsOf(
  step: CallPlan,
  row: SnapshotStep | undefined,
  run: SnapshotRun,
): readonly number[] | undefined {
  if (!row) return [0]
  if (row.maybeAt !== null) return undefined
  switch (row.state) {
    case stepState.done:
      return [1]
    case stepState.undone:
      return [0]
    case stepState.kept:
      return step.undo ? [0] : [0, 1]
    case stepState.undoing:
    case stepState.undoFailed:
      return undefined
    default:
      return run.compensating && !step.undo ? [0, 1] : [0]
  }
}

/** D9 at rest: what each ended run says is what the targets hold. */
export function unbalancedEnds(snapshot: JournalSnapshot, flows: readonly FlowPlan[], sink: Sink): string[] {
  const { succeeded, compensated, skipped } = runState
  return [succeeded, compensated, skipped].flatMap((state) =>
    each(snapshot, flows, state).flatMap((run) => [
      ...ledgerOf(run, sink),
      ...(state === succeeded ? missing(run) : []),
    ]),
  )
}

/** All steps of a succeeded run are done or skipped: those without a row too. */
function missing({ flow, run, steps }: RunOfPlan): string[] {
  const names = flow.process?.steps.map(({ name }) => name) ?? []
  return names
    .filter((name) => !behind.includes(steps.get(name)?.state ?? 0))
    .map((name) => `D9 ${flow.name}/${run.seq} succeeded, and its step ${name} is not done`)
}

/** D9, from the targets' own records. */
export function brokenProcesses(
  { ledger, takenBack }: Pick<Sink, 'ledger' | 'takenBack'>,
  flows: readonly FlowPlan[],
): string[] {
  return flows
    .filter(({ process }) => process)
    .flatMap((flow) => {
      const calls = ledger.filter((entry) => entry.flow === flow.name)
      return [
        ...calls.flatMap((call) =>
          call.unready.map((what) => `D9 ${call.kind} of ${flow.name}/${call.seq} ${call.step}: ${what}`),
        ),
        ...keysThatChange(calls),
        ...forwardAfterBack(calls),
        ...wrongOrder(calls, flow, takenBack),
        ...blindRepeats(calls, flow),
      ]
    })
}

/** A step is sent under one key, and undone under another. */
function keysThatChange(calls: readonly LedgerEntry[]): string[] {
  const keys = new Map<string, Set<string>>()
  for (const { flow, seq, step, kind, idempotencyKey } of calls) {
    if (kind !== 'send' && kind !== 'undo') continue
    const id = `${kind} of ${flow}/${seq} ${step}`
    keys.set(id, (keys.get(id) ?? new Set()).add(idempotencyKey))
  }
  const clash = new Map<string, string>()
  const shared: string[] = []
  for (const [id, own] of keys)
    for (const key of own) {
      if (clash.has(key)) shared.push(`D4 ${id} and ${clash.get(key)} share an idempotency key`)
      clash.set(key, id)
    }
  return [
    ...[...keys].filter(([, own]) => own.size > 1).map(([id, own]) => `D4 ${id} came with ${own.size} keys`),
    ...shared,
  ]
}

/** Answers after which the engine cannot know that nothing happened. */
const doubtful: ReadonlySet<string> = new Set(['ok', 'slow', 'failed', 'failed-after', 'no-answer', 'hangs'])

/** D4: where the target knows no keys and a step can look, nothing is sent or undone again without a look in between. */
function blindRepeats(calls: readonly LedgerEntry[], flow: FlowPlan): string[] {
  const plans = callsOf(flow)
  const last = new Map<string, LedgerEntry>()
  const broken: string[] = []
  for (const call of [...calls].sort((one, other) => one.sentAt - other.sentAt)) {
    const { seq, step, kind, answer } = call
    const plan = plans.get(step)
    if (!plan?.find || plan.system.remembersMs >= 0) continue
    const before = last.get(`${seq} ${step}`)
    if (before && before.kind === kind && kind !== 'find' && doubtful.has(before.answer))
      broken.push(`D4 ${kind} of ${flow.name}/${seq} ${step} again after ${before.answer}, without a look`)
    if (kind === 'find' && answer !== 'ok' && answer !== 'slow') continue
    last.set(`${seq} ${step}`, call)
  }
  return broken
}

/** Once something was undone nothing goes forward. */
function forwardAfterBack(calls: readonly LedgerEntry[]): string[] {
  const turned = new Map<number, number>()
  for (const { seq, kind, sentAt } of calls)
    if (kind === 'undo') turned.set(seq, Math.min(turned.get(seq) ?? Infinity, sentAt))
  return calls
    .filter(({ seq, kind, sentAt }) => kind === 'send' && sentAt > (turned.get(seq) ?? Infinity))
    .map(({ flow, seq, step }) => `D9 ${flow}/${seq}: ${step} was sent after the first undo`)
}

/** When a step is undone, nothing that followed it is there any more, but for what cannot be undone. */
function wrongOrder(
  calls: readonly LedgerEntry[],
  flow: FlowPlan,
  takenBack: ReadonlySet<string | undefined>,
): string[] {
  const dependents = dependentsOf(flow.process?.steps ?? [])
  const plans = callsOf(flow)
  const live = new Map<string, Set<string | undefined>>()
  const at = (seq: number, step: string) => live.get(`${seq} ${step}`) ?? new Set<string | undefined>()
  const broken: string[] = []
  for (const { seq, step, kind, effect, reference } of calls) {
    if (kind === 'send' && effect) live.set(`${seq} ${step}`, at(seq, step).add(reference))
    if (at(seq, step).size > 1) broken.push(`D4 ${flow.name}/${seq}: ${step} is there twice`)
    if (kind !== 'undo') continue
    const left = [...(dependents.get(step) ?? [])].filter(
      (other) => plans.get(other)?.undo && [...at(seq, other)].some((each) => !takenBack.has(each)),
    )
    broken.push(...left.map((other) => `D9 ${flow.name}/${seq}: ${step} was undone before ${other}`))
    if (effect) at(seq, step).delete(reference)
  }
  return broken
}

/** D5: in a lane that holds, a run begins after the last effect of the one before it, unless a person ended or turned that. */
export function overlapping(
  ledger: readonly LedgerEntry[],
  flow: FlowPlan,
  except: (seq: number) => boolean,
): string[] {
  const calls = ledger.filter((entry) => entry.flow === flow.name && entry.key !== null)
  const first = new Map<number, LedgerEntry>()
  for (const call of calls) if (!first.has(call.seq)) first.set(call.seq, call)
  return calls
    .filter(({ effect, seq }) => effect && !except(seq))
    .flatMap((effect) =>
      [...first.values()]
        .filter(
          ({ key, seq, startedAt }) => key === effect.key && seq > effect.seq && startedAt < effect.startedAt,
        )
        .map(
          ({ seq }) =>
            `D5 ${flow.name}, key ${effect.key}: ${seq} began before the last effect of ${effect.seq}`,
        ),
    )
}
