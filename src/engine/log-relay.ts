import type { CarriedEvent } from '../define/transport.ts'
import type { RelayJournal } from '../journal/port-relay.ts'
import type { EventLog } from '../journal/port.ts'
import type { Bell } from './bell.ts'
import { createBell } from './bell.ts'
import type { Cancel, Clock } from './clock.ts'
import type { Stretch } from './log-reader.ts'
import { LogTail } from './log-reader.ts'

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
/** Batches that are sent and not confirmed: a broker that syncs to disk answers late, not slowly. */
const maxUnconfirmed = 4
/** The position is written as often; what was sent since is sent again by the next relay. */
const holdEveryMs = 250
const standbyMs = 1_000
/** A broker that is back must get what is new before owners miss it, which they do after five seconds. */
const failurePauseMs = { first: 100, longest: 2_000 }

interface Batch {
  readonly events: readonly CarriedEvent[]
  /** Up to where the log is sent with it. */
  readonly readTo: number
}

/**
 * Carries the log to a broker: follows it from its position on, publishes batch after batch with confirms, and moves its
 * position when they are confirmed, in the order of the log. So the log is the outbox, and there is no second write. One
 * relay at a time holds a lease; should two work at once, events are only carried twice, which nobody minds. `start` and
 * `stop` are safe to call twice.
 */
export class LogRelay {
  readonly #deps: LogRelayDeps
  readonly #tail: LogTail
  readonly #bell: Bell = createBell()
  /** Rung at the end alone. */
  readonly #end: Bell = createBell()
  #running: Promise<void> | undefined
  #stopped = false
  /** Everything up to here is confirmed. */
  #position = 0
  #sentTo = 0
  #unconfirmed: { readonly batch: Batch; confirmed: boolean; readonly settled: Promise<void> }[] = []
  #failure: { readonly error: unknown } | undefined
  #heldAt = Number.NEGATIVE_INFINITY
  #holds = false

  constructor(deps: LogRelayDeps) {
    const { journal, clock, onError } = deps
    this.#deps = deps
    this.#tail = new LogTail({ log: journal, clock, onMove: () => this.#bell.ring(), onError })
  }

  start(): void {
    if (!this.#stopped) this.#running ??= this.#run()
  }

  /** This process has appended a stretch, which need not be read again. */
  appended(stretch: Stretch): void {
    if (this.#holds) this.#tail.appended(stretch)
  }

  /** Resolves when what was under way has ended and the lease is given back. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#bell.ring()
    this.#end.ring()
    await this.#running
  }

  async #run(): Promise<void> {
    const { journal, transport, holder, onError } = this.#deps
    let failureMs = failurePauseMs.first
    while (!this.#stopped) {
      try {
        await this.#step()
        failureMs = failurePauseMs.first
      } catch (error) {
        onError(error)
        await this.#rest(failureMs, this.#end)
        failureMs = Math.min(failureMs * 2, failurePauseMs.longest)
      }
    }
    this.#tail.stop()
    await this.#settled()
    if (!this.#holds) return
    try {
      await journal.holdRelay({ transport, holder, leaseMs, position: this.#position })
      await journal.releaseRelay(transport, holder)
    } catch (error) {
      onError(error)
    }
  }

  async #step(): Promise<void> {
    if (this.#failure) await this.#beginAgain(this.#failure.error)
    if (!(await this.#hold())) return this.#rest(standbyMs)
    if (this.#unconfirmed.length >= maxUnconfirmed) {
      await Promise.race(this.#unconfirmed.map(({ settled }) => settled))
      return
    }
    if (this.#tail.head <= this.#sentTo) return this.#rest(holdEveryMs)
    this.#send(await this.#next())
  }

  async #next(): Promise<Batch> {
    const stretch = this.#tail.after(this.#sentTo)
    if (stretch && stretch.events.length <= 2 * maxBatch)
      return { events: stretch.events, readTo: stretch.head }
    return this.#deps.journal.readAll({
      after: this.#sentTo,
      upTo: this.#tail.head,
      limit: maxBatch,
      maxBytes: maxBatchBytes,
    })
  }

  #send(batch: Batch): void {
    const settled = (batch.events.length > 0 ? this.#deps.publish(batch.events) : Promise.resolve()).then(
      () => {
        sent.confirmed = true
        this.#moveOn()
      },
      (error: unknown) => {
        this.#failure ??= { error }
        this.#bell.ring()
      },
    )
    const sent = { batch, confirmed: false, settled }
    this.#unconfirmed.push(sent)
    this.#sentTo = batch.readTo
  }

  #moveOn(): void {
    while (this.#unconfirmed[0]?.confirmed) {
      const { events, readTo } = (this.#unconfirmed.shift() as { batch: Batch }).batch
      this.#position = readTo
      this.#deps.onCarried(events.length, readTo)
    }
  }

  async #settled(): Promise<void> {
    await Promise.all(this.#unconfirmed.map(({ settled }) => settled))
  }

  /** What follows the last that is confirmed is sent once more. */
  async #beginAgain(error: unknown): Promise<never> {
    await this.#settled()
    this.#unconfirmed = []
    this.#sentTo = this.#position
    this.#failure = undefined
    throw error
  }

  async #hold(): Promise<boolean> {
    const { journal, transport, holder, clock } = this.#deps
    const now = clock.monotonic()
    if (this.#holds && now - this.#heldAt < holdEveryMs) return true
    const position = await journal.holdRelay({ transport, holder, leaseMs, position: this.#position })
    this.#heldAt = now
    if (position === 'held') {
      this.#holds = false
      this.#tail.stop()
      return false
    }
    // For the first time, or again: another may have come further.
    if (!this.#holds) await this.#settled()
    if (!this.#holds) this.#position = this.#sentTo = position
    this.#holds = true
    this.#tail.start()
    return true
  }

  /** Until something has come, at most so long. */
  async #rest(ms: number, bell = this.#bell): Promise<void> {
    const cancel: Cancel = this.#deps.clock.timer(ms, () => bell.ring())
    await bell.wait()
    cancel()
  }
}
