import { expect, it } from 'vitest'
import type { SinkCall } from './sink-invariants.ts'
import {
  brokenOrder,
  doubledEffects,
  exceededConcurrency,
  exceededRate,
  lostAcks,
} from './sink-invariants.ts'
import { MemoryJournal } from './memory-journal.ts'
import { MemoryStore } from './memory-store.ts'

function call(more: Partial<SinkCall>): SinkCall {
  const { seq = 1, startedAt = 0 } = more
  const names = { system: 'erp', flow: 'f', key: 'k', idempotencyKey: `key-${seq}`, kind: 'send' as const }
  return { ...names, seq, startedAt, endedAt: startedAt + 10, effect: true, ...more }
}

it('an acknowledged event that is not in the log, or elsewhere in it, is lost', async () => {
  const clock = { now: () => 0, monotonic: () => 0, timer: () => () => undefined }
  const journal = new MemoryJournal(new MemoryStore(), clock, 'w')
  await journal.append([{ source: 's', id: '1', type: 't', key: null, khash: 0, data: '1', ext: '{}' }])
  const acked = [1, 2].map((seq) => ({ source: 's', id: '1', seq }))
  expect(lostAcks(journal.snapshot(), acked)).toEqual(['D1 acknowledged at 2: s 1'])
})

it('a key with two effects is doubled, a repetition without effect is not', () => {
  expect(doubledEffects([call({}), call({ effect: false })])).toEqual([])
  expect(doubledEffects([call({}), call({})])).toHaveLength(1)
})

it('order speaks of first arrivals, per flow and key', () => {
  const at = (seq: number, startedAt: number, more: Partial<SinkCall> = {}) =>
    call({ seq, startedAt, ...more })
  expect(brokenOrder([at(1, 0), at(2, 20), at(1, 40), at(2, 60)])).toEqual([])
  expect(brokenOrder([at(2, 0), at(1, 20, { key: 'other' }), at(1, 30, { flow: 'g' })])).toEqual([])
  expect(brokenOrder([at(2, 0), at(1, 20)])).toHaveLength(1)
})

it('counts requests that overlap, and requests within a window', () => {
  const limits = new Map([['erp', 2]])
  const three = [0, 5, 9].map((startedAt) => call({ startedAt }))
  expect(exceededConcurrency(three.slice(0, 2), limits)).toEqual([])
  expect(exceededConcurrency(three, limits)).toHaveLength(1)
  expect(exceededRate(three, { max: 2, perMs: 9 })).toEqual([])
  expect(exceededRate(three, { max: 2, perMs: 10 })).toHaveLength(1)
})
