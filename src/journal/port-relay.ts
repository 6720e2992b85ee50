import type { CarrierQueue } from '../define/transport.ts'
import type { ReadResult } from './port.ts'

/**
 * A queue at a broker, as it was declared. `inUse`: a lane group has a partition that it is for, and no queue of another
 * name was declared for it since, as with another exchange.
 */
export interface KnownQueue extends Omit<CarrierQueue, 'types'> {
  readonly transport: string
  /** When it was last declared, as the journal writes it: to be compared, not read. */
  readonly declaredAt: string
  readonly inUse: boolean
}

/** What the relay of a transport reads and writes, and what is known of the broker's queues. */
export interface RelayJournal {
  /** Takes or renews the lease of this transport's relay and moves its position on; answers the position, or `held` by another. */
  holdRelay(hold: {
    readonly transport: string
    readonly holder: string
    readonly leaseMs: number
    readonly position: number
  }): Promise<number | 'held'>
  /** Gives the lease back. */
  releaseRelay(transport: string, holder: string): Promise<void>
  /** All events with `after < seq ≤ upTo`, ascending, cut off after `limit` events or `maxBytes` of data (at least one). */
  readAll(window: {
    readonly after: number
    readonly upTo: number
    readonly limit: number
    readonly maxBytes: number
  }): Promise<ReadResult>
  noteQueue(transport: string, queue: CarrierQueue): Promise<void>
  queues(): Promise<readonly KnownQueue[]>
  forgetQueue(transport: string, queue: string): Promise<void>
}
