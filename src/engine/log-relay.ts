import type { CarriedEvent } from '../define/transport.ts'
import type { RelayJournal } from '../journal/port-relay.ts'
import type { EventLog } from '../journal/port.ts'
import type { Bell } from './bell.ts'
import { createBell } from './bell.ts'
import type { Cancel, Clock } from './clock.ts'
import { sleep } from './clock.ts'
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
/** Between two batches while events keep coming: each costs the broker and its consumers far more than one more event in it. */
const paceMs = 6
/** The position is written as often while it moves; what was sent since is sent again by the next relay. */
const holdEveryMs = { moving: 250, idle: 1_250 }
/** A broker that does not confirm must not keep a process from ending. */
const lastConfirmMs = 2_000
const standbyMs = 1_000
/** One that waits so long for a confirm leaves the lease to another, which may have a better way to the broker. */
const stuckMs = 2_500
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
  #tail: LogTail
  readonly #bell: Bell = createBell()
  readonly #end = Promise.withResolvers<void>()
  #running: Promise<void> | undefined
  #stopped = false
  /** Everything up to here is confirmed. */
  #position = 0
  /** As it was written last. */
  #heldPosition = 0
  #sentTo = 0
  #lastSentAt = Number.NEGATIVE_INFINITY
  /** The log has just said that it does not go so far as was sent. */
  #behindAt: number | undefined
  #unconfirmed: {
    readonly batch: Batch
    readonly at: number
    confirmed: boolean
    readonly settled: Promise<void>
  }[] = []
  #failure: { readonly error: unknown } | undefined
  #heldAt = Number.NEGATIVE_INFINITY
  #holds = false
  #ended: Promise<void> | undefined

  constructor(deps: LogRelayDeps) {
    this.#deps = deps
    this.#tail = this.#newTail()
  }

  start(): void {
    if (!this.#stopped) this.#running ??= this.#run()
  }

  /** This process has appended a stretch, which need not be read again. */
  appended(stretch: Stretch): void {
    if (this.#holds) this.#tail.appended(stretch)
  }

  /** Resolves when what was under way has ended, or two seconds later, and the lease is given back. */
  stop(): Promise<void> {
    this.#stopped = true
    this.#bell.ring()
    this.#end.resolve()
    return (this.#ended ??= Promise.resolve(this.#running))
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
        await Promise.race([sleep(this.#deps.clock, failureMs), this.#end.promise])
        failureMs = Math.min(failureMs * 2, failurePauseMs.longest)
      }
    }
    this.#tail.stop()
    await Promise.race([this.#settled(), sleep(this.#deps.clock, lastConfirmMs)])
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
    if (this.#isStuck || !(await this.#hold())) return this.#standBy()
    // A confirm rings, as does what has come.
    if (this.#unconfirmed.length >= maxUnconfirmed) return this.#rest(this.#holdEveryMs)
    if (this.#tail.head <= this.#sentTo) return this.#rest(this.#holdEveryMs)
    const early = this.#lastSentAt + paceMs - this.#deps.clock.monotonic()
    if (early > 0) return sleep(this.#deps.clock, early)
    this.#send(await this.#next())
  }

  #newTail(): LogTail {
    const { journal, clock, onError } = this.#deps
    return new LogTail({
      ...{ log: journal, clock, onError },
      onMove: () => this.#bell.ring(),
      onAnswer: (head) => this.#lookBack(head),
    })
  }

  /**
   * A database that was restored to an earlier moment gives numbers to other events that were carried before. Only when
   * it says so twice: one answer may be older than what this process has appended and sent meanwhile.
   */
  #lookBack(head: number): void {
    const isBehind = head < this.#sentTo && this.#unconfirmed.length === 0
    const isSure = isBehind && this.#behindAt === this.#sentTo
    this.#behindAt = isBehind ? this.#sentTo : undefined
    if (!isSure) return
    this.#position = this.#sentTo = head
    this.#tail.stop()
    this.#tail = this.#newTail()
    this.#tail.start()
  }

  async #next(): Promise<Batch> {
    const known = this.#known()
    if (known) return known
    return this.#deps.journal.readAll({
      after: this.#sentTo,
      upTo: this.#tail.head,
      limit: maxBatch,
      maxBytes: maxBatchBytes,
    })
  }

  /** What this process has appended right behind what is sent. */
  #known(): Batch | undefined {
    const events: CarriedEvent[] = []
    let readTo = this.#sentTo
    for (let stretch = this.#tail.after(readTo); stretch; stretch = this.#tail.after(readTo)) {
      if (events.length + stretch.events.length > (events.length === 0 ? 2 : 1) * maxBatch) break
      events.push(...stretch.events)
      readTo = stretch.head
    }
    return readTo > this.#sentTo ? { events, readTo } : undefined
  }

  #send(batch: Batch): void {
    const settled = (batch.events.length > 0 ? this.#deps.publish(batch.events) : Promise.resolve()).then(
      () => {
        sent.confirmed = true
        this.#moveOn()
        this.#bell.ring()
      },
      (error: unknown) => {
        this.#failure ??= { error }
        this.#bell.ring()
      },
    )
    const sent = { batch, at: this.#deps.clock.monotonic(), confirmed: false, settled }
    this.#unconfirmed.push(sent)
    this.#sentTo = batch.readTo
    this.#lastSentAt = sent.at
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
    await Promise.race([this.#settled(), this.#end.promise])
    this.#unconfirmed = []
    this.#sentTo = this.#position
    this.#failure = undefined
    throw error
  }

  get #isStuck(): boolean {
    const [oldest] = this.#unconfirmed
    return oldest !== undefined && this.#deps.clock.monotonic() - oldest.at > stuckMs
  }

  /** Its lease runs out, or another has it. */
  #standBy(): Promise<void> {
    this.#holds = false
    this.#tail.stop()
    return this.#rest(standbyMs)
  }

  get #holdEveryMs(): number {
    return this.#position === this.#heldPosition ? holdEveryMs.idle : holdEveryMs.moving
  }

  async #hold(): Promise<boolean> {
    const { journal, transport, holder, clock } = this.#deps
    const now = clock.monotonic()
    if (this.#holds && now - this.#heldAt < this.#holdEveryMs) return true
    const sent = this.#position
    const position = await journal.holdRelay({ transport, holder, leaseMs, position: sent })
    this.#heldAt = now
    this.#heldPosition = sent
    if (position === 'held') return false
    // For the first time, or again: another may have come further.
    if (!this.#holds) {
      await Promise.race([this.#settled(), this.#end.promise])
      // Of a database that was restored to an earlier moment the position may be of events that are no more.
      this.#position = this.#sentTo = Math.min(position, await journal.head())
    }
    this.#holds = true
    this.#tail.start()
    return true
  }

  /** Until something has come, at most so long. */
  async #rest(ms: number): Promise<void> {
    const cancel: Cancel = this.#deps.clock.timer(ms, () => this.#bell.ring())
    await this.#bell.wait()
    cancel()
  }
}
