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
