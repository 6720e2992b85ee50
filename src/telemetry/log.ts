import type { Logger } from 'pino'
import { pino } from 'pino'
import { withoutQuotedValue, withoutSecrets } from '../define/secrets.ts'

/** busbar's log: pino's JSON lines, or whatever the embedding application hands in. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error' | 'isLevelEnabled'>

/** Levels from the most to the least talkative. */
export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/**
 * JSON lines on stderr, one per failed attempt at `info`, one per successful attempt at `debug`. Secrets do not get in:
 * what busbar logs are ids, codes and times, never payloads, headers or query strings; of an error its words, code and
 * trace, never the row that a database refused; and a credential that a text holds all the same is taken out of it.
 */
export function createLog(level: LogLevel = 'info'): Log {
  return pino(
    { name: 'busbar', level, base: { pid: process.pid }, ...safely },
    pino.destination({ dest: 2, sync: false }),
  )
}

/** Options of pino that keep payloads and credentials out of its lines. */
export const safely = {
  serializers: { err: errorOf },
  hooks: { streamWrite: withoutSecrets },
} as const

interface ErrorLine {
  readonly type: string
  readonly code?: string
  readonly message: string
  readonly stack: string
  readonly cause?: ErrorLine
}

const deepest = 5

function errorOf(error: unknown, depth = 0): ErrorLine | { readonly message: string } {
  if (!(error instanceof Error)) return { message: String(error) }
  const { code, severity } = error as { readonly code?: unknown; readonly severity?: unknown }
  const message = severity === undefined ? error.message : withoutQuotedValue(error.message)
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  return {
    type: error.name,
    ...(typeof code === 'string' && { code }),
    message,
    stack: [`${error.name}: ${message}`, ...frames].join('\n'),
    ...(error.cause instanceof Error &&
      depth < deepest && { cause: errorOf(error.cause, depth + 1) as ErrorLine }),
  }
}
