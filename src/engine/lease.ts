import { BusbarError } from '../errors.ts'
import type { Clock } from './clock.ts'

/**
 * Whether this worker surely still has its lease. Asked before each request: the time since the last successful
 * heartbeat was *sent*, by the clock that ran faster, must be a second short of the lease. The monotonic clock stands
 * still while a machine is suspended, the wall clock can step back; neither fools both.
 */
export class LeaseClock {
  readonly #clock: Clock
  readonly #leaseMs: number
  #sentMonotonic = Number.NEGATIVE_INFINITY
  #sentWall = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, leaseMs: number) {
    this.#clock = clock
    this.#leaseMs = leaseMs
  }

  /** A heartbeat that was sent at this moment has been confirmed. */
  confirmed(sent: { readonly monotonic: number; readonly wall: number }): void {
    this.#sentMonotonic = sent.monotonic
    this.#sentWall = sent.wall
  }

  readonly holds = (): boolean => {
    const elapsed = Math.max(
      this.#clock.monotonic() - this.#sentMonotonic,
      this.#clock.now() - this.#sentWall,
    )
    return elapsed < this.#leaseMs - 1_000
  }

  readonly check = (): void => {
    if (!this.holds())
      throw new BusbarError(
        'journal.lease-lost',
        'the worker has not reached the journal for too long: it must not send any more',
      )
  }
}
