import fc from 'fast-check'
import { expect, it } from 'vitest'
import { runId } from '../control/sentence.ts'
import { checkFlowName } from '../define/name.ts'
import { parseMoment, parseRun } from './run-argument.ts'

it('reads back every run that busbar writes', () => {
  const part = fc.oneof(fc.stringMatching(/^[A-Za-z0-9._-]{0,6}$/), fc.constantFrom('7', '42', 'a'))
  const name = fc
    .array(part, { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join('/'))
    .filter((text) => {
      try {
        checkFlowName(text)
        return true
      } catch {
        return false
      }
    })
  const run = fc.record({
    flow: name,
    seq: fc.oneof(fc.nat(2_000), fc.maxSafeNat()),
    generation: fc.oneof(fc.constant(0), fc.nat(32_767)),
  })
  fc.assert(
    fc.property(run, (one) => {
      expect(parseRun(runId(one))).toEqual(one)
    }),
  )
})

it('says how a run is written', () => {
  for (const text of ['book', 'book/', '/7', 'book/x', 'book/7/', 'book/7/x'])
    expect(() => parseRun(text)).toThrow(`"${text}" names no run: write <flow>/<seq>`)
})

it('reads lengths before now, and times', () => {
  const now = Date.parse('2026-01-31T12:00:00Z')
  expect(parseMoment('15m', now)).toBe('2026-01-31T11:45:00.000Z')
  expect(parseMoment('1d', now)).toBe('2026-01-30T12:00:00.000Z')
  expect(parseMoment('2026-01-31T10:00:00+02:00', now)).toBe('2026-01-31T08:00:00.000Z')
  for (const text of ['5', 'yesterday', '2026-13-01'])
    expect(() => parseMoment(text, now)).toThrow('is no time')
})
