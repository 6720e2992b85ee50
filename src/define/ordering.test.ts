import { describe, expect, it } from 'vitest'
import { defineConfig } from './config.ts'
import { defineEvent } from './event.ts'
import { defineFlow } from './flow.ts'
import type { FlowOptions } from './flow.ts'
import { orderingOf } from './ordering.ts'
import { defineSystem } from './system.ts'

const anything = {
  '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) },
} as const
const changed = defineEvent({ type: 'changed', schema: anything })
const erp = defineSystem({ name: 'erp', connect: () => ({ open: () => ({}), close: async () => undefined }) })
const flow = (name: string, options: FlowOptions) =>
  defineFlow(name, options)
    .on(changed)
    .step('send', erp, { run: () => undefined })

describe('the ordering of a flow', () => {
  it('has its defaults filled in', () => {
    expect(orderingOf('f')).toEqual({ ordering: 'arrival', sequence: undefined })
    const rules = { field: undefined, start: 1, gapTimeoutMs: 900_000, onGap: 'hold' }
    expect(orderingOf('f', 'sequence')).toEqual({ ordering: 'sequence', sequence: rules })
    expect(
      orderingOf('f', { by: 'sequence', start: 0, gapTimeout: '5s', onGap: 'continue' }).sequence,
    ).toEqual({
      ...rules,
      start: 0,
      gapTimeoutMs: 5_000,
      onGap: 'continue',
    })
  })

  it.each([
    ['newest', /flow "f": ordering must be 'arrival', 'sequence', 'latest', 'none' or/],
    [{ by: 'age' }, /ordering must be/],
    [null, /ordering must be/],
    [{ by: 'sequence', start: -1 }, /flow "f": ordering.start must be a whole number at least 0, not -1/],
    [{ by: 'sequence', start: 1.5 }, /whole number/],
    [{ by: 'sequence', gapTimeout: 'soon' }, /"soon" is not a duration/],
    [{ by: 'sequence', onGap: 'skip' }, /onGap must be 'hold' or 'continue'/],
    [{ by: 'sequence', field: 'revision' }, /field must be a function/],
  ])('%j is refused', (ordering, message) => {
    expect(() => orderingOf('f', ordering as never)).toThrow(message)
  })

  it("'latest' has no use for onParked: 'continue'", () => {
    expect(() => flow('f', { ordering: 'latest', onParked: 'continue' })).toThrow(/leave out onParked/)
  })

  it('is the same for all flows of a lane group, option by option; where the number stands is not asked', () => {
    const both = (one: FlowOptions['ordering'], other: FlowOptions['ordering']) =>
      defineConfig({
        flows: [
          flow('a', { lane: 'l', ...(one && { ordering: one }) }),
          flow('b', { lane: 'l', ...(other && { ordering: other }) }),
        ],
      })
    expect(() => both('sequence', { by: 'sequence', field: () => 1, gapTimeout: '15m' })).not.toThrow()
    expect(() => both('sequence', 'arrival')).toThrow(/differ in ordering/)
    expect(() => both('sequence', { by: 'sequence', start: 0 })).toThrow(/differ in ordering/)
    expect(() => both('sequence', { by: 'sequence', onGap: 'continue' })).toThrow(/differ in ordering/)
    expect(() => both('latest', undefined)).toThrow(/differ in ordering/)
  })
})
