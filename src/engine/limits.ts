/** A rate limit as the generic cell rate algorithm takes it. */
export interface RateShape {
  /** Milliseconds between requests. */
  readonly intervalMs: number
  /** How far ahead may be reserved. */
  readonly burstMs: number
  /** Most tokens to reserve at once. */
  readonly chunk: number
  /** A reserved token is void after this time. */
  readonly tokenLifeMs: number
}

/**
 * The shape that keeps at most `max` requests in *any* window of `perMs`, also when tokens are used late and when a
 * worker dies holding some: with bursts of b tokens that live for s ms, a window sees at most b − 1 + (per + s)/interval
 * of them, so the interval is (per + s) / (max − b + 1).
 */
export function rateShape(rate: { readonly max: number; readonly perMs: number }): RateShape {
  const chunk = Math.max(1, Math.floor(rate.max / 10))
  const tokenLifeMs = Math.min(1_000, rate.perMs / 10)
  const intervalMs = (rate.perMs + tokenLifeMs) / (rate.max - chunk + 1)
  return { intervalMs, burstMs: intervalMs * chunk, chunk, tokenLifeMs }
}
