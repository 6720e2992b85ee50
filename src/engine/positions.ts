import type { Run } from './run.ts'

/**
 * How far each flow of a group has come: the highest seq below which every matching event has its row. Runs are tracked
 * in seq order and settle in any order.
 */
export interface Positions {
  /** A run was read; those of a flow in ascending seq, each once. */
  track(run: Run): void
  /** Its row is committed. */
  settle(run: Run): void
  /** The positions, given that the log has been read up to `readTo`. */
  current(readTo: number): Map<number, number>
  /** Runs read but not settled. */
  readonly unsettled: number
}

/** Tracking for these flow ids. */
export function createPositions(flows: readonly number[]): Positions {
  const queues = new Map<number, SeqQueue>(flows.map((flow) => [flow, new SeqQueue()]))
  let unsettled = 0
  return {
    track(run) {
      queues.get(run.flow.id)?.add(run.event.seq)
      unsettled++
    },
    settle(run) {
      if (run.settled) return
      run.settled = true
      unsettled--
      queues.get(run.flow.id)?.settle(run.event.seq)
    },
    current(readTo) {
      const positions = new Map<number, number>()
      for (const [flow, queue] of queues) {
        const { lowest } = queue
        positions.set(flow, lowest === undefined ? readTo : lowest - 1)
      }
      return positions
    },
    get unsettled() {
      return unsettled
    },
  }
}

/**
 * Seqs in ascending order, of which the settled ones in front are dropped. Numbers alone: one key that lags keeps the place of
 * all that came after it, and must not keep their events, too.
 */
class SeqQueue {
  /** From `#from` on; a settled one is negative. */
  #seqs: number[] = []
  #from = 0

  get lowest(): number | undefined {
    return this.#seqs[this.#from]
  }

  add(seq: number): void {
    this.#seqs.push(seq)
  }

  /** The order of negative ones is that of their absolutes. Compacts now and then, so that it costs nothing per run. */
  settle(seq: number): void {
    const place = this.#placeOf(seq)
    if (this.#seqs[place] !== seq) return
    this.#seqs[place] = -seq
    while ((this.#seqs[this.#from] ?? 0) < 0) this.#from++
    if (this.#from <= 1_024 || this.#from * 2 <= this.#seqs.length) return
    this.#seqs = this.#seqs.slice(this.#from)
    this.#from = 0
  }

  #placeOf(seq: number): number {
    let low = this.#from
    let high = this.#seqs.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (Math.abs(this.#seqs[middle] ?? 0) < seq) low = middle + 1
      else high = middle
    }
    return low
  }
}
