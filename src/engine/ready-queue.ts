import type { GateClient } from './gate.ts'
import type { StepRun } from './run.ts'

/** What a ready queue asks of its group. */
export interface ReadyQueueDeps {
  /** Starts a step; false when it may not start now, and will be offered again. */
  readonly start: (stepRun: StepRun) => boolean
  /** Whether anything of the group may start. */
  readonly mayStart: () => boolean
  readonly gateChanged: () => void
}

/** Steps of one group that wait for one gate, first come first served. */
export class ReadyQueue implements GateClient {
  readonly #deps: ReadyQueueDeps
  #queue: StepRun[] = []

  constructor(deps: ReadyQueueDeps) {
    this.#deps = deps
  }

  get hasReady(): boolean {
    return this.#queue.length > 0 && this.#deps.mayStart()
  }

  push(stepRun: StepRun): void {
    stepRun.place = 'ready'
    this.#queue.push(stepRun)
  }

  /** Empties the queue. */
  takeAll(): StepRun[] {
    const taken = this.#queue
    this.#queue = []
    for (const stepRun of taken) stepRun.place = 'idle'
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
