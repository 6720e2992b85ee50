import fc from 'fast-check'
import { expect, it } from 'vitest'
import { rateShape } from './limits.ts'

it('A14: never lets more than max requests into any window, however late reserved tokens are used', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 100, max: 60_000 }),
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      (max, perMs, random) => {
        const shape = rateShape({ max, perMs })
        const uses: number[] = []
        let tat = 0
        for (let now = 0; uses.length < max * 3;) {
          const next = Math.max(tat, now) + shape.chunk * shape.intervalMs
          if (next <= now + shape.burstMs + 1e-6) {
            tat = next
            for (let token = 0; token < shape.chunk; token++)
              uses.push(now + (random.next().value ?? 0) * shape.tokenLifeMs)
          } else now = next - shape.burstMs
        }
        uses.sort((a, b) => a - b)
        for (let from = 0; from + max < uses.length; from++)
          expect((uses[from + max] ?? 0) - (uses[from] ?? 0)).toBeGreaterThanOrEqual(perMs - 1e-3)
      },
    ),
    { numRuns: 200 },
  )
})
