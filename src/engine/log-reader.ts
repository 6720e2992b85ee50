import { hashSlots } from '../define/transport.ts'
import type { EventLog, ReadWindow, StoredEvent } from '../journal/port.ts'
import type { Clock } from './clock.ts'

/** A stretch of the log that is known without reading it: what one append stored after `prev`. */
export interface Stretch {
  readonly prev: number
  readonly head: number
  readonly events: readonly StoredEvent[]
}

const patientMs = 500
/** Between two looks while others append: the more has come, the longer, so that a look brings several events. */
const shortestMs = 2
const longestMs = 10
const perEventMs = 0.25

/** Somebody who follows the log: which events are of interest, and how far it has come. */
export interface TailReader {
  readonly types: readonly string[]
  readonly part: number
  readonly parts: number
  readonly readHead: number
}

/** What is read ahead for all readers at once. */
const maxAhead = 1_000
const maxAheadBytes = 2 * 1_048_576
/** A reader that is further behind reads for itself. */
const nearTheEnd = 4_000

/**
 * What a process knows of the log's end: the head, and the stretches its own ingress appended a moment ago. A group may
 * take a stretch only if it continues exactly where the group has read to; everything else is read from the journal.
 */
export class LogTail {
  readonly #log: Pick<EventLog, 'head'> & Partial<Pick<EventLog, 'read'>>
  readonly #clock: Clock
  readonly #onMove: () => void
  readonly #onError: (error: unknown) => void
  readonly #readers = new Set<TailReader>()
  /** By the head before them. `readers`: for whom it was read; absent: it has everything. */
  readonly #recent = new Map<
    number,
    { readonly stretch: Stretch; readonly readers?: ReadonlySet<TailReader> }
  >()
  #recentBytes = 0
  #head = 0
  /** Rises with each start, so that of two loops one ends. */
  #round = 0
  #stopped = true
  #pauseMs = shortestMs
  readonly #patient: () => boolean
  readonly #onAnswer: ((head: number) => void) | undefined
  #asking: Promise<void> | undefined
  /** The head as it was a while ago, oldest first. */
  readonly #past: { readonly at: number; readonly head: number }[] = []

  constructor(deps: {
    /** With `read`, what has come is read once for all readers, where there are several. */
    log: Pick<EventLog, 'head'> & Partial<Pick<EventLog, 'read'>>
    clock: Clock
    onMove: () => void
    onError: (error: unknown) => void
    /** Whether somebody else says when the log has grown: then it is asked seldom. Default: nobody does. */
    patient?: () => boolean
    /** What the log has answered each time; may be behind what this process has appended meanwhile. */
    onAnswer?: (head: number) => void
  }) {
    this.#log = deps.log
    this.#clock = deps.clock
    this.#onMove = deps.onMove
    this.#onError = deps.onError
    this.#patient = deps.patient ?? (() => false)
    this.#onAnswer = deps.onAnswer
  }

  get head(): number {
    return this.#head
  }

  /** A head that was known so long ago, or longer; 0 when none was. */
  headBefore(ageMs: number): number {
    const latest = this.#clock.monotonic() - ageMs
    return this.#past.findLast(({ at }) => at <= latest)?.head ?? 0
  }

  /** Asks for the head now, and reads ahead; those that ask meanwhile share the answer. */
  refresh(): Promise<void> {
    return (this.#asking ??= this.#look()
      .then(() => undefined)
      .finally(() => (this.#asking = undefined)))
  }

  /** Takes part in what is read ahead, until it leaves. */
  join(reader: TailReader): void {
    this.#readers.add(reader)
  }

  leave(reader: TailReader): void {
    this.#readers.delete(reader)
  }

  /** The stretch that begins right after `readHead`, if it is known here with all that this reader is interested in; without one, with everything. */
  after(readHead: number, reader?: TailReader): Stretch | undefined {
    const known = this.#recent.get(readHead)
    if (!known) return undefined
    return !known.readers || (reader && known.readers.has(reader)) ? known.stretch : undefined
  }

  /** This process appended a stretch. An append of unknown outcome must not be given. */
  appended(stretch: Stretch): void {
    if (stretch.head > stretch.prev) this.#remember(stretch)
    this.#moveTo(stretch.head)
  }

  start(): void {
    if (!this.#stopped) return
    this.#stopped = false
    void this.#poll(++this.#round)
  }

  stop(): void {
    this.#stopped = true
  }

  /** One head query per process, 2 to 10 ms apart while others append, 50 ms when idle, half a second where others say it. */
  async #poll(round: number): Promise<void> {
    while (!this.#stopped && round === this.#round) {
      try {
        const before = this.#head
        const moved = await this.#look()
        if (this.#patient()) this.#pauseMs = patientMs
        else if (moved) this.#pauseMs = Math.min(shortestMs + (this.#head - before) * perEventMs, longestMs)
        else this.#pauseMs = Math.min(this.#pauseMs * 2, 50)
        this.#remark()
      } catch (error) {
        this.#onError(error)
        this.#pauseMs = 250
      }
      await new Promise<void>((resolve) => this.#clock.timer(this.#pauseMs, resolve))
    }
  }

  async #look(): Promise<boolean> {
    const head = await this.#log.head()
    this.#onAnswer?.(head)
    await this.#readAhead(head).catch(this.#onError) // then each reads for itself
    return this.#moveTo(head)
  }

  /** One look for all instead of one for each; only what is new, and only where most of it is wanted soon. */
  async #readAhead(head: number): Promise<void> {
    const after = this.#head
    if (!this.#log.read || head <= after || head - after > maxAhead) return
    const readers = new Set([...this.#readers].filter(({ readHead }) => head - readHead < nearTheEnd))
    if (readers.size < 2) return
    const { events, readTo } = await this.#log.read({
      ...unionOf(readers),
      after,
      upTo: head,
      limit: maxAhead + 1,
      maxBytes: maxAheadBytes,
    })
    if (readTo === head) this.#remember({ prev: after, head, events }, readers)
  }

  #moveTo(head: number): boolean {
    if (head <= this.#head) return false
    this.#head = head
    this.#onMove()
    return true
  }

  /** Ten seconds of the past are enough. */
  #remark(): void {
    const at = this.#clock.monotonic()
    if (at - (this.#past.at(-1)?.at ?? Number.NEGATIVE_INFINITY) < 250) return
    this.#past.push({ at, head: this.#head })
    if (this.#past.length > 40) this.#past.shift()
  }

  /** Bounded: the oldest go first; a group that is further behind reads the journal. */
  #remember(stretch: Stretch, readers?: ReadonlySet<TailReader>): void {
    const known = this.#recent.get(stretch.prev)
    if (known && (readers || known.stretch.head >= stretch.head)) return
    if (known) this.#recentBytes -= bytesOf(known.stretch)
    this.#recent.set(stretch.prev, { stretch, ...(readers && { readers }) })
    this.#recentBytes += bytesOf(stretch)
    for (const [prev, oldest] of this.#recent) {
      if (this.#recentBytes <= 8 * 1_048_576 && this.#recent.size <= 1_000) break
      this.#recent.delete(prev)
      this.#recentBytes -= bytesOf(oldest.stretch)
    }
  }
}

/** All types of them, and the hash slots of their partitions. */
function unionOf(readers: ReadonlySet<TailReader>): Pick<ReadWindow, 'types' | 'part' | 'parts' | 'slots'> {
  const types = new Set<string>()
  const slots = new Set<number>()
  for (const reader of readers) {
    for (const type of reader.types) types.add(type)
    for (let slot = reader.part; slot < hashSlots; slot += reader.parts) slots.add(slot)
  }
  const whole = { types: [...types], part: 0, parts: 1 }
  return slots.size === hashSlots ? whole : { ...whole, slots: [...slots] }
}

function bytesOf(stretch: Stretch): number {
  return stretch.events.reduce((sum, event) => sum + event.data.length + 300, 0)
}
