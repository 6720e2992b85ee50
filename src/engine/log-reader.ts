import type { EventLog, StoredEvent } from '../journal/port.ts'
import type { Clock } from './clock.ts'

/** A stretch of the log that is known without reading it: what one append stored after `prev`. */
export interface Stretch {
  readonly prev: number
  readonly head: number
  readonly events: readonly StoredEvent[]
}

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

  constructor(deps: {
    log: Pick<EventLog, 'head'>
    clock: Clock
    onMove: () => void
    onError: (error: unknown) => void
  }) {
    this.#log = deps.log
    this.#clock = deps.clock
    this.#onMove = deps.onMove
    this.#onError = deps.onError
  }

  get head(): number {
    return this.#head
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

  /** One head query per process, 2 ms apart while others append, 50 ms when idle. */
  async #poll(): Promise<void> {
    while (!this.#stopped) {
      try {
        const moved = this.#moveTo(await this.#log.head())
        this.#pauseMs = moved ? 2 : Math.min(this.#pauseMs * 2, 50)
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
