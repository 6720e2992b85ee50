import { withoutQuotedValue } from '../define/secrets.ts'

/** What a log line says of an error. */
export interface ErrorLine {
  readonly type: string
  readonly code?: string
  readonly message: string
  readonly stack: string
  readonly cause?: ErrorLine
}

const deepest = 5

/** Its words, code and trace, and its cause; never what else hangs on it, such as the row that a database refused. */
export function errorLine(error: unknown, depth = 0): ErrorLine {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error), stack: '' }
  const { code, severity } = error as { readonly code?: unknown; readonly severity?: unknown }
  const message = severity === undefined ? error.message : withoutQuotedValue(error.message)
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  return {
    type: error.name,
    ...(typeof code === 'string' && { code }),
    message,
    stack: [`${error.name}: ${message}`, ...frames].join('\n'),
    ...(error.cause instanceof Error && depth < deepest && { cause: errorLine(error.cause, depth + 1) }),
  }
}
