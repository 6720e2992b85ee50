import type { CarriedEvent } from '../define/transport.ts'
import type { RelayJournal } from '../journal/port-relay.ts'
import type { EventLog } from '../journal/port.ts'
import type { Cancel, Clock } from './clock.ts'

/** What a relay needs. */
export interface LogRelayDeps {
  readonly journal: RelayJournal & Pick<EventLog, 'head'>
  /** Name of the transport: each has one relay. */
  readonly transport: string
  /** Its name in the lease: no other process has the same. */
  readonly holder: string
  /** Resolves when the broker has confirmed all. */
  readonly publish: (events: readonly CarriedEvent[]) => Promise<void>
  readonly clock: Clock
  /** So many events were confirmed. Must not throw. */
  readonly onCarried: (events: number, position: number) => void
  /** Journal or broker do not answer; it goes on. Must not throw. */
  readonly onError: (error: unknown) => void
}

const leaseMs = 5_000
const maxBatch = 500
const maxBatchBytes = 4 * 1_048_576
/** The position is written as often; what was sent since is sent again by the next relay. */
const holdEveryMs = 250
const idle = { firstMs: 2, longestMs: 50 }
const standbyMs = 1_000
/** A broker that is back must get what is new before owners miss it, which they do after five seconds. */
const failurePauseMs = { first: 100, longest: 2_000 }

/**
 * Carries the log to a broker: follows it from its position on, publishes batch after batch with confirms, and moves its
 * position once a batch is confirmed. So the log is the outbox, and there is no second write. One relay at a time holds a
 * lease; should two work at once, events are only carried twice, which nobody minds. `start` and `stop` are safe to
 * call twice.
 */
export class LogRelay {
  readonly #deps: LogRelayDeps
  #running: Promise<void> | undefined
  #stopped = false
  #wake: (() => void) | undefined
  #position = 0
  #heldAt = Number.NEGATIVE_INFINITY
  #holds = false
  #head = 0
  #pauseMs = idle.firstMs

  constructor(deps: LogRelayDeps) {
    this.#deps = deps
  }

  start(): void {
    if (!this.#stopped) this.#running ??= this.#run()
  }

  /** The log has grown up to here. */
  appended(head: number): void {
    this.#head = Math.max(this.#head, head)
    if (this.#holds) this.#wake?.()
  }

  /** Resolves when what was under way has ended and the lease is given back. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#wake?.()
    await this.#running
  }

  async #run(): Promise<void> {
    const { journal, transport, holder, onError } = this.#deps
    let failureMs = failurePauseMs.first
    while (!this.#stopped) {
      let pauseMs: number
      try {
        pauseMs = await this.#step()
        failureMs = failurePauseMs.first
      } catch (error) {
        onError(error)
        pauseMs = failureMs
        failureMs = Math.min(failureMs * 2, failurePauseMs.longest)
      }
      if (pauseMs > 0 && !this.#stopped) await this.#rest(pauseMs)
    }
    if (!this.#holds) return
    try {
      await journal.holdRelay({ transport, holder, leaseMs, position: this.#position })
      await journal.releaseRelay(transport, holder)
    } catch (error) {
      onError(error)
    }
  }

  /** Answers how long to rest. */
  async #step(): Promise<number> {
    if (!(await this.#hold())) return standbyMs
    if (this.#head <= this.#position) {
      this.#head = await this.#deps.journal.head()
      // A database restored to an earlier moment: what comes now has numbers that were carried before.
      this.#position = Math.min(this.#position, this.#head)
      if (this.#head <= this.#position) return (this.#pauseMs = Math.min(this.#pauseMs * 2, idle.longestMs))
    }
    this.#pauseMs = idle.firstMs
    const { events, readTo } = await this.#deps.journal.readAll({
      after: this.#position,
      upTo: this.#head,
      limit: maxBatch,
      maxBytes: maxBatchBytes,
    })
    if (events.length > 0) await this.#deps.publish(events)
    this.#position = readTo
    this.#deps.onCarried(events.length, readTo)
    return 0
  }

  async #hold(): Promise<boolean> {
    const { journal, transport, holder, clock } = this.#deps
    const now = clock.monotonic()
    if (this.#holds && now - this.#heldAt < holdEveryMs) return true
    const position = await journal.holdRelay({ transport, holder, leaseMs, position: this.#position })
    const held = this.#holds
    this.#holds = position !== 'held'
    this.#heldAt = now
    // Again, or for the first time: another may have come further, or not as far as this one once was.
    if (position !== 'held' && !held) this.#position = position
    return this.#holds
  }

  async #rest(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel: Cancel = this.#deps.clock.timer(ms, resolve)
    this.#wake = () => {
      cancel()
      resolve()
    }
    await promise
    this.#wake = undefined
  }
}
