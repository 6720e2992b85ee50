/**
 * What a journal holds at one moment, as plain data: for the invariants of the checkers, and for contract cases that
 * look at what a call has left behind. Times are milliseconds since 1970; `nextAt` of a lane is Infinity while it waits
 * for nothing but its head.
 */
export interface JournalSnapshot {
  readonly at: number
  readonly events: readonly SnapshotEvent[]
  readonly refusals: readonly { source: string; id: string; type: string; code: string; seq: number }[]
  readonly flows: readonly SnapshotFlow[]
  readonly positions: readonly { flow: number; part: number; position: number }[]
  readonly workers: readonly { id: string; leaseUntil: number; dead: boolean }[]
  readonly groups: readonly SnapshotGroup[]
  readonly runs: readonly SnapshotRun[]
  readonly lanes: readonly SnapshotLane[]
  readonly steps: readonly SnapshotStep[]
  /** Who waits for a cross-reference; `known`: it is there. */
  readonly linkWaits: readonly { group: string; key: string; due: boolean; known: boolean }[]
  readonly attempts: readonly SnapshotAttempt[]
  readonly problems: readonly { fp: string; system: string; code: string; state: string }[]
  readonly systems: readonly SnapshotSystem[]
  readonly permits: readonly { system: number; worker: string; n: number }[]
  readonly audit: readonly { actor: string; verb: string; object: string; reason: string | null }[]
}

/** An event without its data. */
export interface SnapshotEvent {
  readonly seq: number
  readonly source: string
  readonly id: string
  readonly type: string
  readonly key: string | null
  readonly khash: number
  readonly receivedAt: number
}

/** A flow; a type counts from the place of its `typeAfter`. */
export interface SnapshotFlow {
  readonly id: number
  readonly name: string
  readonly group: string
  readonly version: number
  readonly types: readonly string[]
  readonly typeAfter: readonly number[]
  readonly fromSeq: number
  readonly removed: boolean
}

/** A (lane group, partition). */
export interface SnapshotGroup {
  readonly group: string
  readonly part: number
  readonly parts: number
  readonly owner: string | null
  readonly epoch: number
  readonly claimedTo: number
  readonly suspectTo: number
  readonly suspectSince: number | null
  readonly suspectAt: number | null
  readonly unclean: number
  readonly paused: boolean
}

/** A run that has a row; group, key and lord are null for a plain success. */
export interface SnapshotRun {
  readonly flow: number
  readonly seq: number
  readonly gen: number
  readonly state: number
  readonly system: number
  readonly holds: boolean
  readonly phase: number
  readonly tries: number
  readonly attempts: number
  readonly crashes: number
  readonly group: string | null
  readonly key: string | null
  readonly khash: number | null
  readonly lord: number | null
  readonly ord: number | null
  readonly maybeAt: number | null
  readonly nextAt: number | null
  readonly code: string | null
  readonly message: string | null
  readonly fp: string | null
  readonly reason: string | null
  readonly compensating: boolean
  readonly awaits: string | null
}

/** A step of a run that has a row. */
export interface SnapshotStep {
  readonly flow: number
  readonly seq: number
  readonly gen: number
  readonly step: string
  readonly state: number
  readonly maybeAt: number | null
  readonly nextAt: number | null
}

/** A lane with open runs that hold it. */
export interface SnapshotLane {
  readonly group: string
  readonly key: string
  readonly khash: number
  readonly system: number
  readonly nextAt: number
  readonly awaits: string | null
}

/** One recorded attempt. */
export interface SnapshotAttempt {
  readonly flow: number
  readonly seq: number
  readonly gen: number
  readonly step: string
  readonly no: number
  readonly kind: string
  readonly outcome: string
}

/** A system's shared state. */
export interface SnapshotSystem {
  readonly id: number
  readonly name: string
  readonly paused: boolean
  readonly breaker: string
}
