import type { GateClient } from './gate.ts'
import type { Lane } from './lane.ts'

/** What a ready queue asks of its lanes. */
export interface ReadyQueueDeps {
  /** Starts the head of a lane; false when it may not start now, and will be offered again. */
  readonly start: (lane: Lane) => boolean
  /** Whether anything of the group may start. */
  readonly mayStart: () => boolean
  readonly gateChanged: () => void
}

/** Lanes of one group whose head waits for one gate, first come first served. */
export class ReadyQueue implements GateClient {
  readonly #deps: ReadyQueueDeps
  #queue: Lane[] = []

  constructor(deps: ReadyQueueDeps) {
    this.#deps = deps
  }

  get hasReady(): boolean {
    return this.#queue.length > 0 && this.#deps.mayStart()
  }

  push(lane: Lane): void {
    lane.ready = true
    this.#queue.push(lane)
  }

  /** Empties the queue. */
  takeAll(): Lane[] {
    const lanes = this.#queue
    this.#queue = []
    for (const lane of lanes) lane.ready = false
    return lanes
  }

  startNext(): boolean {
    for (let lane = this.#queue.shift(); lane; lane = this.#queue.shift()) {
      lane.ready = false
      if (this.#deps.start(lane)) return true
    }
    return false
  }

  gateChanged(): void {
    this.#deps.gateChanged()
  }
}
