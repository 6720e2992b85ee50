import { describe, expect, it } from 'vitest'
import type { OutstandingWrite } from '../journal/port-echoes.ts'
import type { Inbound } from './echo.ts'
import { fieldsFingerprint, judge } from './echo.ts'

const hour = 3_600_000
let ids = 0

/** A write of these values, made when the log's head was `after`, told as done unless said otherwise. */
function wrote(fp: string | null, after: number, more: Partial<OutstandingWrite> = {}): OutstandingWrite {
  const id = ++ids
  const writer = { flow: 1, flowName: 'f', seq: id, gen: 0, step: 's', undo: false }
  return {
    ...{ id, writer, system: 'crm', object: 'C', fp, version: null, versioned: false, after },
    ...{ at: after * 1_000, settlesAt: null },
    ...more,
  }
}

/** An event with these values; one second passes from one place of the log to the next. */
function told(fp: string | null, seq: number, version: string | null = null): Inbound {
  return { seq, fp, version, receivedAt: seq * 1_000, windowMs: hour }
}

/** `echo`, `real` or `later` for each event. */
function verdicts(events: readonly Inbound[], writes: readonly OutstandingWrite[], now = 20_000): string[] {
  const { echoes, real } = judge(events, writes, now)
  return events.map(({ seq }) =>
    echoes.some((echo) => echo.seq === seq) ? 'echo' : real.includes(seq) ? 'real' : 'later',
  )
}

describe('by values', () => {
  it('an event with the values of our write is its echo, once', () => {
    expect(verdicts([told('B', 11), told('B', 12)], [wrote('B', 10)])).toEqual(['echo', 'real'])
  })

  it('an event that was there before the write is not its echo', () => {
    expect(verdicts([told('B', 10)], [wrote('B', 10)])).toEqual(['real'])
  })

  it('an event that comes after the window is not', () => {
    const late = { ...told('B', 11), receivedAt: 10_000 + hour + 1 }
    expect(verdicts([late], [wrote('B', 10)])).toEqual(['real'])
  })

  it('after somebody else has changed the object, our values are somebody else’s', () => {
    expect(verdicts([told('C', 11), told('B', 12)], [wrote('B', 10)])).toEqual(['real', 'real'])
  })

  it('two writes and both echoes in their order are two echoes', () => {
    const writes = [wrote('B', 10), wrote('D', 10)]
    expect(verdicts([told('B', 11), told('D', 12)], writes)).toEqual(['echo', 'echo'])
  })

  it('while only the older one has come, it waits for the newer one, and is real when that does not come', () => {
    const writes = [wrote('B', 10), wrote('D', 10)]
    expect(verdicts([told('B', 11)], writes, 11_500)).toEqual(['later'])
    expect(verdicts([told('B', 11)], writes, 60_000)).toEqual(['real'])
  })

  it('the newer one hides the older one, whose values are somebody else’s then', () => {
    const writes = [wrote('B', 10), wrote('D', 10)]
    expect(verdicts([told('D', 11), told('B', 12)], writes)).toEqual(['echo', 'real'])
  })

  it('three writes that end where they began: the echo of the last is one, and a change behind it is not', () => {
    const writes = [wrote('B', 10), wrote('D', 10), wrote('B', 10)]
    expect(verdicts([told('B', 11)], writes)).toEqual(['echo'])
    expect(verdicts([told('B', 11), told('D', 12)], writes, 12_500)).toEqual(['echo', 'later'])
    expect(verdicts([told('B', 11), told('D', 12)], writes, 90_000)).toEqual(['echo', 'real'])
    expect(verdicts([told('B', 11), told('D', 12), told('B', 13)], writes)).toEqual(['echo', 'echo', 'echo'])
  })

  it('a write under way may fail: its values wait', () => {
    const write = wrote('B', 10, { settlesAt: 15_000 })
    expect(verdicts([told('B', 11)], [write], 14_999)).toEqual(['later'])
    expect(verdicts([told('B', 11)], [write], 15_000)).toEqual(['echo'])
    expect(verdicts([told('C', 11)], [write], 14_999)).toEqual(['real'])
  })

  it('what is behind an undecided event of the object waits with it', () => {
    const write = wrote('B', 10, { settlesAt: 15_000 })
    expect(verdicts([told('B', 11), told('C', 12)], [write], 14_000)).toEqual(['later', 'later'])
  })

  it('a real change takes with it what was written before it, not what was written after it', () => {
    const [old, young] = [wrote('B', 10), wrote('D', 11)]
    const { gone, real } = judge([told('C', 11)], [old, young], 20_000)
    expect({ gone, real }).toEqual({ gone: [old.id], real: [11] })
  })
})

describe('by version', () => {
  const version = (name: string, fp: string | null, after: number) =>
    wrote(fp, after, { version: name, versioned: true })

  it('echoes in either order', () => {
    const writes = [version('1', 'B', 10), version('2', 'D', 10)]
    expect(verdicts([told('B', 11, '1'), told('D', 12, '2')], writes)).toEqual(['echo', 'echo'])
    expect(verdicts([told('D', 11, '2'), told('B', 12, '1')], writes)).toEqual(['echo', 'echo'])
  })

  it('the same values in another version are somebody else’s', () => {
    expect(verdicts([told('B', 11, '2')], [version('1', 'B', 10)])).toEqual(['real'])
  })

  it('waits for the version of a write under way, no longer than its attempt', () => {
    const write = wrote(null, 10, { versioned: true, settlesAt: 15_000 })
    expect(verdicts([told(null, 11, '1')], [write], 14_999)).toEqual(['later'])
    expect(verdicts([told(null, 11, '1')], [write], 15_000)).toEqual(['real'])
    expect(verdicts([told(null, 11, '1')], [{ ...write, version: '1', settlesAt: null }])).toEqual(['echo'])
    expect(verdicts([told(null, 11, '0')], [{ ...write, version: '1', settlesAt: null }])).toEqual(['real'])
  })

  it('a write without a version is known by its values to an event that has one', () => {
    expect(verdicts([told('B', 11, '1')], [wrote('B', 10)])).toEqual(['echo'])
  })

  it('an older write is known by its version alone once a newer one has come back', () => {
    const [old, young] = [version('1', 'B', 10), wrote('D', 10)]
    const { blunted, gone } = judge([told('D', 11)], [old, young], 20_000)
    expect({ blunted, gone }).toEqual({ blunted: [old.id], gone: [young.id] })
  })
})

describe('the fingerprint of fields', () => {
  it('does not depend on the order of names, at any depth', () => {
    expect(fieldsFingerprint({ a: 1, b: { c: [1, 2], d: null } })).toBe(
      fieldsFingerprint({ b: { d: null, c: [1, 2] }, a: 1 }),
    )
  })

  it('takes what is undefined as absent, and tells null, text, numbers, lists and objects apart', () => {
    expect(fieldsFingerprint({ a: undefined, b: 1 })).toBe(fieldsFingerprint({ b: 1 }))
    const different = [
      { a: null },
      {},
      { a: '1' },
      { a: 1 },
      { a: [1, 2] },
      { a: [2, 1] },
      { a: { b: 1 } },
      { a: [['b', 1]] },
    ]
    expect(new Set(different.map(fieldsFingerprint)).size).toBe(different.length)
  })

  it('refuses what JSON cannot say', () => {
    expect(() => fieldsFingerprint({ a: 1n })).toThrow(TypeError)
  })
})
