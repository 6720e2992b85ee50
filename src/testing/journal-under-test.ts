import { hashKey } from '../journal/hash-key.ts'
import type { Flush, GroupLease, Journal, NewEvent, RegisteredFlow, RunRow } from '../journal/port.ts'
import { runState } from '../journal/port.ts'
import type { JournalSnapshot, SnapshotLane, SnapshotRun } from './journal-snapshot.ts'
import type { LinksUnderTest } from './links-under-test.ts'
import type { Sql } from './sql-snapshot.ts'

/** What a person may do to a run. */
export interface RunAct {
  readonly flow: number
  readonly seq: number
  readonly gen?: number
  readonly verb: 'retry' | 'skip'
  readonly actor?: string
  readonly reason?: string
}

/** What became of an act; states are null where there is no such run. */
export interface RunActResult {
  readonly result: 'done' | 'refused' | 'ended' | 'absent'
  readonly before: number | null
  readonly after: number | null
}

/** A journal with an empty store, as the contract suite drives it. */
export interface JournalUnderTest {
  /** Several users of one store, at least six where `concurrent`; each with connections of its own. */
  readonly sessions: readonly Journal[]
  act(act: RunAct): Promise<RunActResult>
  pause(kind: 'system' | 'group', name: string, paused: boolean): Promise<boolean>
  /** Milliseconds on a clock that moves with the journal's own. */
  now(): number
  /** Resolves once the journal's own clock has moved on by so much. */
  advance(ms: number): Promise<void>
  snapshot(): Promise<JournalSnapshot>
  /** The invariants that do not hold now; empty when all is well. */
  violations(): Promise<readonly string[]>
  readonly links: LinksUnderTest
  /** For looking inside, where the adapter is SQL. */
  readonly sql?: Sql
  close(): Promise<void>
}

/** What differs from one adapter to another. */
export interface JournalCapabilities {
  /** Sessions really run beside each other. Where false, the cases about races are skipped: nothing can race. */
  readonly concurrent: boolean
}

/** What each role of the suite is given. */
export interface ContractContext {
  readonly world: () => JournalUnderTest
  readonly capabilities: JournalCapabilities
}

/** A lane group with one flow, owned by a worker that has joined. */
export interface Owned {
  readonly journal: Journal
  readonly worker: string
  readonly group: string
  readonly type: string
  readonly flow: RegisteredFlow
  readonly system: number
  readonly lease: GroupLease
}

let names = 0

/** A name that no other case uses. */
export function unique(what: string): string {
  return `${what}-${++names}`
}

/** A case's own lane group: registered, joined, acquired. */
export async function ownedGroup(
  world: JournalUnderTest,
  options: { session?: number; leaseMs?: number; ordering?: string } = {},
): Promise<Owned> {
  const journal = world.sessions[options.session ?? 0] as Journal
  const { group, type, flow, system } = await registered(journal, options.ordering)
  const worker = unique('worker')
  await journal.join(worker, options.leaseMs ?? 60_000)
  const lease = (await journal.acquire(worker, group, 0)) as GroupLease
  return { journal, worker, group, type, flow, system, lease }
}

/** A flow of its own in a group of its own, with a system. */
export async function registered(
  journal: Journal,
  ordering = 'arrival',
  partitions = 1,
): Promise<Pick<Owned, 'group' | 'type' | 'flow' | 'system'>> {
  const group = unique('group')
  const type = unique('type')
  const systemName = unique('system')
  const systems = await journal.registerSystems([{ name: systemName, address: 'http://localhost' }])
  const [flow] = await journal.registerFlows([
    registration({ name: unique('flow'), group, types: [type], ordering, partitions }),
  ])
  return { group, type, flow: flow as RegisteredFlow, system: systems.get(systemName) as number }
}

/** A registration with the usual answers. */
export function registration(
  flow: { name: string; group: string; types: readonly string[] } & Partial<
    Parameters<Journal['registerFlows']>[0][number]
  >,
): Parameters<Journal['registerFlows']>[0][number] {
  return { ord: 0, steps: [], ordering: 'arrival', onParked: 'hold', start: 'now', ...flow }
}

/** An event that no other case publishes. */
export function event(more: Partial<NewEvent> = {}): NewEvent {
  const id = more.id ?? unique('event')
  const key = more.key ?? null
  return { source: 'test', id, type: 'test', key, khash: hashKey(key ?? id), data: '{}', ext: '{}', ...more }
}

/** An event of the log, as far as rows speak of it. */
export type Logged = NewEvent & { readonly seq: number }

/** Appends events that are new and gives them back with their places. */
export async function publish(journal: Journal, events: readonly NewEvent[]): Promise<readonly Logged[]> {
  const { results } = await journal.append(events)
  return events.map((each, index) => ({ ...each, seq: results[index]?.seq ?? 0 }))
}

/** One event per key, in this order. */
export function publishKeys(owned: Owned, keys: readonly string[], data = '{}'): Promise<readonly Logged[]> {
  return publish(
    owned.journal,
    keys.map((key) => event({ type: owned.type, key, data })),
  )
}

/** A run's row in its lane. */
export function row(
  owned: Pick<Owned, 'flow' | 'system'>,
  { seq, key, khash }: Logged,
  more: Partial<RunRow> = {},
): RunRow {
  return {
    flow: owned.flow.id,
    seq,
    gen: 0,
    key: key ?? `#${owned.flow.id}:${seq}`,
    khash,
    lord: seq,
    ord: owned.flow.ord,
    system: owned.system,
    state: runState.waiting,
    holds: true,
    maybeAt: null,
    tries: 0,
    attempts: 0,
    throttles: 0,
    conflicts: 0,
    crashes: 0,
    phase: 0,
    firstAt: null,
    nextInMs: null,
    ms: null,
    status: null,
    code: null,
    message: null,
    fp: null,
    reason: null,
    compensating: false,
    awaits: null,
    ...more,
  }
}

/** A plain success. */
export function done(owned: Pick<Owned, 'flow' | 'system'>, { seq }: { seq: number }): Flush['done'][number] {
  return {
    flow: owned.flow.id,
    seq,
    system: owned.system,
    tries: 1,
    firstAt: 1_700_000_000_000,
    ms: 12,
    status: 200,
  }
}

/** A flush of the owner, gathered when it is committed; nothing in it but what is given. */
export function flushOf({ group, worker, lease }: Owned, more: Partial<Flush> = {}): Flush {
  const nothing = {
    done: [],
    runs: [],
    steps: [],
    attempts: [],
    problems: [],
    signals: [],
    links: [],
    linkWaits: [],
    sequences: [],
    positions: [],
  }
  return {
    group,
    part: lease.part,
    epoch: lease.epoch,
    worker,
    gatheredAt: Number.POSITIVE_INFINITY,
    ...nothing,
    claimedTo: 0,
    suspectsResolved: false,
    ...more,
  }
}

/** The flow's position as an owner gives it. */
export function positionAt({ flow }: Pick<Owned, 'flow'>, position: number): Flush['positions'] {
  return [{ flow: flow.id, version: flow.version, position }]
}

/** Takes what is at the head of these lanes. */
export function claimOf(
  { group, lease }: Pick<Owned, 'group' | 'lease'>,
  keys: readonly string[],
  more: Partial<Parameters<Journal['claim']>[0]> = {},
): Parameters<Journal['claim']>[0] {
  return { group, part: lease.part, epoch: lease.epoch, keys, maxRuns: 32, maxBytes: 1_000_000, ...more }
}

/** What is due in the group on its system. */
export function dueNow(owned: Owned, limit = 100): Promise<readonly string[]> {
  const { group, part, parts } = owned.lease
  return owned.journal.due({ group, part, parts, systems: [owned.system], limit })
}

/** The runs of a flow, in log order. */
export async function runsOf(world: JournalUnderTest, { flow }: Pick<Owned, 'flow'>): Promise<SnapshotRun[]> {
  return (await world.snapshot()).runs.filter((run) => run.flow === flow.id)
}

/** The lanes of a group, by key. */
export async function lanesOf(
  world: JournalUnderTest,
  { group }: Pick<Owned, 'group'>,
): Promise<SnapshotLane[]> {
  return (await world.snapshot()).lanes.filter((lane) => lane.group === group)
}

/** The group as it stands. */
export async function groupOf(world: JournalUnderTest, { group }: Pick<Owned, 'group'>) {
  return (await world.snapshot()).groups.find((each) => each.group === group)
}
