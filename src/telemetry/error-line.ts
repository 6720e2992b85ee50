import { withoutQuotedValue } from '../define/secrets.ts'

/** An error in a log line: its words, code and trace, never the row that a database refused. */
export interface ErrorLine {
  readonly type: string
  readonly code?: string
  readonly message: string
  readonly stack: string
  readonly cause?: ErrorLine
}

const deepest = 5

/** The error and what caused it, to a depth of five. */
export function errorLine(error: unknown, depth = 0): ErrorLine | { readonly message: string } {
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
      depth < deepest && { cause: errorLine(error.cause, depth + 1) as ErrorLine }),
  }
}
