import type { SequenceMark } from '../journal/port.ts'
import type { Run } from './run.ts'

/**
 * A lane in its owner's memory. It exists while it has runs here or rows on their way to the journal.
 *
 * fast: runs wait in `queue`, the head is attempted. → slow: a run of it got an open row; what follows goes to rows too,
 * until the journal has it all and the lane is dropped here. A lane claimed from the journal is slow from the start.
 */
export interface Lane {
  readonly key: string
  readonly queue: Run[]
  slow: boolean
  /** How far its key has come, where runs follow each other by number. */
  mark: SequenceMark | undefined
  /** Rows given to the flusher and not committed. */
  rowsUnderWay: number
  /** It is being claimed. */
  claiming: boolean
  /** What was read while it was being claimed. */
  readonly arrivals: Run[]
}

/** An empty lane. */
export function newLane(key: string, slow: boolean): Lane {
  return {
    key,
    queue: [],
    slow,
    mark: undefined,
    rowsUnderWay: 0,
    claiming: false,
    arrivals: [],
  }
}

/** Nothing keeps it in memory. */
export function isIdle(lane: Lane): boolean {
  return lane.queue.length === 0 && lane.rowsUnderWay === 0 && !lane.claiming
}

/** Runs that were taken from rows and have not begun. */
export interface Claimed {
  readonly runs: number
  /** Of their payloads. */
  readonly bytes: number
}

/** What was claimed of these lanes, by the system that the head waits for; 0: for none, or it is being attempted. */
export function claimedIn(lanes: Iterable<Lane>): ReadonlyMap<number, Claimed> {
  const claimed = new Map<number, { runs: number; bytes: number }>()
  for (const { queue } of lanes) {
    const [head] = queue
    if (!head?.hasRow) continue
    const waiting = head.steps.find(({ place }) => place === 'ready')
    const system = waiting?.step.gate?.id ?? 0
    const sum = claimed.get(system) ?? { runs: 0, bytes: 0 }
    claimed.set(system, sum)
    sum.runs += queue.length
    for (const { event } of queue) sum.bytes += event.data.length
  }
  return claimed
}
