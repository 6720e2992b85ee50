import { strict as assert } from 'node:assert'
import type { Cancel, Clock } from '../../src/engine/clock.ts'

interface Timer {
  readonly at: number
  readonly order: number
  callback: (() => void) | undefined
}

const epoch = 1_700_000_000_000
/** What Node's own timers take; they turn anything longer into 1 ms. */
const maxDelayMs = 2 ** 31 - 1

/**
 * Time that moves only from one timer to the next, and only after everything that the last one set off has settled: an
 * hour passes at once, and the same program takes the same course each time. Timers of one moment fire in the order in
 * which they were set.
 */
export class VirtualClock implements Clock {
  readonly #heap: Timer[] = []
  #order = 0
  #now = 0

  readonly now = (): number => epoch + this.#now

  readonly monotonic = (): number => this.#now

  readonly timer = (delayMs: number, callback: () => void): Cancel => {
    assert(delayMs <= maxDelayMs, `a timer of ${delayMs} ms cannot be set`)
    const timer: Timer = { at: this.#now + Math.max(0, delayMs), order: this.#order++, callback }
    this.#push(timer)
    return () => (timer.callback = undefined)
  }

  /** Moves on until the condition holds (true) or `maxMs` have passed (false). */
  run({ until, maxMs }: { readonly until: () => boolean; readonly maxMs: number }): Promise<boolean> {
    const deadline = this.#now + maxMs
    return new Promise((resolve, reject) => {
      // One turn of the event loop runs all microtasks to their end, however long their chains.
      const turn = () => {
        try {
          if (until()) return resolve(true)
          if (!this.#fireNext(deadline)) return resolve(until())
        } catch (error) {
          return reject(error instanceof Error ? error : new Error(String(error)))
        }
        setImmediate(turn)
      }
      setImmediate(turn)
    })
  }

  /** False when nothing is left to fire up to this moment, which it then is. */
  #fireNext(deadline: number): boolean {
    for (let next = this.#heap[0]; next && next.at <= deadline; next = this.#heap[0]) {
      this.#pop()
      if (!next.callback) continue
      this.#now = next.at
      next.callback()
      return true
    }
    this.#now = deadline
    return false
  }

  #push(timer: Timer): void {
    const heap = this.#heap
    let place = heap.length
    heap.push(timer)
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!earlier(timer, heap[parent] as Timer)) break
      heap[place] = heap[parent] as Timer
      place = parent
    }
    heap[place] = timer
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Timer
    if (heap.length === 0) return
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && earlier(heap[child + 1] as Timer, heap[child] as Timer)) child++
      if (!earlier(heap[child] as Timer, last)) break
      heap[place] = heap[child] as Timer
      place = child
    }
    heap[place] = last
  }
}

function earlier(one: Timer, other: Timer): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
