import { expect, it } from 'vitest'
import { BusbarError } from '../errors.ts'
import type { Appended, NewEvent } from '../journal/port.ts'
import { batchOutcome } from './batch.ts'

const event = (id: string): NewEvent => ({
  source: 'urn:test',
  id,
  type: 'order.placed',
  key: null,
  khash: 0,
  data: '{}',
  ext: '{}',
})
const said = (kind: Appended['kind'], seq: number): PromiseSettledResult<Appended> => ({
  status: 'fulfilled',
  value: { kind, seq },
})
const failed = (reason: unknown): PromiseSettledResult<Appended> => ({ status: 'rejected', reason })
const unknown = failed(new BusbarError('journal.unavailable', 'it is not known'))
const bad = failed(new BusbarError('event.invalid', 'the database says no'))

it('tells what is known of each event when an append of several was lost', () => {
  const events = ['a', 'b', 'c', 'd'].map(event)
  const { items, stored, duplicates, refusal } = batchOutcome(events, [
    said('stored', 7),
    said('duplicate', 3),
    unknown,
    said('conflict', 5),
  ])
  expect({ stored, duplicates }).toEqual({ stored: 1, duplicates: 1 })
  expect(items).toMatchObject([
    { id: 'a', seq: 7, duplicate: false },
    { id: 'b', seq: 3, duplicate: true },
    { id: 'c', error: { code: 'journal.unavailable' } },
    { id: 'd', seq: 5, error: { code: 'event.conflict' } },
  ])
  expect(refusal).toMatchObject({
    code: 'journal.unavailable',
    message: expect.stringContaining('1 of 4 events') as string,
    details: { items },
  })
})

it('answers for what is not known first, then for bad data, then for conflicts', () => {
  const events = ['a', 'b', 'c'].map(event)
  const codeOf = (...results: PromiseSettledResult<Appended>[]) => batchOutcome(events, results).refusal?.code
  expect(codeOf(said('conflict', 1), bad, unknown)).toBe('journal.unavailable')
  expect(codeOf(said('conflict', 1), bad, said('stored', 2))).toBe('event.invalid')
  expect(codeOf(said('conflict', 1), said('stored', 2), said('duplicate', 1))).toBe('event.conflict')
  expect(codeOf(said('stored', 1), said('stored', 2), said('duplicate', 1))).toBeUndefined()
})

it('lets through what nobody raised on purpose', () => {
  expect(() => batchOutcome([event('a')], [failed(new TypeError('a mistake'))])).toThrow('a mistake')
})
