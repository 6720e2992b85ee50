/** An event of the log as a transport carries it. */
export interface CarriedEvent {
  readonly seq: number
  readonly source: string
  readonly id: string
  readonly type: string
  readonly key: string | null
  /** Hash of the key; of it comes the partition. */
  readonly khash: number
  /** Milliseconds since 1970, to the microsecond. */
  readonly receivedAt: number
  /** JSON text as it came in. */
  readonly data: string
  /** The other attributes, JSON text. */
  readonly ext: string
}

/** What the owner of one partition of a lane group asks a transport for. */
export interface CarryRequest {
  readonly group: string
  readonly part: number
  readonly parts: number
  /** Events of these types. */
  readonly types: readonly string[]
  /** Something has come, or it cannot carry any more. */
  readonly onArrival: () => void
}

/**
 * What a transport says to the owner of one partition: hints, never more. The owner reads the log up to where messages
 * have come, and looks at the log now and then all the same: so it does no harm when messages are lost, doubled, late or
 * out of order.
 */
export interface Carrier {
  /** Whether its messages can be relied on to come now. When not, the owner follows the log itself. */
  readonly carries: boolean
  /** Messages have come up to this seq; 0 before the first. */
  readonly horizon: number
  /** How many messages have come. */
  readonly arrivals: number
  /** The owner has read the log up to here. */
  readTo(seq: number): void
  /** Everything up to here has its outcome in the journal: messages may be acknowledged. */
  settledTo(seq: number): void
  /** A look at the log found events that should have come. */
  missed(): void
  /**
   * The log ends here: of the first `arrivals` messages, those that speak of what is above are of no event of it, but of
   * another hub's, or of a log that has been restored to an earlier moment.
   */
  logEndsAt(seq: number, arrivals: number): void
  /** The owner can take nothing for a while, or takes again. */
  want(wanted: boolean): void
  /** Resolves when nothing is held any more, within two seconds; what was not acknowledged is for the next owner. */
  close(): Promise<void>
}

/** What a queue at the broker is for. */
export interface CarrierQueue {
  readonly queue: string
  readonly group: string
  readonly part: number
  readonly parts: number
  readonly types: readonly string[]
}

/** What a transport needs of the hub that uses it. */
export interface TransportOptions {
  /** Name of the hub: part of the names at the broker. */
  readonly hub: string
  /** The broker is away, refuses something, or the like; it goes on trying. Must not throw. */
  readonly onError: (error: unknown) => void
  /** A queue is there, with these bindings. Must not throw. */
  readonly onQueue: (queue: CarrierQueue) => void
}

/** How a transport stands in this process. */
export interface TransportStanding {
  /** Whether it has every connection that this process needs now; undefined: none was needed yet. */
  readonly connected: boolean | undefined
  /** The partitions that this process runs, and whether the broker carries their events to it now. */
  readonly partitions: readonly { readonly group: string; readonly part: number; readonly carries: boolean }[]
}

/** A broker in use. It connects when it is first needed, and again when it has lost the connection. */
export interface TransportConnection {
  /** Carries events to the owner of a partition, until the carrier is closed. */
  carry(request: CarryRequest): Carrier
  /** Resolves when the broker has confirmed all of them; rejects when that is not known of some. Safe to repeat. */
  publish(events: readonly CarriedEvent[]): Promise<void>
  /** Removes a queue; resolves with how many messages were in it, or undefined when there is none of this name. */
  removeQueue(queue: string): Promise<number | undefined>
  /** Messages in a queue; undefined when there is none of this name. */
  queueLength(queue: string): Promise<number | undefined>
  /** Resolves when the broker answers; may wait for a connection for as long as ten seconds, then rejects. */
  reach(): Promise<void>
  /** Asks nobody. */
  standing(): TransportStanding
  close(): Promise<void>
}

/** What carries events from the log to the workers. `log`: they read it themselves. */
export interface TransportConfig {
  readonly kind: 'log' | 'rabbitmq'
  /** Shown to people: where the broker is, without credentials. */
  readonly address: string
  /** Absent for `log`. */
  readonly connect?: (options: TransportOptions) => TransportConnection
}

/** Workers read the log themselves: the default. */
export function log(): TransportConfig {
  return { kind: 'log', address: 'the journal' }
}

/** Hash slots into which keys are sorted for routing; a partition of `n` has every n-th of them. */
export const hashSlots = 64
