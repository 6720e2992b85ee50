import type { DestinationStream, Logger } from 'pino'
import { pino } from 'pino'
import { withoutSecrets } from '../define/secrets.ts'
import type { LogFormat } from '../define/log-config.ts'
import { ecsOptions } from './ecs.ts'
import { errorLine } from './error-line.ts'

/** busbar's log: pino's JSON lines, or whatever the embedding application hands in. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error' | 'isLevelEnabled'>

/** Levels from the most to the least talkative. */
export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** How lines are written, and where. */
export interface LogOptions {
  /** Default: what the environment variable `BUSBAR_LOG_FORMAT` says, or `'json'`. */
  readonly format?: LogFormat | undefined
  /** Default stderr. */
  readonly to?: DestinationStream
}

/**
 * JSON lines on stderr, one per failed attempt at `info`, one per successful attempt at `debug`; pino's, or those of the
 * Elastic Common Schema. Secrets do not get in: what busbar logs are ids, codes and times, never payloads, headers or query
 * strings; of an error its words, code and trace, never the row that a database refused; and a credential that a text holds
 * all the same is taken out of it.
 */
export function createLog(level: LogLevel = 'info', { format, to }: LogOptions = {}): Log {
  const isEcs = (format ?? process.env['BUSBAR_LOG_FORMAT']) === 'ecs'
  return pino(
    {
      level,
      ...(isEcs
        ? ecsOptions
        : { name: 'busbar', base: { pid: process.pid }, serializers: { err: errorLine } }),
      hooks: { streamWrite: withoutSecrets },
    },
    to ?? pino.destination({ dest: 2, sync: false }),
  )
}
