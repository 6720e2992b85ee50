import fc from 'fast-check'
import { expect, it } from 'vitest'
import { batchesOf, eventLines } from './event-file.ts'

it('numbers lines as an editor does, blank ones too', () => {
  expect(eventLines('{"a":1}\n\n  \n{"b":2}\r\n')).toEqual([
    { number: 1, text: '{"a":1}' },
    { number: 4, text: '{"b":2}\r' },
  ])
})

it('names the first line that is not JSON', () => {
  expect(() => eventLines('{}\n\n{"a":}\n[')).toThrow(/line 3 is not JSON: .*; nothing was published/)
})

it('puts every line into one batch, in order, none of them too long or too large', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 400_000 }), { maxLength: 40 })
  const many = fc.integer({ min: 0, max: 450 }).map((length) => new Array<number>(length).fill(10))
  fc.assert(
    fc.property(fc.oneof(sizes, many), (all) => {
      const lines = all.map((size, index) => ({ number: index + 1, text: 'x'.repeat(size) }))
      const batches = batchesOf(lines)
      expect(batches.flat()).toEqual(lines)
      for (const batch of batches) {
        const bytes = batch.reduce((sum, { text }) => sum + text.length, 0)
        expect(batch.length).toBeLessThanOrEqual(100)
        expect(batch.length === 1 || bytes <= 524_288).toBe(true)
      }
    }),
    { numRuns: 50 },
  )
})
