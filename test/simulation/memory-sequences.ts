import type { OwnerJournal, RunRow, SequenceJournal, SequenceRow } from '../../src/journal/port.ts'
import { runState } from '../../src/journal/port.ts'
import type { MemoryRun, MemoryStore } from './memory-store.ts'

const { waiting, retrying, running, parked, superseded } = runState

type Claim = Parameters<OwnerJournal['claim']>[0]

/** How far a key has come, and what a person has skipped before its turn. */
export interface MemorySequence {
  last: number
  seq: number
  readonly ahead: Set<number>
}

/** Sequences of keys over a store in memory; see 0012-ordering.sql, which it follows. */
export function memorySequences(store: MemoryStore): SequenceJournal {
  return {
    sequences: async (group, keys) =>
      [...new Set(keys)].flatMap((key) => {
        const known = store.sequences.get(idOf(group, key))
        return known ? [{ key, last: known.last, seq: known.seq }] : []
      }),
  }
}

function idOf(group: string, key: string): string {
  return `${group} ${key}`
}

/** How far a key has come; null where nothing of it was dealt with. */
export function sequenceOf(store: MemoryStore, group: string, key: string): MemorySequence | undefined {
  return store.sequences.get(idOf(group, key))
}

/** Moves the sequence of a key on, never back, and over what was skipped ahead of its turn. */
export function moveSequence(store: MemoryStore, group: string, { key, last, seq }: SequenceRow): void {
  const id = idOf(group, key)
  const known = store.sequences.get(id) ?? { last, seq, ahead: new Set<number>() }
  store.sequences.set(id, known)
  if (known.last < last) Object.assign(known, { last, seq })
  while (known.ahead.delete(known.last + 1)) Object.assign(known, { last: known.last + 1, seq: 0 })
}

/** Gaps that a person has accepted are passed over, and runs at whose place the sequence has arrived are due. */
export function releaseGaps(
  store: MemoryStore,
  group: string,
  { key, now }: { key: string; now: number },
): void {
  const open = store.groups.get(group)?.lanes.get(key)?.open ?? []
  for (const run of open)
    if (run.state === retrying && run.awaits === null && run.code === 'sequence.gap')
      moveSequence(store, group, { key, last: (run.lord ?? 0) - 1, seq: 0 })
  const last = sequenceOf(store, group, key)?.last
  if (last === undefined) return
  for (const run of open)
    if (run.awaits === 'gap' && run.state !== running && (run.lord ?? 0) <= last + 1)
      run.nextAt = Math.min(run.nextAt ?? Infinity, now)
}

/** What an act means for the sequence of the run's key; `run` is as it was before. */
export function actOnSequence(
  store: MemoryStore,
  run: MemoryRun,
  verb: 'retry' | 'skip' | 'compensate',
): void {
  const { group, key, lord, seq } = run
  const ordered = store.flow(run.flow)?.ordering === 'sequence'
  if (!ordered || group === null || key === null || lord === null) return
  if (run.gen !== 0 || run.compensating || run.code === 'sequence.missing' || key.startsWith('#')) return
  const known = sequenceOf(store, group, key)
  if (verb === 'retry') {
    if (run.awaits === 'gap') moveSequence(store, group, { key, last: lord - 1, seq: 0 })
    return
  }
  const open = store.groups.get(group)?.lanes.get(key)?.open ?? []
  const inTurn = (known?.last ?? lord) >= lord - 1 && !open.some((other) => (other.lord ?? 0) < lord)
  if (run.awaits === 'gap' || inTurn) moveSequence(store, group, { key, last: lord, seq })
  else if (!known) store.sequences.set(idOf(group, key), { last: -1, seq: 0, ahead: new Set([lord]) })
  else if (known.last < lord) known.ahead.add(lord)
}

/** Of the open runs of one flow and key only the newest is wanted. */
export function supersedeOlder(
  store: MemoryStore,
  group: string,
  { key, flow, settleMs = 0, now }: Snapshots,
): void {
  const lane = store.groups.get(group)?.lanes.get(key)
  const mine = (lane?.open ?? []).filter((run) => run.flow === flow && run.gen === 0)
  const newest = newestOf(mine)
  const older = mine.filter((run) => run.seq < newest && run.state !== running && !run.compensating)
  for (const run of older) {
    if ((run.maybeAt ?? -Infinity) + settleMs <= now) {
      if (store.steps.has(`${run.flow}/${run.seq}/${run.gen}`)) continue
      const reason = `a newer snapshot, seq ${newest}, took its place`
      store.change(run, { state: superseded, endedAt: now, nextAt: null, awaits: null, reason })
    } else if (run.state === parked && run.awaits === null)
      store.change(run, { awaits: 'settle', nextAt: (run.maybeAt ?? 0) + settleMs })
  }
}

function newestOf(runs: readonly MemoryRun[]): number {
  const wanted = runs.filter(({ state, echo }) => (state === waiting || state === retrying) && !echo)
  return Math.max(...wanted.map(({ seq }) => seq))
}

type Snapshots = Pick<RunRow, 'key' | 'flow' | 'settleMs'> & { readonly now: number }

/** One that may still land waits where a newer one may have been sent. */
function holdOlder(store: MemoryStore, group: string, { key, flow, settleMs = 0, now }: Snapshots): void {
  const lane = store.groups.get(group)?.lanes.get(key)
  const mine = (lane?.open ?? []).filter((run) => run.flow === flow && run.gen === 0)
  const newest = newestOf(mine.filter(({ maybeAt }) => maybeAt !== null))
  for (const run of mine) {
    const { seq, state, maybeAt, compensating } = run
    const mayLand = maybeAt !== null && maybeAt + settleMs > now
    if (seq >= newest || !mayLand || compensating || (state !== waiting && state !== retrying)) continue
    if (store.steps.has(`${flow}/${seq}/${run.gen}`)) continue
    const reason = `a newer snapshot, seq ${newest}, takes its place once nothing can be under way any more`
    store.change(run, { state: waiting, awaits: 'settle', nextAt: maybeAt + settleMs, reason })
  }
}

/** Before a claim of a lane, of the flows of which only the newest counts; see replace_older in 0021-latest.sql. */
export function replaceOlder(
  store: MemoryStore,
  group: string,
  { key, latest, now }: { readonly latest: NonNullable<Claim['latest']> } & Pick<Snapshots, 'key' | 'now'>,
): void {
  for (const flow of latest) {
    supersedeOlder(store, group, { key, ...flow, now })
    holdOlder(store, group, { key, ...flow, now })
  }
  if (latest.length > 0) store.settle(group, key, now)
}
