import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RateLimiter } from './rate-limiter.ts'

describe('RateLimiter', () => {
  it('lets five seconds’ worth pass at once, then the rate', () => {
    const limiter = new RateLimiter(2)
    const passed = (at: number, asked: number) =>
      Array.from({ length: asked }, () => limiter.take('a', at)).filter(Boolean).length
    expect(passed(0, 20)).toBe(10)
    expect(passed(1_000, 20)).toBe(2)
    expect(passed(60_000, 20)).toBe(10)
  })

  it('never lets more pass in a window than its rate and one burst, whatever the arrivals', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(400), { maxLength: 200 }),
        fc.constantFrom(0.1, 1, 7),
        (pauses, perSecond) => {
          const limiter = new RateLimiter(perSecond)
          let now = 0
          const passed = pauses.filter((pause) => limiter.take('a', (now += pause))).length
          expect(passed).toBeLessThanOrEqual(Math.max(1, perSecond * 5) + (now / 1_000) * perSecond + 1e-6)
        },
      ),
    )
  })

  it('lets one pass at a rate far below one a second', () => {
    const limiter = new RateLimiter(0.1)
    expect([0, 1, 9_000, 10_001].map((at) => limiter.take('a', at))).toEqual([true, false, false, true])
  })

  it('counts each name by itself', () => {
    const limiter = new RateLimiter(0.1)
    expect(['a', 'b', 'a'].map((name) => limiter.take(name, 0))).toEqual([true, true, false])
  })

  it('remembers the names that were asked for last, ten thousand of them', () => {
    const limiter = new RateLimiter(0.1)
    limiter.take('early', 0)
    for (let count = 0; count < 9_999; count++) limiter.take(`n${count}`, 0)
    expect(limiter.take('early', 0)).toBe(false)
    for (let count = 0; count < 10_000; count++) limiter.take(`m${count}`, 0)
    expect(limiter.take('early', 0)).toBe(true)
  })
})
