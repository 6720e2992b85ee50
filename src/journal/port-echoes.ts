/** The journal's memory of what steps have written, and of which inbound events were echoes of it. */

/** Which write of which run: a step writes one object, and so may its undo. */
export interface WriteName {
  readonly flow: number
  readonly seq: number
  readonly gen: number
  readonly step: string
  readonly undo: boolean
}

/** A write that is about to be sent. */
export interface WriteRegistration extends WriteName {
  readonly system: string
  readonly object: string
  /** Fingerprint of the fields; null where only a version will tell. */
  readonly fp: string | null
  /** Its answer will give a version. */
  readonly versioned: boolean
  /** Names the attempt: only it may take the registration back. */
  readonly token: string
  /** After so long its outcome is taken to be unknown, should nobody have told it. */
  readonly settlesInMs: number
  /** No echo is expected later than this. */
  readonly keepMs: number
}

/** What became of a registered write. */
export interface WriteOutcome extends WriteName {
  /** The attempt; null: found out later, by whichever attempt. */
  readonly token: string | null
  /** `failed`: surely without effect. The registration goes, unless an earlier attempt may have had one. */
  readonly outcome: 'done' | 'unknown' | 'failed'
  readonly version: string | null
}

/** The same for people. */
export interface Writer extends WriteName {
  readonly flowName: string
}

/** A write whose echo has not come. */
export interface OutstandingWrite {
  readonly writer: Writer
  /** Rises with each registration, also of one that was there already. */
  readonly id: number
  readonly system: string
  readonly object: string
  readonly fp: string | null
  readonly version: string | null
  readonly versioned: boolean
  /** The head of the log before it was sent: no event up to here can be its echo. */
  readonly after: number
  /** When it was registered, milliseconds since 1970, by the database's clock. */
  readonly at: number
  /** Until when its outcome may still become known, by the same clock; null: it is known, or known to be unknown. */
  readonly settlesAt: number | null
}

/** An event that was recognised as an echo, and of which write. */
export interface EchoVerdict {
  readonly seq: number
  readonly system: string
  readonly writer: Writer
}

/** What is known about some events and some objects. */
export interface EchoFacts {
  /** By the database's clock. */
  readonly now: number
  /** Of these events, those that were recognised before. */
  readonly verdicts: readonly EchoVerdict[]
  /** To these objects, by id. */
  readonly writes: readonly OutstandingWrite[]
}

/** What was decided about events of one object, from facts that must still hold. */
export interface EchoDecision {
  readonly echoes: readonly { readonly seq: number; readonly write: number }[]
  /** Writes that no later event can be the echo of: those above too. */
  readonly gone: readonly number[]
  /** Writes that only their version can be recognised by from now on. */
  readonly blunted: readonly number[]
}

/** Remembers writes until their echo has come, and which events were echoes, as long as the events are kept. */
export interface EchoJournal {
  /** Commits that these writes are about to be sent. Repeating it changes nothing that matters. */
  registerWrites(writes: readonly WriteRegistration[]): Promise<void>
  /** Says what became of them; a write that is gone stays gone. Repeating it changes nothing. */
  settleWrites(outcomes: readonly WriteOutcome[]): Promise<void>
  echoFacts(query: {
    readonly seqs: readonly number[]
    readonly objects: readonly { readonly system: string; readonly object: string }[]
  }): Promise<EchoFacts>
  /**
   * Commits decisions, each whole or not at all: not when one of its writes is gone or was registered again, or its
   * event was decided meanwhile. Answers the places of those that were not: ask for the facts again.
   */
  decideEchoes(decisions: readonly EchoDecision[]): Promise<readonly number[]>
  /**
   * Deletes writes, at most `limit`, whose time has passed in the log as far as all these flows have read it (no flows: whose time has passed), and those
   * that are a month past it. Answers how many.
   */
  sweepWrites(sweep: { readonly flows: readonly number[]; readonly limit: number }): Promise<number>
}
