import { runState } from '../../src/journal/port.ts'
import type { JournalSnapshot, SnapshotRun } from '../../src/testing/journal-snapshot.ts'
import { brokenHistory, brokenInvariants } from './invariants.ts'
import type { FlowPlan, Plan } from './plan.ts'
import type { LedgerEntry, Sink } from './sink.ts'
import {
  brokenOrder,
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

function atTheTargets({ sink, plan }: History, last: JournalSnapshot): string[] {
  const { ledger } = sink
  const flows = plan.flows.filter(
    ({ options }) => options.ordering !== 'none' && options.onParked !== 'continue',
  )
  const rated = plan.flows.filter(({ system }) => system.rate !== undefined)
  return [
    ...doubledEffects(ledger),
    ...ledger
      .filter(({ fromTheDead }) => fromTheDead)
      .map(({ worker, flow, seq }) => `D4 ${worker} sent ${flow}/${seq} after its death mark`),
    ...flows.flatMap((flow) => {
      const sends = sendsOf(sink, flow, plan)
      return [...brokenOrder(sends), ...overtaken(flow, sends, last)]
    }),
    ...exceededConcurrency(
      ledger,
      new Map(plan.flows.map(({ system }) => [system.name, system.concurrency])),
    ),
    ...rated.flatMap(({ system: { name, rate } }) => {
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
  const effects = sends.filter((send) => send.effect && send.key !== null && !skipped.has(send.seq))
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
  const ended = last.runs.filter((run) => run.state === runState.succeeded)
  const skipped = last.runs.filter((run) => run.state === runState.skipped)
  return [
    ...ended
      .filter((run) => !effects.has(says(run)))
      .map((run) => `D2 ${says(run)} succeeded without an effect`),
    ...skipped
      .filter(({ flow, seq }) => !operator.skipped.has(`${flow}/${seq}`))
      .map((run) => `D2 ${says(run)} was skipped by nobody`),
    ...last.linkWaits
      .filter(({ due }) => due)
      .map(({ group, key }) => `A15 lane ${group}/${key} was not released`),
    ...(last.flows.length === plan.flows.length ? [] : ['not all flows are registered']),
    ...last.lanes.map(({ group, key }) => `D2c lane ${group}/${key} is left over`),
  ]
}
