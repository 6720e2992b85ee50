import { expect, it } from 'vitest'
import { explainObject } from './explain-object.ts'
import type { ObjectFacts, OpenFact } from './explain-object.ts'
import { plain, say } from './sentence.ts'

const run = (over: Partial<OpenFact> = {}): OpenFact => ({
  flow: 'order-to-cash',
  seq: 7,
  generation: 0,
  state: 'parked',
  system: 'accounting',
  message: 'line 3 has no tax code',
  triedAt: '09:12',
  why: say`needs a person: line 3 has no tax code`,
  until: null,
  ...over,
})
const facts = (over: Partial<ObjectFacts> = {}): ObjectFacts => ({
  events: 3,
  maxCounted: 1_000,
  lastAt: '09:52',
  open: [],
  expected: [],
  ...over,
})
const words = (over: Partial<ObjectFacts>) => plain(explainObject(facts(over)).verdict, (at) => at)

it('says where an object is stuck, since when, why, and what else is open', () => {
  const waits = run({ flow: 'order-change', seq: 9, state: 'waiting', why: say`waits`, message: null })
  expect(words({ open: [waits, run()] })).toBe(
    'Stuck at accounting since 09:12: line 3 has no tax code. 1 more run is not done.',
  )
  expect(explainObject(facts({ open: [waits, run()] })).state).toBe('parked')
  expect(words({ open: [run(), run({ seq: 8 }), waits] })).toBe(
    'Stuck at accounting since 09:12: line 3 has no tax code. 1 more run needs a person, 1 waits.',
  )
})

it('says of what tries again by itself when it does, and until when', () => {
  const retrying = run({ state: 'retrying', why: say`tries again later: HTTP 503`, until: '14:05' })
  expect(explainObject(facts({ open: [retrying] }))).toMatchObject({ state: 'retrying', until: '14:05' })
  expect(words({ open: [retrying] })).toBe('order-to-cash: tries again later: HTTP 503.')
})

it('says that all is done, and what must still come', () => {
  expect(words({})).toBe('All is done: 3 events, the last one 09:52.')
  expect(words({ events: 1_000 })).toBe('All is done: more than 999 events, the last one 09:52.')
  const open = { expected: 'invoice.posted', state: 'open', dueAt: '15:00' } as const
  expect(words({ expected: [open] })).toBe(
    'All is done: 3 events, the last one 09:52. invoice.posted must come by 15:00.',
  )
  const overdue = { ...open, state: 'overdue' as const, dueAt: '11:00' }
  expect(words({ expected: [overdue, open] })).toBe('invoice.posted has not come: it was due 11:00.')
  expect(words({ events: 0, lastAt: null })).toBe('No event about it has come; only its ids are known.')
})
