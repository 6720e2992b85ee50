import type { LoggerOptions } from 'pino'
import { errorLine } from './error-line.ts'

/** The version of the Elastic Common Schema that lines follow. */
const ecsVersion = '8.11.0'

/**
 * Log lines in the Elastic Common Schema: what it has a field for is in that field, all else below `busbar`, so that
 * nothing of ours takes the place of something of theirs (`event` is an object there).
 */
export const ecsOptions: Pick<LoggerOptions, 'base' | 'messageKey' | 'timestamp' | 'formatters'> = {
  base: {
    'ecs.version': ecsVersion,
    'log.logger': 'busbar',
    'service.name': 'busbar',
    'process.pid': process.pid,
  },
  messageKey: 'message',
  timestamp: () => `,"@timestamp":"${new Date().toISOString()}"`,
  formatters: {
    level: (level) => ({ 'log.level': level }),
    log: ecsFields,
  },
}

const millisecond = 1_000_000

/** The fields of a line, in the schema's places. */
export function ecsFields(fields: Record<string, unknown>): Record<string, unknown> {
  const line: Record<string, unknown> = {}
  const own: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (name === 'err') Object.assign(line, errorFields(value))
    else if (name === 'error') line['error.message'] = value
    else if (name === 'code') line['error.code'] = value
    else if (name === 'ms') line['event.duration'] = Number(value) * millisecond
    else if (name === 'url') line['url.full'] = value
    else own[name] = value
  }
  if (typeof fields['outcome'] === 'string')
    line['event.outcome'] = fields['outcome'] === 'succeeded' ? 'success' : 'failure'
  return Object.keys(own).length === 0 ? line : { ...line, busbar: own }
}

function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { 'error.message': String(error) }
  const { type, message, stack, code } = errorLine(error)
  return {
    'error.type': type,
    'error.message': message,
    'error.stack_trace': stack,
    ...(code !== undefined && { 'error.code': code }),
  }
}
