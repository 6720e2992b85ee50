import { BusbarError } from '../errors.ts'

/** How log lines are written: pino's JSON, or the Elastic Common Schema. */
export const logFormats = ['json', 'ecs'] as const
export type LogFormat = (typeof logFormats)[number]

/** busbar's own log; an application that hands in a logger of its own decides itself. */
export interface LogConfig {
  /** Default: what the environment variable `BUSBAR_LOG_FORMAT` says, or `'json'`. */
  readonly format?: LogFormat
}

/** Throws `config.invalid` for a format that there is not. */
export function logSettings({ format }: LogConfig = {}): LogConfig {
  if (format === undefined) return {}
  if (!logFormats.includes(format))
    throw new BusbarError(
      'config.invalid',
      `log.format is ${JSON.stringify(format)}: write ${logFormats.map((each) => `'${each}'`).join(' or ')}`,
    )
  return { format }
}
