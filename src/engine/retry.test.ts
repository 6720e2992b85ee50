import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { retryPolicy } from '../define/retry-policy.ts'
import type { Outcome } from './outcome.ts'
import type { RetryFacts } from './retry.ts'
import { backoff, decide, resume } from './retry.ts'

const facts = (changes: Partial<RetryFacts> = {}): RetryFacts => ({
  policy: retryPolicy({}),
  tries: 0,
  throttles: 0,
  conflicts: 0,
  cutOff: false,
  hasFind: false,
  keyLifeMs: 86_400_000,
  settleMs: 30_000,
  ageMs: 0,
  ...changes,
})
type Failed = Outcome & { kind: 'failed' }
const failed = (changes: Partial<Failed>): Failed => ({
  kind: 'failed',
  class: 'transient',
  code: 'call.transient',
  message: 'm',
  status: 500,
  retryAfterMs: undefined,
  maybe: false,
  systemFault: true,
  ...changes,
})
const half = () => 0.5

describe('decide', () => {
  it('parks what cannot become better by trying again', () => {
    expect(decide(failed({ class: 'invalid', code: 'E42' }), facts(), half)).toEqual({
      do: 'park',
      code: 'E42',
      maybe: false,
    })
  })

  it('never repeats an unknown outcome blindly where the target forgets keys', () => {
    const unknown = failed({ class: 'unknown', code: 'call.unknown-outcome', status: 0, maybe: true })
    expect(decide(unknown, facts({ keyLifeMs: 0 }), half)).toMatchObject({ do: 'park' })
    expect(decide(unknown, facts({ keyLifeMs: 0, hasFind: true }), half)).toMatchObject({
      do: 'retry',
      delayMs: 30_000,
      maybe: true,
    })
    expect(decide(unknown, facts({ ageMs: 86_400_000 }), half)).toMatchObject({
      do: 'park',
      code: 'run.key-expired',
    })
    expect(decide(unknown, facts(), half)).toMatchObject({ do: 'retry', maybe: true })
  })

  it('uses up no attempt while the system is cut off, throttles or refuses the credential', () => {
    for (const outcome of [failed({ class: 'unavailable', status: 0 }), failed({})])
      expect(decide(outcome, facts({ cutOff: true }), half)).toEqual({ do: 'wait-for-system' })
    expect(decide(failed({ class: 'throttled', status: 429 }), facts(), half)).toEqual({
      do: 'wait-for-system',
    })
    expect(decide(failed({ class: 'credential', status: 401 }), facts({ tries: 299 }), half)).toEqual({
      do: 'wait-for-system',
    })
  })

  it('slows down one object that alone is throttled, and ends', () => {
    const throttled = failed({ class: 'throttled', status: 429, retryAfterMs: 7_000 })
    expect(decide(throttled, facts({ throttles: 3 }), half)).toEqual({
      do: 'retry',
      delayMs: 7_000,
      counts: 'throttle',
      maybe: false,
    })
    expect(decide(throttled, facts({ throttles: 99 }), half)).toMatchObject({ do: 'park' })
  })

  it('honours a Retry-After that is longer than its own delay, up to a day', () => {
    expect(decide(failed({ retryAfterMs: 60_000 }), facts(), half)).toMatchObject({ delayMs: 60_000 })
    expect(decide(failed({ retryAfterMs: 1e12 }), facts(), half)).toMatchObject({ delayMs: 86_400_000 })
  })

  it('always ends: every run of failures is parked after as many counted tries as its policy has', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.constantFrom('transient', 'unavailable', 'busy', 'dependency'),
        (attempts, errorClass) => {
          const policy = retryPolicy({ attempts })
          let tries = 0
          for (;;) {
            const verdict = decide(failed({ class: errorClass }), facts({ policy, tries }), Math.random)
            if (verdict.do === 'park') break
            expect(verdict.do).toBe('retry')
            tries++
          }
          expect(tries).toBe(attempts - 1)
        },
      ),
    )
  })
})

describe('backoff', () => {
  it('is full jitter: between 0 and the doubled delay, never above the cap', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 400 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (retry, random) => {
          const delay = backoff(retry, retryPolicy({}), () => random)
          expect(delay).toBeGreaterThanOrEqual(0)
          expect(delay).toBeLessThanOrEqual(Math.min(900_000, 1_000 * 2 ** (retry - 1)))
        },
      ),
    )
  })
})

describe('resume', () => {
  const rules = { hasFind: false, keyLifeMs: 1_000, settleMs: 500 }
  it('goes on at once where nothing is in doubt', () => {
    expect(resume({ maybeAt: null, firstAt: 5, crashes: 2 }, rules, 1e9)).toBe('go')
  })
  it('lets the old request settle before it looks', () => {
    expect(resume({ maybeAt: 1_000, firstAt: null, crashes: 0 }, { ...rules, hasFind: true }, 1_200)).toEqual(
      { waitMs: 300 },
    )
    expect(resume({ maybeAt: 1_000, firstAt: null, crashes: 0 }, { ...rules, hasFind: true }, 1_500)).toBe(
      'go',
    )
  })
  it('repeats with the same key only while the target remembers it', () => {
    expect(resume({ maybeAt: 1_000, firstAt: 900, crashes: 0 }, rules, 1_899)).toBe('go')
    expect(resume({ maybeAt: 1_000, firstAt: 900, crashes: 0 }, rules, 1_901)).toEqual({
      park: 'run.key-expired',
    })
    expect(resume({ maybeAt: 1_000, firstAt: 900, crashes: 0 }, { ...rules, keyLifeMs: 0 }, 901)).toEqual({
      park: 'call.unknown-outcome',
    })
  })
  it('parks what three workers died of', () => {
    expect(resume({ maybeAt: 1, firstAt: 1, crashes: 3 }, rules, 2)).toEqual({ park: 'run.poisoned' })
  })
})
