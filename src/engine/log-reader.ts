import type { EventLog, StoredEvent } from '../journal/port.ts'
import type { Clock } from './clock.ts'

/** A stretch of the log that is known without reading it: what one append stored after `prev`. */
export interface Stretch {
  readonly prev: number
  readonly head: number
  readonly events: readonly StoredEvent[]
}

const patientMs = 500

/**
 * What a process knows of the log's end: the head, and the stretches its own ingress appended a moment ago. A group may
 * take a stretch only if it continues exactly where the group has read to; everything else is read from the journal.
 */
export class LogTail {
  readonly #log: Pick<EventLog, 'head'>
  readonly #clock: Clock
  readonly #onMove: () => void
  readonly #onError: (error: unknown) => void
  readonly #recent = new Map<number, Stretch>()
  #recentBytes = 0
  #head = 0
  #stopped = true
  #pauseMs = 2
  readonly #patient: () => boolean
  #asking: Promise<void> | undefined
  /** The head as it was a while ago, oldest first. */
  readonly #past: { readonly at: number; readonly head: number }[] = []

  constructor(deps: {
    log: Pick<EventLog, 'head'>
    clock: Clock
    onMove: () => void
    onError: (error: unknown) => void
    /** Whether somebody else says when the log has grown: then it is asked seldom. Default: nobody does. */
    patient?: () => boolean
  }) {
    this.#log = deps.log
    this.#clock = deps.clock
    this.#onMove = deps.onMove
    this.#onError = deps.onError
    this.#patient = deps.patient ?? (() => false)
  }

  get head(): number {
    return this.#head
  }

  /** A head that was known so long ago, or longer; 0 when none was. */
  headBefore(ageMs: number): number {
    const latest = this.#clock.monotonic() - ageMs
    return this.#past.findLast(({ at }) => at <= latest)?.head ?? 0
  }

  /** Asks for the head now; those that ask meanwhile share the answer. */
  refresh(): Promise<void> {
    return (this.#asking ??= this.#log
      .head()
      .then((head) => void this.#moveTo(head))
      .finally(() => (this.#asking = undefined)))
  }

  /** The stretch that begins right after `readHead`, if it is known here. */
  after(readHead: number): Stretch | undefined {
    return this.#recent.get(readHead)
  }

  /** This process appended a stretch. An append of unknown outcome must not be given. */
  appended(stretch: Stretch): void {
    if (stretch.head > stretch.prev) this.#remember(stretch)
    this.#moveTo(stretch.head)
  }

  start(): void {
    if (!this.#stopped) return
    this.#stopped = false
    void this.#poll()
  }

  stop(): void {
    this.#stopped = true
  }

  /** One head query per process, 2 ms apart while others append, 50 ms when idle, half a second where others say it. */
  async #poll(): Promise<void> {
    while (!this.#stopped) {
      try {
        const moved = this.#moveTo(await this.#log.head())
        this.#pauseMs = this.#patient() ? patientMs : moved ? 2 : Math.min(this.#pauseMs * 2, 50)
        this.#remark()
      } catch (error) {
        this.#onError(error)
        this.#pauseMs = 250
      }
      await new Promise<void>((resolve) => this.#clock.timer(this.#pauseMs, resolve))
    }
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
  #remember(stretch: Stretch): void {
    this.#recent.set(stretch.prev, stretch)
    this.#recentBytes += bytesOf(stretch)
    for (const [prev, oldest] of this.#recent) {
      if (this.#recentBytes <= 8 * 1_048_576 && this.#recent.size <= 1_000) break
      this.#recent.delete(prev)
      this.#recentBytes -= bytesOf(oldest)
    }
  }
}

function bytesOf(stretch: Stretch): number {
  return stretch.events.reduce((sum, event) => sum + event.data.length + 300, 0)
}
