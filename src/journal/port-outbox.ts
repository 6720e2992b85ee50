/** The outbox as its relay sees it: rows that applications have written inside their own transactions. See 0014-outbox.sql. */
import type { NewEvent } from './port.ts'

/** A row of the outbox. */
export interface OutboxRow {
  readonly id: number
  readonly source: string
  readonly eventId: string
  readonly type: string
  readonly key: string | null
  /** JSON text; null when it is larger than was asked for, and then it was not read. */
  readonly data: string | null
  /** Size of the data. */
  readonly bytes: number
  /** The other CloudEvents attributes, a flat JSON object. */
  readonly ext: string
}

/** A row that can become an event, and that event. */
export interface AcceptedRow {
  readonly id: number
  readonly event: NewEvent
}

/** A row that cannot, and why. */
export interface RejectedRow {
  readonly id: number
  readonly code: string
  /** What is wrong, never the data. */
  readonly message: string
}

/** What a move did; `index` is the place among the accepted rows. */
export interface Moved {
  readonly prev: number
  readonly head: number
  readonly receivedAt: number
  /** In the log already with the same data: these vanish. */
  readonly duplicates: readonly number[]
  /** In the log already with other data: these were rejected. */
  readonly conflicts: readonly number[]
}

/** Transactions that were still open when `last` was the highest id, and those that are open now. */
export interface OutboxHorizon {
  /** No higher id had been given. */
  readonly last: number
  /** The number of the oldest transaction that is open. */
  readonly oldest: number
  /** The number that the next transaction will have. */
  readonly next: number
}

/** Which rows to read: the oldest behind `after`, bounded by number and by bytes of data (but at least one). */
export interface OutboxWindow {
  readonly after: number
  readonly limit: number
  readonly maxBytes: number
  /** Data of a row larger than this is not read. */
  readonly maxRowBytes: number
}

/** What the relay does with the outbox; every operation is one call, one transaction. */
export interface Outbox {
  /**
   * Whether this relay is to move rows: `empty` when there is none behind `after`, `held` while another one has the
   * lease, else `mine` for `leaseMs`. Costs no write while the outbox is empty.
   */
  claim(relay: string, options: { readonly leaseMs: number; readonly after: number }): Promise<OutboxClaim>
  /** Gives the lease back. */
  release(relay: string): Promise<void>
  /** Rows that are visible now, by id. */
  read(window: OutboxWindow): Promise<readonly OutboxRow[]>
  horizon(): Promise<OutboxHorizon>
  /**
   * Appends the accepted rows to the log in this order, sets the rejected ones aside, and deletes all of them, or does
   * nothing: undefined when one of them is gone, since somebody else has moved it. Rejects with `event.invalid` when the
   * database surely refused a row, else with an outcome that is not known: read again, and what is there was not moved.
   */
  move(accepted: readonly AcceptedRow[], rejected: readonly RejectedRow[]): Promise<Moved | undefined>
}

/** See `Outbox.claim`. */
export type OutboxClaim = 'empty' | 'held' | 'mine'
