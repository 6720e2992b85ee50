import type { GateClient } from './gate.ts'
import type { CallRun } from './run.ts'

/** What a ready queue asks of its group. */
export interface ReadyQueueDeps {
  /** Starts a step; false when it may not start now, and will be offered again. */
  readonly start: (stepRun: CallRun) => boolean
  /** Whether anything of the group may start. */
  readonly mayStart: () => boolean
  readonly gateChanged: () => void
}

/** Places of those that have gone are given up after so many. */
const mostGone = 1_024

/** Steps of one group that wait for one gate, first come first served. */
export class ReadyQueue implements GateClient {
  readonly #deps: ReadyQueueDeps
  /** From `#first` on: taking off the front of a long array moves all the rest. */
  #queue: (CallRun | undefined)[] = []
  #first = 0

  constructor(deps: ReadyQueueDeps) {
    this.#deps = deps
  }

  get hasReady(): boolean {
    return this.#queue.length > this.#first && this.#deps.mayStart()
  }

  push(stepRun: CallRun): void {
    stepRun.place = 'ready'
    this.#queue.push(stepRun)
  }

  /** Takes out those that match. */
  take(matches: (call: CallRun) => boolean): CallRun[] {
    const waiting = this.#queue.slice(this.#first) as CallRun[]
    const taken = waiting.filter(matches)
    if (taken.length === 0) return taken
    this.#queue = waiting.filter((call) => !matches(call))
    this.#first = 0
    for (const call of taken) call.place = 'idle'
    return taken
  }

  /** A gate asks all of its groups in turn, also one that may start nothing: it is handed over, paused, or has too much to write. */
  startNext(): boolean {
    if (!this.#deps.mayStart()) return false
    for (let next = this.#shift(); next; next = this.#shift()) {
      next.place = 'idle'
      if (this.#deps.start(next)) return true
    }
    return false
  }

  #shift(): CallRun | undefined {
    const next = this.#queue[this.#first]
    if (!next) return undefined
    this.#queue[this.#first++] = undefined
    if (this.#first === this.#queue.length || this.#first >= mostGone) {
      this.#queue = this.#queue.slice(this.#first)
      this.#first = 0
    }
    return next
  }

  gateChanged(): void {
    this.#deps.gateChanged()
  }
}
