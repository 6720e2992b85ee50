import { BusbarError } from '../errors.ts'
import type { Duration } from './duration.ts'
import { durationMs } from './duration.ts'

/** When and how often a failed step is tried again. */
export interface RetryOptions {
  /** Delay before the first retry, before jitter; default 1 s. */
  readonly first?: Duration
  /** Each further delay is longer by this factor; default 2. */
  readonly factor?: number
  /** No delay is longer; default 15 min. */
  readonly cap?: Duration
  /** Tries in all before the run is parked; default 300, about 72 h with the other defaults. */
  readonly attempts?: number
}

/** The same with defaults filled in, in milliseconds. */
export interface RetryPolicy {
  readonly firstMs: number
  readonly factor: number
  readonly capMs: number
  readonly attempts: number
}

/** Fills in the defaults: 1 s, factor 2, cap 15 min, 300 tries. */
export function retryPolicy(options: RetryOptions): RetryPolicy {
  const policy = {
    firstMs: durationMs(options.first ?? '1s'),
    factor: options.factor ?? 2,
    capMs: durationMs(options.cap ?? '15m'),
    attempts: options.attempts ?? 300,
  }
  if (policy.factor < 1 || policy.attempts < 1)
    throw new BusbarError(
      'config.invalid',
      'a retry policy needs a factor of at least 1 and at least 1 attempt',
    )
  return policy
}
