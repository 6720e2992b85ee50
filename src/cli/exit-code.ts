import type { ErrorCode } from '../errors.ts'
import { BusbarError } from '../errors.ts'

/** What the process's exit code says; scripts may rely on it. Listed in docs/cli.md. */
export const exitCode = {
  done: 0,
  /** Something failed, or needs attention (`status`, `doctor`). */
  failed: 1,
  /** Wrong arguments or a wrong configuration. */
  usage: 2,
  notFound: 3,
  /** Refused: the state does not allow it, or the event was not accepted. */
  refused: 4,
  /** busbar, or the journal's database, cannot be reached. */
  unreachable: 5,
} as const

const codes: Partial<Record<ErrorCode, number>> = {
  'config.invalid': exitCode.usage,
  'config.conflict': exitCode.usage,
  'request.not-found': exitCode.notFound,
  'request.invalid': exitCode.usage,
  'request.malformed': exitCode.usage,
  'act.refused': exitCode.refused,
  'link.conflict': exitCode.refused,
  'event.invalid': exitCode.refused,
  'event.conflict': exitCode.refused,
  'event.unknown-type': exitCode.refused,
  'event.too-large': exitCode.refused,
  'request.unauthorized': exitCode.refused,
  'request.forbidden': exitCode.refused,
  'request.rate-limited': exitCode.refused,
  'journal.unavailable': exitCode.unreachable,
  'call.unavailable': exitCode.unreachable,
  'call.unknown-outcome': exitCode.unreachable,
  overloaded: exitCode.unreachable,
}

/** The exit code for an error. */
export function exitCodeOf(error: unknown): number {
  return (error instanceof BusbarError && codes[error.code]) || exitCode.failed
}
