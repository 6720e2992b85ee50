import { expect, it } from 'vitest'
import type { ReplayPlan } from '../control/schema/replay.ts'
import { describePlan } from './replay-plan.ts'

const terminal = { out: () => undefined, err: () => undefined, colour: false, width: Infinity }

function planOf(more: Partial<ReplayPlan> = {}, counted: Partial<ReplayPlan['plan']> = {}): ReplayPlan {
  const counts = {
    left: 3,
    underWay: 0,
    held: 0,
    succeeded: 0,
    failed: 0,
    recovered: 0,
    ended: 0,
    passedOver: 0,
  }
  return {
    ...{ id: 7, flow: 'book', state: 'planned', why: [], keys: 'same', selection: { key: 'A' }, rate: 50 },
    ...{ maxErrors: 0.1, ramp: [1, 10, 100], stage: 1, stageEnd: 1, total: 3, counts, head: 9 },
    ...{ createdBy: 'ada', createdAt: '2026-01-01T00:00:00Z', reason: 'x', startedAt: null, endedAt: null },
    plan: { events: 3, objects: 1, firstObjects: ['A'], states: {}, edited: 0, keyLives: [], ...counted },
    preview: [],
    ...more,
  }
}

/** The lines that warn. */
const warnings = (plan: ReplayPlan) =>
  describePlan(terminal, plan)
    .split('\n')
    .filter((line) => line.startsWith('! '))

it('warns where the same keys do not keep a system from doing things twice, or keep it from doing them at all', () => {
  const keyLives = [
    { system: 'erp', lifeMs: 86_400_000, passed: 2 },
    { system: 'dms', lifeMs: 0, passed: 3 },
    { system: 'shop', lifeMs: 86_400_000, passed: 0 },
  ]
  expect(warnings(planOf({}, { keyLives, states: { succeeded: 2, compensated: 1 }, edited: 1 }))).toEqual([
    '! erp remembers keys for 24 h: 2 runs began before that, and may be done a second time',
    '! dms does not know idempotency keys: what had succeeded may be done a second time',
    '! 1 run had been compensated: a system that remembers the keys takes them for done, and does nothing',
    '! 1 run had a step edited by a person: the event as it came is sent, under the key of before the edit',
  ])
})

it('warns that new keys do again what was done', () => {
  expect(warnings(planOf({ keys: 'new' }, { states: { succeeded: 2, none: 1 } }))).toEqual([
    '! 2 runs had succeeded: with new keys, each of them is done a second time',
  ])
  expect(warnings(planOf({ keys: 'new' }, { states: { none: 3 } }))).toEqual([])
})

it('says what was not compared, and shows an example where nothing was on record', () => {
  const step = { step: 'sale', system: 'erp', why: null, recorded: null, differences: [] }
  const said = describePlan(
    terminal,
    planOf({
      preview: [
        {
          seq: 1,
          key: 'A',
          steps: [{ ...step, result: 'not-recorded', request: 'POST /sales\n\n{"a":"\u001b[31m"}' }],
        },
        {
          seq: 2,
          key: 'A',
          steps: [{ ...step, result: 'not-shown', request: null, why: 'it sends nothing' }],
        },
      ],
    }),
  )
  expect(said).toContain(
    'of 2 requests compared, 0 would differ, 0 are the same, 1 not recorded the first time',
  )
  expect(said).toContain('not shown, for one: step sale: it sends nothing')
  expect(said).toContain('  POST /sales\n  \n  {"a":"\\u001b[31m"}')
})
