import type { Config } from '../define/config.ts'
import type { OutboxSettings } from '../define/outbox-config.ts'
import type { Cancel, Clock } from '../engine/clock.ts'
import { BusbarError } from '../errors.ts'
import type { StoredEvent } from '../journal/port.ts'
import type { AcceptedRow, Moved, Outbox, RejectedRow } from '../journal/port-outbox.ts'
import { isAccepted, judgeRow, reasonOf } from './outbox-event.ts'
import { OutboxFloor } from './outbox-floor.ts'

/** What a relay needs. */
export interface OutboxRelayDeps {
  readonly outbox: Outbox
  readonly config: Config
  readonly settings: OutboxSettings
  /** Its name in the lease: no other process has the same. */
  readonly relay: string
  readonly clock: Clock
  /** Told of what a move has appended, for the worker of the same process. Must not throw. */
  readonly onAppended: (stretch: { prev: number; head: number; events: readonly StoredEvent[] }) => void
  /** Must not throw. */
  readonly observe: (moved: OutboxMove) => void
  /** A row was set aside. Must not throw. */
  readonly onRejected: (row: {
    readonly type: string
    readonly code: string
    readonly message: string
  }) => void
  /** The journal did not answer; the relay goes on. Must not throw. */
  readonly onError: (error: unknown) => void
}

/** What one move came to, in rows. */
export interface OutboxMove {
  readonly moved: number
  readonly duplicates: number
  /** Codes of the rows that were set aside. */
  readonly rejected: readonly string[]
}

const maxMoveBytes = 1_048_576
const leaseMs = 5_000
/** For so long after a row has come, the next one is looked for at short intervals. */
const livelyMs = 10_000
const lively = { firstMs: 5, longestMs: 50 }
const failurePauseMs = { first: 100, longest: 5_000 }
const horizonEveryMs = 1_000
/** A row that somebody wrote past publish() may come up below the floor: it waits no longer than this. */
const floorLifeMs = 60_000

/**
 * Moves rows of the outbox into the log, the oldest first, batch after batch: reads one, judges each row by its contract, and has
 * the journal append, set aside and delete in one transaction. One relay at a time holds a lease and works; the others look
 * once in `idleMs`. Should two work at once, each row is still moved once. A row that cannot become an event is set aside
 * with its reason and never stops the rows behind it. `start` and `stop` are safe to call twice.
 */
export class OutboxRelay {
  readonly #deps: OutboxRelayDeps
  readonly #floor = new OutboxFloor()
  #running: Promise<void> | undefined
  #stopped = false
  #wake: (() => void) | undefined
  #leaseUntil = Number.NEGATIVE_INFINITY
  #livelyUntil = Number.NEGATIVE_INFINITY
  #horizonAt = Number.NEGATIVE_INFINITY
  #floorUntil = Number.NEGATIVE_INFINITY
  #pauseMs = 0

  constructor(deps: OutboxRelayDeps) {
    this.#deps = deps
  }

  start(): void {
    if (!this.#stopped) this.#running ??= this.#run()
  }

  /** Resolves when its last move has settled and the lease is given back. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#wake?.()
    await this.#running
  }

  /** A row is about to be committed: look soon. */
  expect(): void {
    this.#livelyUntil = this.#deps.clock.monotonic() + livelyMs
    this.#wake?.()
  }

  async #run(): Promise<void> {
    const { clock, outbox, relay, onError } = this.#deps
    let failureMs = failurePauseMs.first
    while (!this.#stopped) {
      let pauseMs: number
      try {
        pauseMs = (await this.moveOnce()) > 0 ? 0 : this.#nextPause()
        failureMs = failurePauseMs.first
      } catch (error) {
        onError(error)
        this.#leaseUntil = Number.NEGATIVE_INFINITY
        pauseMs = failureMs
        failureMs = Math.min(failureMs * 2, failurePauseMs.longest)
      }
      if (pauseMs > 0 && !this.#stopped) await this.#rest(clock, pauseMs)
    }
    if (this.#leaseUntil > clock.monotonic()) await outbox.release(relay).catch(onError)
  }

  /** Short while rows come, then doubling up to `idleMs`. */
  #nextPause(): number {
    const { clock, settings } = this.#deps
    const longestMs =
      clock.monotonic() < this.#livelyUntil ? Math.min(lively.longestMs, settings.idleMs) : settings.idleMs
    this.#pauseMs = Math.min(Math.max(this.#pauseMs * 2, lively.firstMs), longestMs)
    return this.#pauseMs
  }

  async #rest(clock: Clock, pauseMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel: Cancel = clock.timer(pauseMs, resolve)
    this.#wake = () => {
      this.#pauseMs = 0
      resolve()
    }
    await promise
    cancel()
    this.#wake = undefined
  }

  /** One batch: answers how many rows were read, 0 also where another relay works. Rejects when the journal does not answer. */
  async moveOnce(): Promise<number> {
    const { outbox, config, settings, clock } = this.#deps
    this.#renewFloor()
    if (!(await this.#mine())) return 0
    await this.#lookAtHorizon()
    const { maxBodyBytes } = config.http
    const rows = await outbox.read({
      after: this.#floor.after,
      limit: settings.maxBatch,
      maxBytes: maxMoveBytes,
      maxRowBytes: maxBodyBytes,
    })
    this.#floor.found(rows[0]?.id)
    if (rows.length === 0) return 0
    this.expect()
    this.#pauseMs = 0
    const judged = await Promise.all(rows.map((row) => judgeRow(row, { config, clock })))
    const rejected = judged.filter((row): row is RejectedRow => !isAccepted(row))
    const types = new Map(rows.map(({ id, type }) => [id, type]))
    await this.#move({ accepted: judged.filter(isAccepted), rejected, types })
    return rows.length
  }

  /** Asked only when the lease is about to run out: while rows come, a batch costs no more than it must. */
  async #mine(): Promise<boolean> {
    const { outbox, relay, clock } = this.#deps
    const now = clock.monotonic()
    if (now < this.#leaseUntil - leaseMs / 2) return true
    const claim = await outbox.claim(relay, { leaseMs, after: this.#floor.after })
    if (claim === 'mine') this.#leaseUntil = now + leaseMs
    return claim === 'mine'
  }

  #renewFloor(): void {
    const now = this.#deps.clock.monotonic()
    if (now < this.#floorUntil) return
    this.#floor.forget()
    this.#floorUntil = now + floorLifeMs
  }

  async #lookAtHorizon(): Promise<void> {
    const now = this.#deps.clock.monotonic()
    if (now < this.#horizonAt) return
    this.#floor.observe(await this.#deps.outbox.horizon())
    this.#horizonAt = now + horizonEveryMs
  }

  /**
   * When the database refuses a row, in halves, in order, until the one bad row is alone: it is set aside. Nothing that was
   * moved by another meanwhile is moved again.
   */
  async #move(batch: Batch): Promise<boolean> {
    const { accepted, rejected, types } = batch
    try {
      const moved = await this.#deps.outbox.move(accepted, rejected)
      if (moved) this.#tell(batch, moved)
      return moved !== undefined
    } catch (error) {
      const refused = error instanceof BusbarError && error.code === 'event.invalid'
      if (!refused || accepted.length === 0) throw error
      const [only] = accepted
      if (only && accepted.length === 1) {
        const row = { id: only.id, ...reasonOf(error, only.event) }
        return this.#move({ accepted: [], rejected: [...rejected, row], types })
      }
      const half = accepted.length >> 1
      const first = { accepted: accepted.slice(0, half), rejected, types }
      return (await this.#move(first)) && this.#move({ accepted: accepted.slice(half), rejected: [], types })
    }
  }

  #tell({ accepted, rejected, types }: Batch, moved: Moved): void {
    const gone = new Set([...moved.duplicates, ...moved.conflicts])
    const events = accepted.flatMap(({ event }, index): StoredEvent[] =>
      gone.has(index) ? [] : [{ ...event, seq: moved.prev + index + 1, receivedAt: moved.receivedAt }],
    )
    if (events.length > 0) this.#deps.onAppended({ prev: moved.prev, head: moved.head, events })
    const conflicts = moved.conflicts.flatMap((index) => {
      const event = accepted[index]?.event
      return event
        ? [{ type: event.type, code: 'event.conflict', message: `${event.source} ${event.id}` }]
        : []
    })
    const aside = [
      ...rejected.map(({ id, code, message }) => ({ type: types.get(id) ?? '', code, message })),
      ...conflicts,
    ]
    for (const row of aside) this.#deps.onRejected(row)
    this.#deps.observe({
      moved: events.length,
      duplicates: moved.duplicates.length,
      rejected: aside.map(({ code }) => code),
    })
  }
}

interface Batch {
  readonly accepted: readonly AcceptedRow[]
  readonly rejected: readonly RejectedRow[]
  /** Event types by row, for the log line. */
  readonly types: ReadonlyMap<number, string>
}
