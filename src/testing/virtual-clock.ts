import type { Cancel, Clock } from '../engine/clock.ts'

interface Timer {
  readonly at: number
  callback: (() => void) | undefined
}

/** Time that stands still until it is moved; timers fire in the order in which they are due. */
export class VirtualClock implements Clock {
  readonly #startedAt: number
  #elapsed = 0
  #timers: Timer[] = []

  constructor(startedAt: number) {
    this.#startedAt = startedAt
  }

  readonly now = (): number => this.#startedAt + this.#elapsed

  readonly monotonic = (): number => this.#elapsed

  readonly timer = (delayMs: number, callback: () => void): Cancel => {
    const timer: Timer = { at: this.#elapsed + Math.max(0, delayMs), callback }
    const place = this.#timers.findLastIndex(({ at }) => at <= timer.at) + 1
    this.#timers.splice(place, 0, timer)
    return () => (timer.callback = undefined)
  }

  /** When the next timer is due, on the clock that people see; undefined when there is none. */
  get nextAt(): number | undefined {
    while (this.#timers[0] && !this.#timers[0].callback) this.#timers.shift()
    return this.#timers[0] && this.#startedAt + this.#timers[0].at
  }

  /** Moves to this moment, never back, and fires what is due by then, each once: a jump calls a poll once, not a thousand times. */
  moveTo(at: number): void {
    this.#elapsed = Math.max(this.#elapsed, at - this.#startedAt)
    const due = this.#timers.filter((timer) => timer.at <= this.#elapsed)
    this.#timers = this.#timers.filter((timer) => timer.at > this.#elapsed)
    for (const timer of due) {
      const { callback } = timer
      timer.callback = undefined
      callback?.()
    }
  }
}
