import type { OutboxHorizon } from '../journal/port-outbox.ts'

/**
 * Below which id no row can ever show again, so that a read need not pass the remains of a million deleted rows that vacuum
 * has not removed yet. Rows commit out of id order, so an id counts as past only when each transaction that could hold a
 * smaller one has ended (see `outbox_horizon`) *and* a read that began after that has found nothing there. Measured while
 * a report held back vacuum: after 150,000 moved rows a read of 500 took 8.6 ms from the start and rising, 1.2 ms from here.
 */
export class OutboxFloor {
  #after = 0
  /** Up to here every row that will ever be there is visible. */
  #settled = 0
  /** Settled as soon as all transactions below `next` have ended. */
  #awaited: { readonly last: number; readonly next: number } | undefined

  /** Read from behind this id. */
  get after(): number {
    return this.#after
  }

  /** What the journal said. */
  observe({ last, oldest, next }: OutboxHorizon): void {
    if (this.#awaited && oldest >= this.#awaited.next) {
      this.#settled = Math.max(this.#settled, this.#awaited.last)
      this.#awaited = undefined
    }
    this.#awaited ??= { last, next }
  }

  /** A read from behind `after` that began after the last `observe` found this as its first row, or none. */
  found(first: number | undefined): void {
    const free = first === undefined ? this.#settled : Math.min(this.#settled, first - 1)
    this.#after = Math.max(this.#after, free)
  }

  /** Trusts nothing any more: the next read begins at the very first row. */
  forget(): void {
    this.#after = 0
    this.#settled = 0
    this.#awaited = undefined
  }
}
