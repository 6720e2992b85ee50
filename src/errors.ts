/**
 * Every error busbar raises has a code from this closed list; `docs/errors.md` explains each, and a test
 * keeps the two equal. Codes are stable: scripts and alerts may match on them, never on message text.
 */
export const errorCodes = [
  // what users declare
  'config.invalid',
  'config.conflict',
  // the door
  'event.invalid',
  'event.conflict',
  'event.unknown-type',
  'event.too-large',
  'request.malformed',
  'request.invalid',
  'request.unsupported-media-type',
  'request.unauthorized',
  'request.forbidden',
  'request.not-found',
  'request.method-not-allowed',
  'request.timeout',
  'request.headers-too-large',
  'request.rate-limited',
  'signature.invalid',
  'overloaded',
  // attempts
  'call.unavailable',
  'call.transient',
  'call.throttled',
  'call.busy',
  'call.conflict',
  'call.dependency',
  'call.invalid',
  'call.credential',
  'call.unknown-outcome',
  'call.blocked-address',
  'call.unroutable',
  'step.failed',
  'step.not-verified',
  'step.result-invalid',
  'step.when-failed',
  'step.links-invalid',
  'step.depends-failed',
  'step.dependency-missing',
  'step.timed-out',
  'step.refused',
  'step.undo-unknown',
  'flow.changed',
  'sequence.missing',
  'sequence.gap',
  'link.conflict',
  'expectation.overdue',
  'run.poisoned',
  'run.exhausted',
  'run.key-expired',
  // acts of a person
  'act.refused',
  'replay.stopped',
  // the journal and its database
  'journal.unavailable',
  'journal.not-durable',
  'journal.not-migrated',
  'journal.lease-lost',
  'embedded.in-use',
  'embedded.unsupported',
  'embedded.failed',
] as const

/** One of the closed list of error codes. */
export type ErrorCode = (typeof errorCodes)[number]

/** What an error says beside its message: plain data, never a payload, never a secret. */
export type ErrorDetails = Readonly<Record<string, unknown>>

/** The base of all errors that busbar raises on purpose: a code, what failed and on which id, and what to do. */
export class BusbarError extends Error {
  readonly code: ErrorCode
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: ErrorDetails } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = new.target.name
    this.code = code
    this.details = options.details ?? {}
  }
}

/**
 * What an answer, or its absence, means for the run; decided by the system's `classify`.
 *
 * | class | what busbar does |
 * |---|---|
 * | `unavailable` | the request surely never arrived (refused, DNS): back off; counts towards the breaker |
 * | `transient` | 5xx and the like: exponential backoff with full jitter |
 * | `throttled` | waits as told, slows the whole system, uses up no attempt |
 * | `busy` | a locked row, a serialization failure: short retries |
 * | `conflict` | runs again a few times, then parks |
 * | `dependency` | what it refers to is not there yet: retries until its deadline |
 * | `invalid` | parks at once |
 * | `credential` | cuts the system off until the credential works; uses up no attempt |
 * | `unknown` | sent, but no answer: `find` looks first, else repeats with the same idempotency key |
 */
export type ErrorClass =
  | 'unavailable'
  | 'transient'
  | 'throttled'
  | 'busy'
  | 'conflict'
  | 'dependency'
  | 'invalid'
  | 'credential'
  | 'unknown'

const codeOf = {
  unavailable: 'call.unavailable',
  transient: 'call.transient',
  throttled: 'call.throttled',
  busy: 'call.busy',
  conflict: 'call.conflict',
  dependency: 'call.dependency',
  invalid: 'call.invalid',
  credential: 'call.credential',
  unknown: 'call.unknown-outcome',
} as const satisfies Record<ErrorClass, ErrorCode>

/** What a failed call knows about itself. */
export interface CallFailure {
  readonly class: ErrorClass
  readonly message: string
  /** HTTP status or the like; absent when there was no answer. */
  readonly status?: number
  /** The vendor's own error code, part of the problem's fingerprint. */
  readonly vendorCode?: string
  /** How long the system asked us to wait, in milliseconds. */
  readonly retryAfterMs?: number
  readonly cause?: unknown
}

/** A call to a system failed; `class` says what that means. Raised by connectors, and by steps through the two below. */
export class CallError extends BusbarError {
  readonly class: ErrorClass
  readonly status: number | undefined
  readonly vendorCode: string | undefined
  readonly retryAfterMs: number | undefined

  constructor(failure: CallFailure) {
    super(codeOf[failure.class], failure.message, { cause: failure.cause })
    this.class = failure.class
    this.status = failure.status
    this.vendorCode = failure.vendorCode
    this.retryAfterMs = failure.retryAfterMs
  }
}

/**
 * Throw it in a step to have the step tried again, by the retry policy or after `retryAfterMs`.
 *
 * @example throw new RetryableError('the sale is still being processed', { retryAfterMs: 5_000 })
 */
export class RetryableError extends CallError {
  constructor(message: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super({ class: 'transient', message, ...options })
  }
}

/**
 * Throw it in a step when trying again cannot help: the run is parked at once, for a person to repair.
 *
 * @example throw new FinalError(`no tax code for country ${country}`)
 */
export class FinalError extends CallError {
  constructor(message: string, options: { vendorCode?: string; cause?: unknown } = {}) {
    super({ class: 'invalid', message, ...options })
  }
}
