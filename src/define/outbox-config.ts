import type { Duration } from './duration.ts'
import { durationMs } from './duration.ts'
import { inRange } from './range.ts'

/** How the rows that applications write with `busbar.publish` and `{ tx }` are moved into the log. */
export interface OutboxConfig {
  /** Longest pause between two looks at an outbox where nothing comes; default 1 s. While rows come it is at most 50 ms. */
  readonly idle?: Duration
  /** Most rows in one move, from 1 to 5,000; default 500. A move has at most 1 MiB of data, too. */
  readonly maxBatch?: number
}

/** The same with defaults filled in. */
export interface OutboxSettings {
  readonly idleMs: number
  readonly maxBatch: number
}

/** Fills in the defaults; undefined where this hub is not to move rows. Throws `config.invalid` that names the option. */
export function outboxSettings(option: boolean | OutboxConfig = true): OutboxSettings | undefined {
  if (option === false) return undefined
  const { idle = '1s', maxBatch = 500 } = option === true ? {} : option
  return {
    idleMs: inRange('outbox.idle', durationMs(idle), { from: 1, to: 60_000 }),
    maxBatch: inRange('outbox.maxBatch', maxBatch, { from: 1, to: 5_000, whole: true }),
  }
}
