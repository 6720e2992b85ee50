import { expect, it } from 'vitest'
import { median, summaries } from './results.ts'
import type { Run } from './results.ts'

const run = (eventsPerSecond: number, more: Partial<Run> = {}): Run => ({
  workload: 'fan-out',
  case: 'all',
  system: 'busbar',
  round: 1,
  startedAt: '2026-11-27T00:00:00Z',
  figures: { eventsPerSecond },
  repeats: 0,
  late: 0,
  wrong: 0,
  refused: 0,
  foreignShare: 0,
  disturbed: false,
  ...more,
})

it('takes the median, between two that of both, and leaves out what is no number', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
  expect(median([Number.NaN, 5])).toBe(5)
})

it('leaves disturbed rounds out as long as there are others', () => {
  const [one] = summaries([run(100), run(10, { disturbed: true }), run(120)])
  expect(one).toMatchObject({ figures: { eventsPerSecond: 110 }, rounds: 3, disturbed: 1 })
  expect(summaries([run(10, { disturbed: true })])[0]?.figures['eventsPerSecond']).toBe(10)
})

it('counts what went wrong over all rounds, and those that have failed', () => {
  const [one] = summaries([
    run(100, { late: 2 }),
    run(100, { late: 3 }),
    run(0, { figures: {}, error: 'no' }),
  ])
  expect(one).toMatchObject({ late: 5, rounds: 2, failed: 1, figures: { eventsPerSecond: 100 } })
})

it('keeps the systems in the order in which they were measured', () => {
  const names = summaries([run(1, { system: 'b' }), run(1, { system: 'a' }), run(1, { system: 'b' })])
  expect(names.map(({ system }) => system)).toEqual(['b', 'a'])
})
