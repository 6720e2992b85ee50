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

/** Steps of one group that wait for one gate, first come first served. */
export class ReadyQueue implements GateClient {
  readonly #deps: ReadyQueueDeps
  #queue: CallRun[] = []

  constructor(deps: ReadyQueueDeps) {
    this.#deps = deps
  }

  get hasReady(): boolean {
    return this.#queue.length > 0 && this.#deps.mayStart()
  }

  push(stepRun: CallRun): void {
    stepRun.place = 'ready'
    this.#queue.push(stepRun)
  }

  /** Takes out those that match. */
  take(matches: (call: CallRun) => boolean): CallRun[] {
    const taken = this.#queue.filter(matches)
    if (taken.length === 0) return taken
    this.#queue = this.#queue.filter((call) => !matches(call))
    for (const call of taken) call.place = 'idle'
    return taken
  }

  startNext(): boolean {
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      next.place = 'idle'
      if (this.#deps.start(next)) return true
    }
    return false
  }

  gateChanged(): void {
    this.#deps.gateChanged()
  }
}
