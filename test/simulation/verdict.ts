import { runState } from '../../src/journal/port.ts'
import type { JournalSnapshot, SnapshotRun } from '../../src/testing/journal-snapshot.ts'
import { brokenHistory, brokenInvariants } from './invariants.ts'
import type { FlowPlan, Plan } from './plan.ts'
import { systemsOf } from './plan.ts'
import { brokenProcesses, overlapping, unbalancedEnds } from './process-invariants.ts'
import type { LedgerEntry, Sink } from './sink.ts'
import {
  brokenOrder,
  brokenSequence,
  doubledEffects,
  exceededConcurrency,
  exceededRate,
  lostAcks,
} from './sink-invariants.ts'
import type { History } from './world.ts'

/** All that a history breaks of what busbar promises; empty when it keeps everything. */
export function violations(history: History): string[] {
  const { snapshots, unended, drained } = history
  const last = snapshots.at(-1) as JournalSnapshot
  const stated = [
    ...snapshots.flatMap((snapshot) => brokenInvariants(snapshot)),
    ...snapshots
      .slice(1)
      .flatMap((after, index) => brokenHistory(snapshots[index] as JournalSnapshot, after)),
    ...lostAcks(last, history.publisher.acked),
    ...atTheTargets(history, last),
    ...history.unbalanced,
    ...unended,
  ]
  return [...new Set([...(drained ? atRest(history, last) : [`not drained: ${openRuns(last)}`]), ...stated])]
}

function openRuns(last: JournalSnapshot): string {
  const open = last.runs.filter((run) => run.state < runState.succeeded)
  const words = open.map(({ flow, seq, state, reason }) => `${flow}/${seq} in ${state} (${reason})`)
  const positions = last.positions.map(({ flow, position }) => `${flow}@${position}`)
  return `${words.join(', ')}; positions ${positions.join(' ')} of ${last.events.length} events`
}

function atTheTargets({ sink, plan, operator }: History, last: JournalSnapshot): string[] {
  const { ledger } = sink
  const flows = plan.flows.filter(
    ({ options }) => options.ordering !== 'none' && options.onParked !== 'continue',
  )
  const rated = systemsOf(plan.flows).filter(({ rate }) => rate !== undefined)
  return [
    ...doubledEffects(ledger),
    ...ledger
      .filter(({ fromTheDead }) => fromTheDead)
      .map(({ worker, flow, seq }) => `D4 ${worker} sent ${flow}/${seq} after its death mark`),
    ...flows.flatMap((flow) => {
      const sends = sendsOf(sink, flow, plan)
      const id = last.flows.find(({ name }) => name === flow.name)?.id
      const byPerson = (seq: number) =>
        operator.skipped.has(`${id}/${seq}`) || operator.turned.has(`${id}/${seq}`)
      if (flow.process) return [...brokenOrder(sends), ...overlapping(ledger, flow, byPerson)]
      if (typeof flow.options.ordering === 'object')
        return [...brokenSequence(sends), ...overtaken(flow, sends.map(byPlace), last)]
      return [...brokenOrder(sends), ...overtaken(flow, sends, last)]
    }),
    ...exceededConcurrency(
      ledger,
      new Map(systemsOf(plan.flows).map((system) => [system.name, system.concurrency])),
    ),
    ...brokenProcesses(sink, plan.flows),
    ...rated.flatMap(({ name, rate }) => {
      const sent = ledger.filter(({ system }) => system === name)
      return exceededRate(
        sent.map((call) => ({ ...call, startedAt: call.sentAt })),
        rate as { max: number; perMs: number },
      )
    }),
    ...tooManyTries(plan.flows, last),
  ]
}

/**
 * What a flow sent. While a deployment rolls that adds a type to a flow, owners that do not know it yet go on with the
 * others: there order holds per type.
 */
function sendsOf({ ledger }: Sink, flow: FlowPlan, plan: Plan): LedgerEntry[] {
  const sends = ledger.filter((entry) => entry.flow === flow.name && entry.kind === 'send')
  if (flow.both || plan.deployAt > plan.stormMs) return sends
  return sends.map((send) => ({ ...send, key: send.key && `${send.key} ${send.type}` }))
}

/** D5, sharper: nothing of a lane arrives before the effect of what stands before it, unless a person skipped that. */
function overtaken(flow: FlowPlan, sends: readonly LedgerEntry[], last: JournalSnapshot): string[] {
  const id = last.flows.find(({ name }) => name === flow.name)?.id
  const skipped = new Set(
    last.runs.filter((run) => run.flow === id && run.state === runState.skipped).map(({ seq }) => seq),
  )
  const firsts = new Map<number, LedgerEntry>()
  for (const send of sends) if (!firsts.has(send.seq)) firsts.set(send.seq, send)
  const effects = sends.filter(
    (send) => send.effect && send.key !== null && !skipped.has(send.seq % 1_000_000),
  )
  return effects.flatMap((effect) =>
    [...firsts.values()]
      .filter(
        (first) => first.key === effect.key && first.seq > effect.seq && first.startedAt < effect.startedAt,
      )
      .map(
        (first) =>
          `D5 ${flow.name}, key ${first.key}: ${first.seq} arrived before the effect of ${effect.seq}`,
      ),
  )
}

/** Told apart, and put in order, by their numbers. */
function byPlace(send: LedgerEntry): LedgerEntry {
  return { ...send, seq: (send.place ?? 0) * 1_000_000 + send.seq }
}

function tooManyTries(flows: readonly FlowPlan[], last: JournalSnapshot): string[] {
  const most = new Map(
    last.flows.map(({ id, name }) => [id, flows.find((flow) => flow.name === name)?.attempts ?? 0]),
  )
  return last.runs
    .filter((run) => run.tries > (most.get(run.flow) ?? 0))
    .map((run) => `D8 run ${run.flow}/${run.seq} had ${run.tries} tries`)
}

/** When all has ended: what succeeded has its effect, what was skipped was skipped by a person, nothing is left over. */
function atRest({ plan, sink, operator }: History, last: JournalSnapshot): string[] {
  const names = new Map(last.flows.map(({ id, name }) => [id, name]))
  const effects = new Set(sink.ledger.filter(({ effect }) => effect).map(({ flow, seq }) => `${flow}/${seq}`))
  const says = (run: SnapshotRun) => `${names.get(run.flow)}/${run.seq}`
  const several = new Set(plan.flows.flatMap(({ name, process }) => (process ? [name] : [])))
  const single = (run: SnapshotRun) => !several.has(names.get(run.flow) ?? '')
  const ended = last.runs.filter((run) => run.state === runState.succeeded && single(run))
  const skipped = last.runs.filter((run) => run.state === runState.skipped)
  return [
    ...ended
      .filter((run) => !effects.has(says(run)))
      .map((run) => `D2 ${says(run)} succeeded without an effect`),
    ...skipped
      .filter(({ flow, seq }) => !operator.skipped.has(`${flow}/${seq}`))
      .map((run) => `D2 ${says(run)} was skipped by nobody`),
    ...needlesslySuperseded(plan, last).map((run) => `D2 ${says(run)} was superseded without need`),
    ...last.linkWaits
      .filter(({ due }) => due)
      .map(({ group, key }) => `A15 lane ${group}/${key} was not released`),
    ...(last.flows.length === plan.flows.length ? [] : ['not all flows are registered']),
    ...unbalancedEnds(last, plan.flows, sink),
    ...last.lanes.map(({ group, key }) => `D2c lane ${group}/${key} is left over`),
  ]
}

/** Superseded runs whose flow keeps all of them, or wants the latest and has no later one. */
function needlesslySuperseded({ flows }: Plan, last: JournalSnapshot): SnapshotRun[] {
  const orderings = new Map(
    last.flows.map(({ id, name }) => [id, flows.find((flow) => flow.name === name)?.options.ordering]),
  )
  const newest = new Map<string, number>()
  for (const { key, seq } of last.events) if (key !== null) newest.set(key, seq)
  return last.runs
    .filter((run) => run.state === runState.superseded)
    .filter(({ flow, key, seq }) => {
      const ordering = orderings.get(flow)
      if (typeof ordering === 'object') return false
      return ordering !== 'latest' || seq >= (newest.get(key ?? '') ?? 0)
    })
}
