/** A token bucket per name: `perSecond` on average, five seconds' worth (at least one) at once. */
export class RateLimiter {
  readonly #perSecond: number
  readonly #buckets = new Map<string, { tokens: number; at: number }>()

  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  /** Whether one more request of this name may pass at `nowMs` (monotonic). Bounded: the oldest names are forgotten. */
  take(name: string, nowMs: number): boolean {
    const burst = Math.max(1, this.#perSecond * 5)
    const bucket = this.#buckets.get(name) ?? { tokens: burst, at: nowMs }
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.at) / 1_000) * this.#perSecond)
    bucket.at = nowMs
    this.#buckets.delete(name)
    this.#buckets.set(name, bucket)
    if (this.#buckets.size > 10_000) this.#buckets.delete(this.#buckets.keys().next().value as string)
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }
}
