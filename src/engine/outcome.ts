import type { Conceal } from '../define/conceal.ts'
import { CallError, RetryableError } from '../errors.ts'
import type { ErrorClass } from '../errors.ts'

/** What one attempt came to. */
export type Outcome =
  | { readonly kind: 'succeeded'; readonly status: number }
  | {
      readonly kind: 'failed'
      readonly class: ErrorClass
      /** Error code for people and for the problem's fingerprint; a vendor's own code where there is one. */
      readonly code: string
      readonly message: string
      readonly status: number
      readonly retryAfterMs: number | undefined
      /** The effect may have happened all the same. */
      readonly maybe: boolean
      /** It speaks against the system, not against the event or the user's code: counts towards the breaker. */
      readonly systemFault: boolean
      /** What the system did instead, where that is known: `refuses connections`. */
      readonly fault?: string
    }

/** By status: there are few, and by far most attempts succeed. */
const successes = new Map<number, Outcome>()

/** What an attempt came to that ended well. */
export function succeededWith(status: number): Outcome {
  let outcome = successes.get(status)
  if (!outcome) successes.set(status, (outcome = { kind: 'succeeded', status }))
  return outcome
}

/** Classes after which the request surely had no effect. */
const noEffect: ReadonlySet<ErrorClass> = new Set([
  'unavailable',
  'throttled',
  'busy',
  'conflict',
  'dependency',
  'invalid',
  'credential',
])

/** What is known of the requests of a failed attempt. */
export interface Sendings {
  /** Requests that may have reached the target. */
  readonly sent: number
  /** The attempt's deadline had passed. */
  readonly timedOut: boolean
  /** Looking (`find`) changes nothing, so its failure leaves no doubt of its own. */
  readonly readOnly: boolean
  /** Takes what must not be shown out of messages. */
  readonly conceal: Conceal
}

/** Turns whatever a step threw into an outcome. An unknown throw is transient: the user's code may be mended meanwhile. */
export function failedOutcome(error: unknown, sendings: Sendings): Outcome {
  const failure = sendings.timedOut ? timeoutOf(error, sendings) : error
  if (failure instanceof CallError) return callOutcome(failure, sendings)
  return {
    kind: 'failed',
    class: 'transient',
    code: 'step.failed',
    message: storable(sendings.conceal(wordsOf(failure))),
    status: 0,
    retryAfterMs: undefined,
    maybe: sendings.sent > 0 && !sendings.readOnly,
    systemFault: false,
  }
}

function callOutcome(error: CallError, sendings: Sendings): Outcome {
  const own = error instanceof RetryableError
  const errorClass = sendings.readOnly && error.class === 'unknown' ? 'transient' : error.class
  // One request that was answered with a plain refusal did nothing; an earlier one of the same attempt may have.
  const fault = faultOf(error)
  const innocent = noEffect.has(errorClass) ? sendings.sent <= 1 : sendings.sent === 0
  return {
    kind: 'failed',
    class: errorClass,
    code: error.vendorCode === undefined ? error.code : sendings.conceal(error.vendorCode),
    message: storable(sendings.conceal(error.message)),
    status: error.status ?? 0,
    retryAfterMs: error.retryAfterMs,
    maybe: !sendings.readOnly && !innocent,
    systemFault:
      !own && (errorClass === 'unavailable' || errorClass === 'transient' || errorClass === 'unknown'),
    ...(fault !== undefined && { fault }),
  }
}

const faults: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses connections',
  ECONNRESET: 'breaks connections off',
  EPIPE: 'breaks connections off',
  UND_ERR_SOCKET: 'breaks connections off',
  ENOTFOUND: 'is not found by its name',
  EAI_AGAIN: 'is not found by its name',
  EHOSTUNREACH: 'cannot be reached',
  ENETUNREACH: 'cannot be reached',
}

/** In words that go on with the system's name, from how the network or HTTP say it. */
function faultOf({ status, cause }: CallError): string | undefined {
  if (status !== undefined) return status >= 500 ? `answers with ${status}` : undefined
  return faults[(cause as NodeJS.ErrnoException | undefined)?.code ?? '']
}

function timeoutOf(error: unknown, { sent }: Sendings): unknown {
  if (error instanceof CallError && error.status !== undefined) return error
  return new CallError({
    class: sent > 0 ? 'unknown' : 'unavailable',
    message: sent > 0 ? 'no answer within the timeout' : 'timed out; nothing that changes data had been sent',
    cause: error,
  })
}

function wordsOf(failure: unknown): string {
  return failure instanceof Error ? `${failure.name}: ${failure.message}` : String(failure)
}

/** Text from elsewhere as PostgreSQL can store it: well-formed, without NUL, bounded. */
export function storable(text: string, maxLength = 2_000): string {
  return text
    .slice(0, maxLength)
    .toWellFormed()
    .replace(/\u0000/g, '\uFFFD')
}
