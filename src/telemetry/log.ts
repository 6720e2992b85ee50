import type { Logger } from 'pino'
import { pino } from 'pino'

/** busbar's log: pino's JSON lines, or whatever the embedding application hands in. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error' | 'isLevelEnabled'>

/** Levels from the most to the least talkative. */
export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/**
 * JSON lines on stderr, one per failed attempt at `info`, one per successful attempt at `debug`. Secrets do not get in:
 * what busbar logs are ids, codes and times, never payloads, headers or query strings.
 */
export function createLog(level: LogLevel = 'info'): Log {
  return pino(
    { name: 'busbar', level, base: { pid: process.pid } },
    pino.destination({ dest: 2, sync: false }),
  )
}
