import type { Run } from './run.ts'

/**
 * How far each flow of a group has come: the highest seq below which every matching event has its row. Runs are tracked
 * in seq order and settle in any order.
 */
export interface Positions {
  /** A run was read; in ascending seq. */
  track(run: Run): void
  /** Its row is committed. */
  settle(run: Run): void
  /** The positions, given that the log has been read up to `readTo`. */
  current(readTo: number): Map<number, number>
  /** Runs read but not settled. */
  readonly unsettled: number
}

interface Queue {
  runs: (Run | undefined)[]
  from: number
}

/** Tracking for these flow ids. */
export function createPositions(flows: readonly number[]): Positions {
  const queues = new Map<number, Queue>(flows.map((flow) => [flow, { runs: [], from: 0 }]))
  let unsettled = 0
  return {
    track(run) {
      queues.get(run.flow.id)?.runs.push(run)
      unsettled++
    },
    settle(run) {
      if (run.settled) return
      run.settled = true
      unsettled--
      const queue = queues.get(run.flow.id)
      if (queue) dropSettled(queue)
    },
    current(readTo) {
      const positions = new Map<number, number>()
      for (const [flow, queue] of queues) {
        const head = queue.runs[queue.from]
        positions.set(flow, head ? head.event.seq - 1 : readTo)
      }
      return positions
    },
    get unsettled() {
      return unsettled
    },
  }
}

/** Drops the settled runs at the front; compacts now and then, so that it costs nothing per run. */
function dropSettled(queue: Queue): void {
  for (;;) {
    const head = queue.runs[queue.from]
    if (!head?.settled) break
    queue.runs[queue.from++] = undefined
  }
  if (queue.from > 1_024 && queue.from * 2 > queue.runs.length) {
    queue.runs = queue.runs.slice(queue.from)
    queue.from = 0
  }
}
