/** Ends a timer; safe to call twice and after it fired. */
export type Cancel = () => void

/** Time as the engine sees it. Deadlines and leases by `monotonic`, shown times by `now`, both in milliseconds. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Milliseconds since some start; never steps back. */
  monotonic(): number
  /** Calls back once, not before `delayMs` have passed. */
  timer(delayMs: number, callback: () => void): Cancel
}

/** Randomness as the engine sees it: a number in [0, 1). */
export type Random = () => number

/** The real clock. */
export const systemClock: Clock = {
  now: () => globalThis.Date.now(),
  monotonic: () => globalThis.performance.now(),
  timer(delayMs, callback) {
    // Node counts whole milliseconds from a time it read a while ago, so that its timers may fire early.
    const timer = globalThis.setTimeout(callback, Math.ceil(delayMs) + 1)
    return () => globalThis.clearTimeout(timer)
  },
}

/** Resolves after `delayMs` on this clock. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.timer(delayMs, resolve))
}
