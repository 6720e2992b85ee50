/**
 * The journal as the rest of busbar sees it, split by role; every operation is one call (one transaction), so that a
 * stopped client never holds a lock. Implemented by PostgreSQL (`sql-journal.ts`: a server, embedded, or PGlite in
 * tests). Numbers are JavaScript numbers: `seq` stays below 2^53.
 */

import type { Cluster } from './port-cluster.ts'
import type { EchoJournal } from './port-echoes.ts'
import type { LinksJournal, UndoneLinks } from './port-links.ts'
import type { ParkedRuns } from './port-parked.ts'
import type { PartitionsJournal } from './port-partitions.ts'
import type { ReplayJournal } from './port-replays.ts'
import type { SequenceJournal, SequenceMark, SequenceRow } from './port-sequences.ts'
import type { StatsJournal, SystemsJournal } from './port-systems.ts'

export type {
  Cluster,
  FlowRegistration,
  GroupLease,
  GroupState,
  Heartbeat,
  RegisteredFlow,
  RegisteredStep,
  WorkerFacts,
  WorkerState,
} from './port-cluster.ts'
export type { ParkedRuns } from './port-parked.ts'
export type { ReplayJournal, RunningReplay } from './port-replays.ts'
export type { SequenceJournal, SequenceMark, SequenceRow } from './port-sequences.ts'
export { latencyBounds } from './port-systems.ts'
export type {
  DeclaredSystem,
  RunMinute,
  StatRow,
  StatsJournal,
  SystemMinute,
  SystemsJournal,
  SystemState,
  TestOutcome,
  WatchJournal,
} from './port-systems.ts'

/** An event ready to be stored. All strings are well-formed Unicode without NUL; id, source, type, key ≤ 255 bytes. */
export interface NewEvent {
  readonly source: string
  readonly id: string
  readonly type: string
  /** The business object; null means no order. */
  readonly key: string | null
  /** Partition hash of the key (of the identity where there is no key), ≥ 0; see `hashKey`. */
  readonly khash: number
  /** The data exactly as it came in, JSON text. */
  readonly data: string
  /** The other CloudEvents attributes, a JSON object: subject, time, dataschema, datacontenttype, extensions. */
  readonly ext: string
}

/** An event in the log. */
export interface StoredEvent extends NewEvent {
  readonly seq: number
  /** Milliseconds since 1970, by the database's clock; rises with `seq`. */
  readonly receivedAt: number
}

/** What became of one event of an append, in the order given. */
export type Appended =
  | { readonly kind: 'stored'; readonly seq: number }
  /** In the log already, with the same data. */
  | { readonly kind: 'duplicate'; readonly seq: number }
  /** In the log already, with other data; refused and recorded. */
  | { readonly kind: 'conflict'; readonly seq: number }

/** The result of one append. `prev` is the head before it, `head` the head after it, both read under the append lock. */
export interface AppendResult {
  readonly prev: number
  readonly head: number
  readonly receivedAt: number
  readonly results: readonly Appended[]
}

/** The log of events; `seq` order is commit order, so nothing ever appears behind a reader's head. */
export interface EventLog {
  /** Stores the events that are new, in order, durably, all or none. Rejects with an error whose outcome is unknown unless `isRefused`. */
  append(events: readonly NewEvent[]): Promise<AppendResult>
  /** The highest seq, 0 when empty. Read it *before* a window: what commits between the two must not be skipped. */
  head(): Promise<number>
  /** The matching events with `after < seq ≤ upTo`, ascending, cut off after `maxBytes` of data (at least one) or `limit` events. */
  read(window: ReadWindow): Promise<ReadResult>
  /** The first event of this key and one of these types with `seq > after`. */
  firstOf(query: { key: string; types: readonly string[]; after: number }): Promise<StoredEvent | undefined>
  /** The events with these seqs, in any order. */
  get(seqs: readonly number[]): Promise<readonly StoredEvent[]>
}

/** Which part of the log to read. */
export interface ReadWindow {
  readonly after: number
  readonly upTo: number
  readonly types: readonly string[]
  readonly part: number
  readonly parts: number
  /** Of the keys' hash slots (`khash % 64`) only these. Default: all. */
  readonly slots?: readonly number[]
  readonly limit: number
  readonly maxBytes: number
}

/** The events of a window, and the seq up to which it is now known. */
export interface ReadResult {
  readonly events: readonly StoredEvent[]
  readonly readTo: number
}

/** States of a run as stored; below 10 it is open. See DESIGN for what each means to people. */
export const runState = {
  waiting: 1,
  retrying: 2,
  running: 3,
  parked: 4,
  succeeded: 10,
  skipped: 11,
  superseded: 12,
  compensated: 13,
} as const
export type RunStateName = keyof typeof runState
export type RunState = (typeof runState)[RunStateName]

/** A run that succeeded without ever having had a row: the common case, one appended row. */
export interface DoneRun {
  readonly flow: number
  readonly seq: number
  readonly system: number
  readonly tries: number
  /** Milliseconds since 1970. */
  readonly firstAt: number
  readonly ms: number
  /** HTTP status of the last answer, 0 when there was none. */
  readonly status: number
}

/** A run whose row is inserted, or updated where it is `running`; anything else about it has not changed since. */
export interface RunRow {
  readonly flow: number
  readonly seq: number
  readonly gen: number
  readonly key: string
  readonly khash: number
  readonly lord: number
  readonly ord: number
  /** The system it needs next. */
  readonly system: number
  readonly state: RunState
  /** Whether it holds its lane: false for parked runs of `onParked: 'continue'`. */
  readonly holds: boolean
  /** Its effect may have happened without our knowing; sent at this time at the latest. */
  readonly maybeAt: number | null
  /** Counted against the retry policy. */
  readonly tries: number
  /** All attempts, also those that do not count. */
  readonly attempts: number
  readonly throttles: number
  readonly conflicts: number
  readonly crashes: number
  /** 1 while inside the user's code in careful mode. */
  readonly phase: number
  readonly firstAt: number | null
  /** For `retrying`: delay from now, by the database's clock. */
  readonly nextInMs: number | null
  readonly ms: number | null
  readonly status: number | null
  readonly code: string | null
  readonly message: string | null
  /** Fingerprint of its problem. */
  readonly fp: string | null
  /** Why it waits, in words. */
  readonly reason: string | null
  /** Its done steps are being undone; none goes forward any more. */
  readonly compensating: boolean
  /** For `waiting` in the middle of a flow: what for. It is due after `nextInMs` (null: never by itself), or when it is woken. */
  readonly awaits: Awaits | null
  /** Where only the newest of a key counts: so long after it was sent, a request whose outcome is unknown has landed. */
  readonly settleMs?: number
  /** There, too: its event is an echo of our own write, or may be one. It takes nobody's place. */
  readonly echo?: boolean
}

/**
 * What a run can wait for between two steps: time, an event of its key, a person, a cross-reference; before it begins: numbers before its
 * own (`gap`); in doubt: the moment at which a newer snapshot may take its place (`settle`).
 */
export type Awaits = 'timer' | 'signal' | 'approval' | 'link' | 'gap' | 'settle'

/** States of a step as stored; below 10 it is open. A step without a row has not begun. */
export const stepState = {
  waiting: 1,
  retrying: 2,
  failed: 4,
  undoing: 5,
  undoFailed: 6,
  done: 10,
  skipped: 11,
  undone: 12,
  /** Done, and not to be undone. */
  kept: 13,
} as const
export type StepStateName = keyof typeof stepState
export type StepState = (typeof stepState)[StepStateName]

/** A step whose row is inserted or updated: while its run is `running` or has no row. */
export interface StepRow {
  readonly flow: number
  readonly seq: number
  readonly gen: number
  readonly step: string
  readonly state: StepState
  readonly tries: number
  readonly attempts: number
  readonly throttles: number
  readonly conflicts: number
  readonly firstAt: number | null
  /** Its effect may have happened without our knowing; sent at this time at the latest. */
  readonly maybeAt: number | null
  /** For open ones: delay from now, by the database's clock; null: until it is woken. */
  readonly nextInMs: number | null
  readonly ms: number | null
  readonly status: number | null
  /** JSON text. */
  readonly result: string | null
  readonly code: string | null
  readonly message: string | null
  readonly reason: string | null
}

/** A step as the journal knows it. */
export interface KnownStep extends Omit<StepRow, 'flow' | 'seq' | 'gen'> {
  /** Rises with each edit of its input: part of the idempotency key. */
  readonly keyNo: number
  /** The event's data as a person has edited it for this step, JSON text. */
  readonly input: string | null
  /** What it was under an earlier version of its flow, where that may differ; null: what it is. */
  readonly began: BegunAs | null
}

/** What a step was when it began; `system` by name, null where it calls none. */
export interface BegunAs {
  readonly kind: string
  readonly system: string | null
}

/** One attempt for the record. */
export interface AttemptRow {
  readonly flow: number
  readonly seq: number
  readonly gen: number
  readonly step: string
  readonly no: number
  readonly kind: 'send' | 'find' | 'verify' | 'undo'
  /** `succeeded`, `absent` (find found nothing), or the error class. */
  readonly outcome: string
  readonly at: number
  readonly ms: number
  readonly status: number | null
  readonly code: string | null
  readonly message: string | null
  readonly request: string | null
  readonly response: string | null
}

/** A problem seen now: created, or reopened and its last-seen time moved. */
export interface ProblemRow {
  readonly fp: string
  readonly system: string
  readonly code: string
  readonly title: string
}

/** A cross-reference that a step has given: the id that an object has in a system. */
export interface LinkRow extends Pick<RunRow, 'flow' | 'seq' | 'gen'> {
  readonly step: string
  readonly kind: string
  readonly id: string
  readonly system: string
  readonly external: string
}

/** A run of this lane waits for a cross-reference that is not there. */
export interface LinkWait extends Pick<RunRow, 'key'> {
  readonly kind: string
  readonly id: string
  readonly system: string
}

/** A call that its owner counts, since one that it was told had failed may land much later. */
export interface Counted {
  /** Higher than that of any such call of this lease before; default: not counted. */
  readonly no?: number
  /** The outcome of the one before is unknown. Once this one has landed, none with a lower number does. Default false. */
  readonly again?: boolean
}

/** What an owner writes in one transaction, fenced by its epoch. */
export interface Flush extends Counted {
  readonly group: string
  readonly part: number
  readonly epoch: number
  readonly worker: string
  /** When it was gathered, milliseconds since 1970 by the owner's clock; it may be committed much later. */
  readonly gatheredAt: number
  readonly done: readonly DoneRun[]
  readonly runs: readonly RunRow[]
  readonly steps: readonly StepRow[]
  readonly attempts: readonly AttemptRow[]
  readonly problems: readonly ProblemRow[]
  /** Keys of events that runs may wait for: those that wait in rows become due. */
  readonly signals: readonly string[]
  readonly links: readonly (LinkRow | UndoneLinks)[]
  readonly linkWaits: readonly LinkWait[]
  readonly sequences: readonly SequenceRow[]
  /** New positions by flow; omitted when not due. */
  readonly positions: readonly {
    readonly flow: number
    readonly version: number
    readonly position: number
  }[]
  /** No attempt without a row lies above it once this is committed; 0 leaves it, and the positions. */
  readonly claimedTo: number
  /** The positions have passed all suspects. */
  readonly suspectsResolved: boolean
}

/** A run taken from the slow path: now `running`, with what is needed to go on. */
export interface ClaimedRun {
  readonly flow: number
  readonly gen: number
  readonly key: string
  readonly lord: number
  readonly ord: number
  readonly maybeAt: number | null
  readonly tries: number
  readonly attempts: number
  readonly throttles: number
  readonly conflicts: number
  readonly crashes: number
  readonly firstAt: number | null
  readonly compensating: boolean
  /** `gap`: it has waited for numbers before its own. */
  readonly awaits: 'gap' | null
  /** How far its key has come. */
  readonly sequence: SequenceMark | null
  /** The generation whose idempotency keys it sends. */
  readonly keyGen: number
  /** Of its steps those that have rows. */
  readonly steps: readonly KnownStep[]
  readonly event: StoredEvent
}

/** What the owner of a (lane group, partition) reads and writes. `'lost'` means that its epoch has passed: write nothing more. */
export interface OwnerJournal {
  /** Commits everything or nothing; repeating it changes nothing. */
  flush(flush: Flush): Promise<'ok' | 'lost'>
  /** The same for several groups in one transaction: all of it or, where the epoch of one of them has passed, nothing. */
  flushAll(flushes: readonly Flush[]): Promise<'ok' | 'lost'>
  /** Which of these keys have a lane row, so that their events must queue behind it. */
  slowKeys(group: string, keys: readonly string[]): Promise<readonly string[]>
  /** Whether the group has any lane row at all. */
  hasSlowLanes(group: string): Promise<boolean>
  /** Which runs of these flows with `after < seq ≤ upTo` have rows (generation 0). */
  existing(
    flows: readonly number[],
    after: number,
    upTo: number,
  ): Promise<readonly { flow: number; seq: number }[]>
  /** Steps of runs of these flows with `after < seq ≤ upTo` that have no row themselves (generation 0). */
  stepsWithoutRun(
    flows: readonly number[],
    after: number,
    upTo: number,
  ): Promise<readonly { flow: number; seq: number; step: KnownStep }[]>
  /** Keys of lanes that are due now and whose next run needs one of these systems, longest due first. */
  due(query: {
    group: string
    part: number
    parts: number
    systems: readonly number[]
    limit: number
  }): Promise<readonly string[]>
  /** Marks the open runs at the head of these lanes `running`, at most `maxRuns` and `maxBytes` a lane (at least one), none behind a parked one. */
  claim(claim: {
    group: string
    part: number
    epoch: number
    keys: readonly string[]
    maxRuns: number
    maxBytes: number
    /**
     * Of these flows only the newest snapshot of a key counts. Older open ones end before anything is taken, however many
     * and large they are, where their outcome is known or has landed (`settleMs`); one that may still land is not taken
     * while a newer one may have been sent. Default none.
     */
    latest?: readonly { readonly flow: number; readonly settleMs: number }[]
    /** As of what is `Counted`. */
    no?: number
    /** The outcome of the same claim is unknown: answers what is already running in these lanes, too. Default false. */
    again?: boolean
  }): Promise<'lost' | readonly ClaimedRun[]>
  /** Careful mode: commits that this run is (or is no longer) inside the user's code. */
  mark(mark: { group: string; part: number; epoch: number; run: RunRow }): Promise<'ok' | 'lost'>
}

/** All roles in one; what an adapter provides. */
export interface Journal
  extends
    EventLog,
    OwnerJournal,
    SequenceJournal,
    ParkedRuns,
    LinksJournal,
    ReplayJournal,
    EchoJournal,
    Cluster,
    PartitionsJournal,
    SystemsJournal,
    StatsJournal {
  /** Ends connections. Safe to call twice. */
  close(): Promise<void>
}
