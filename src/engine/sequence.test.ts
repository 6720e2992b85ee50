import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SequenceMark } from '../journal/port.ts'
import {
  furthest,
  givesWay,
  isSequenceNumber,
  missingWords,
  parseSequence,
  placeInSequence,
} from './sequence.ts'

describe('the place of a number in its sequence', () => {
  const place = (number: number, mark?: SequenceMark, start = 1) =>
    placeInSequence({ number, seq: 100 }, mark, start)

  it('the first number is next where nothing was dealt with yet', () => {
    expect(place(1)).toEqual({ kind: 'next' })
    expect(place(0, undefined, 0)).toEqual({ kind: 'next' })
    expect(place(3)).toEqual({ kind: 'gap', missing: 1 })
    expect(place(0)).toMatchObject({ kind: 'stale', reason: 'number 0 lies before the first, which is 1' })
  })

  it('what follows the last is next, more is a gap, less is stale', () => {
    const mark = { last: 5, seq: 50 }
    expect(place(6, mark)).toEqual({ kind: 'next' })
    expect(place(8, mark)).toEqual({ kind: 'gap', missing: 6 })
    expect(place(4, mark)).toEqual({ kind: 'stale', reason: 'number 4 came after 5 was dealt with' })
  })

  it('another event of the last number is stale, another run of the same event is not', () => {
    expect(place(5, { last: 5, seq: 50 })).toEqual({
      kind: 'stale',
      reason: 'number 5 was dealt with before, as event 50',
    })
    expect(place(5, { last: 5, seq: 100 })).toEqual({ kind: 'next' })
    expect(place(5, { last: 5, seq: 0 })).toEqual({
      kind: 'stale',
      reason: 'number 5 came after it was given up',
    })
  })

  it('what was skipped ahead of the first number does not stand for it', () => {
    expect(place(1, { last: -1, seq: 0 })).toEqual({ kind: 'next' })
    expect(place(2, { last: -1, seq: 0 })).toEqual({ kind: 'gap', missing: 1 })
  })

  it('whatever the order and however often: each number is applied once, in order, when it and all before it have come', () => {
    const arrivals = fc
      .uniqueArray(fc.integer({ min: 1, max: 30 }))
      .chain((numbers) =>
        fc.array(fc.constantFrom(...(numbers.length > 0 ? numbers : [1])), { maxLength: 120 }),
      )
    fc.assert(
      fc.property(arrivals, (numbers) => {
        const applied = deliver(numbers)
        const come = new Set(numbers)
        const expected: number[] = []
        for (let number = 1; come.has(number); number++) expected.push(number)
        expect(applied).toEqual(expected)
      }),
    )
  })
})

/** A lane that applies what is next and keeps what has a gap before it. */
function deliver(numbers: readonly number[]): number[] {
  const applied: number[] = []
  let mark: SequenceMark | undefined
  let waiting: { number: number; seq: number }[] = []
  for (const [index, number] of numbers.entries()) {
    waiting.push({ number, seq: index + 1 })
    for (let moved = true; moved;) {
      moved = false
      for (const run of [...waiting].sort((one, other) => one.number - other.number || one.seq - other.seq)) {
        const { kind } = placeInSequence(run, mark, 1)
        if (kind === 'gap') continue
        waiting = waiting.filter((each) => each !== run)
        if (kind === 'stale') continue
        applied.push(run.number)
        mark = furthest(mark, { last: run.number, seq: run.seq })
        moved = true
      }
    }
  }
  return applied
}

it('marks only move forward', () => {
  const low = { last: 1, seq: 9 }
  const high = { last: 2, seq: 3 }
  expect(furthest(low, high)).toBe(high)
  expect(furthest(high, low)).toBe(high)
  expect(furthest(undefined, low)).toBe(low)
  expect(furthest(low, undefined)).toBe(low)
})

it('says which numbers are missing', () => {
  expect(missingWords(6, 7)).toBe('number 6')
  expect(missingWords(6, 9)).toBe('numbers 6 to 8')
})

it.each([
  ['7', 7],
  ['0007', 7],
  ['0', 0],
  ['9007199254740991', 9007199254740991],
  ['9007199254740992', undefined],
  ['-1', undefined],
  ['1.5', undefined],
  ['1e3', undefined],
  ['', undefined],
  [' 7', undefined],
  ['٣', undefined],
  [7, undefined],
  [undefined, undefined],
])('the CloudEvents attribute sequence %j is the number %j', (text, number) => {
  expect(parseSequence(text)).toBe(number)
})

it('numbers are whole, not negative, and exact', () => {
  for (const good of [0, 1, Number.MAX_SAFE_INTEGER]) expect(isSequenceNumber(good)).toBe(true)
  for (const bad of [-1, 0.5, NaN, Infinity, 2 ** 53, '1', null, undefined])
    expect(isSequenceNumber(bad)).toBe(false)
})

describe('a snapshot gives way to a newer one', () => {
  const snapshot = { underWay: false, begun: false, wanted: false, maybeAt: null }

  it('as long as nothing of it is on its way', () => {
    expect(givesWay(snapshot, 1_000, 5_000)).toBe(true)
    expect(givesWay({ ...snapshot, underWay: true }, 1_000, 5_000)).toBe(false)
    expect(givesWay({ ...snapshot, begun: true }, 1_000, 5_000)).toBe(false)
    expect(givesWay({ ...snapshot, wanted: true }, 1_000, 5_000)).toBe(false)
  })

  it('A19: in doubt only when what was sent must have landed', () => {
    expect(givesWay({ ...snapshot, maybeAt: 4_001 }, 1_000, 5_000)).toBe(false)
    expect(givesWay({ ...snapshot, maybeAt: 4_000 }, 1_000, 5_000)).toBe(true)
  })
})
