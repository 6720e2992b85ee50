import type { SystemSettings } from '../define/system.ts'

/**
 * A system's circuit breaker, pure.
 *
 * closed → open: too many calls without an answer in a row, or too large a share of calls failing.
 * open → probing: the probe's moment has come and this worker won it.
 * probing → closed (slow start: one call at a time, one more with each success) | open (longer wait).
 */
export type Breaker =
  | {
      readonly kind: 'closed'
      readonly inARow: number
      readonly windowFrom: number
      readonly calls: number
      readonly failures: number
      /** Most calls at once; Infinity once the slow start is over. */
      readonly allowance: number
    }
  | { readonly kind: 'open'; readonly probeAt: number; readonly delayMs: number }
  | { readonly kind: 'probing'; readonly delayMs: number }

/** What a call tells the breaker: it answered, it did not answer, or it answered with a failure of its own. */
export type CallSign = 'ok' | 'unreachable' | 'failed'

const windowMs = 10_000

/** A closed breaker without history. */
export function closedBreaker(now: number, allowance = Number.POSITIVE_INFINITY): Breaker {
  return { kind: 'closed', inARow: 0, windowFrom: now, calls: 0, failures: 0, allowance }
}

/** The breaker after a call. */
export function afterCall(
  breaker: Breaker,
  sign: CallSign,
  at: { readonly now: number; readonly options: SystemSettings['breaker']; readonly concurrency: number },
): Breaker {
  const { now, options, concurrency } = at
  if (breaker.kind === 'probing')
    return sign === 'ok'
      ? closedBreaker(now, 1)
      : opened(Math.min(breaker.delayMs * 2, options.maxProbeDelayMs), now)
  if (breaker.kind === 'open') return breaker
  const fresh = now - breaker.windowFrom > windowMs
  const calls = (fresh ? 0 : breaker.calls) + 1
  const failures = (fresh ? 0 : breaker.failures) + (sign === 'ok' ? 0 : 1)
  const inARow = sign === 'unreachable' ? breaker.inARow + 1 : sign === 'ok' ? 0 : breaker.inARow
  const inSlowStart = breaker.allowance < concurrency
  const trips =
    inARow >= options.consecutiveFailures ||
    (calls >= options.minimumCalls && failures / calls >= options.failureRatio) ||
    (inSlowStart && sign !== 'ok')
  if (trips) return opened(options.probeDelayMs, now)
  const allowance = breaker.allowance === Infinity ? Infinity : breaker.allowance + 1
  return {
    kind: 'closed',
    inARow,
    windowFrom: fresh ? now : breaker.windowFrom,
    calls,
    failures,
    allowance:
      sign === 'ok' && allowance > concurrency ? Infinity : sign === 'ok' ? allowance : breaker.allowance,
  }
}

/** A breaker that opens now and may be probed after `delayMs`. */
export function opened(delayMs: number, now: number): Breaker & { kind: 'open' } {
  return { kind: 'open', probeAt: now + delayMs, delayMs }
}
