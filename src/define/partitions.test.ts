import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { hashKey } from '../journal/hash-key.ts'
import { defineConfig } from './config.ts'
import { defineEvent } from './event.ts'
import type { Flow, FlowOptions } from './flow.ts'
import { defineFlow } from './flow.ts'
import { defineSystem } from './system.ts'

const placed = defineEvent({ type: 'order.placed', schema: z.object({ number: z.string() }) })
const erp = defineSystem<object>({
  name: 'erp',
  connect: () => ({ open: () => ({}), close: async () => undefined }),
})

function flow(name: string, options: FlowOptions = {}): Flow {
  return defineFlow(name, options)
    .on(placed)
    .step('send', erp, { run: () => undefined })
}

describe('partitions', () => {
  it('are one, unless the flow says so', () => {
    expect(flow('f').partitions).toBe(1)
    expect(flow('f', { partitions: 64 }).partitions).toBe(64)
  })

  it.each([0, 3, 128, -1, 1.5, '4'])('%j is refused', (partitions) => {
    expect(() => flow('f', { partitions: partitions as never })).toThrow(
      /flow "f": partitions must be 1, 2, 4, 8, 16, 32 or 64/,
    )
  })

  it('are the same for all flows of a lane group', () => {
    const both = (one: FlowOptions, other: FlowOptions) =>
      defineConfig({ flows: [flow('a', { lane: 'l', ...one }), flow('b', { lane: 'l', ...other })] })
    expect(() => both({ partitions: 4 }, { partitions: 4 })).not.toThrow()
    expect(() => both({ partitions: 4 }, {})).toThrow(
      'flows "a" and "b" share lane group "l", so they must say the same number of partitions, not 4 and 1',
    )
    expect(() => both({ partitions: 4 }, { lane: 'm', partitions: 2 })).not.toThrow()
  })

  it.each([
    ['order numbers', (index: number) => `SO-${1_000 + index}`],
    ['numbers', (index: number) => `${index}`],
    ['events without a key, by source and id', (index: number) => `urn:shop\n${index.toString(36)}-event`],
  ])('get about as many of %s each', (_what, name) => {
    for (const partitions of [2, 4, 8, 16]) {
      const counts = Array.from({ length: partitions }, () => 0)
      for (let index = 0; index < 4_000; index++) {
        const hash = hashKey(name(index))
        expect((hash % 64) % partitions).toBe(hash % partitions)
        counts[hash % partitions]!++
      }
      const fair = 4_000 / partitions
      expect(Math.min(...counts)).toBeGreaterThan(0.7 * fair)
      expect(Math.max(...counts)).toBeLessThan(1.3 * fair)
    }
  })
})
