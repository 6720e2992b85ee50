import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent } from '../define/event.ts'
import type { AnyContract } from '../define/event.ts'
import { redactionOf } from '../define/redaction.ts'
import { hashKey } from '../journal/hash-key.ts'
import type { NewEvent } from '../journal/port.ts'
import type { EventInput } from './event-input.ts'
import { acceptEvent } from './event-input.ts'
import { EventRefused, pointerPart } from './faults.ts'

const Order = z.object({ number: z.string(), lines: z.array(z.object({ 'a/b': z.number() })).default([]) })
const orderPlaced = defineEvent({ type: 'order.placed', schema: Order, key: (order) => order.number })
const keyless = defineEvent({ type: 'keyless', schema: z.unknown() })
const slow = defineEvent({
  type: 'slow',
  schema: z.object({ id: z.number() }).refine(async ({ id }) => Promise.resolve(id > 0), { path: ['id'] }),
})

function accept(input: Partial<EventInput>, at?: string): NewEvent | Promise<NewEvent> {
  const value = input.value ?? { number: 'SO-1' }
  const whole = { id: 'o-1', source: 'urn:shop', type: 'order.placed', extensions: {}, ...input, value }
  const contracts = new Map<string, AnyContract>(
    [orderPlaced, keyless, slow].map((each) => [each.type, each]),
  )
  return acceptEvent(
    { data: JSON.stringify(value), ...whole },
    { contracts, allowUnknownTypes: false, redaction: redactionOf({ contracts, redact: [] }) },
    at,
  )
}

const accepted = (input: Partial<EventInput>) => accept(input) as NewEvent

/** The pointers of what is refused, and the code. */
async function refusal(
  input: Partial<EventInput>,
  at?: string,
): Promise<{ code: string; pointers: string[] }> {
  try {
    await accept(input, at)
  } catch (error) {
    if (!(error instanceof EventRefused)) throw error
    return { code: error.code, pointers: error.faults.map(({ pointer }) => pointer) }
  }
  throw new Error('it was accepted')
}

describe('attributes', () => {
  it('are stored beside the data, the data as it came', () => {
    const time = '2026-01-31T12:00:00.123+01:00'
    const data = '{ "number":"SO-1" }'
    const event = accepted({
      data,
      time,
      subject: 's',
      dataschema: 'urn:v1',
      extensions: { sequence: 7, live: true },
    })
    expect(event).toMatchObject({ source: 'urn:shop', id: 'o-1', type: 'order.placed', key: 'SO-1', data })
    expect(JSON.parse(event.ext)).toEqual({
      ...{ subject: 's', dataschema: 'urn:v1', time },
      extensions: { sequence: '7', live: 'true' },
    })
  })

  it.each([
    ['missing', undefined],
    ['null', null],
    ['a number', 7],
    ['an object', {}],
    ['empty', ''],
    ['with a NUL', 'a\0b'],
    ['with a line break', 'a\nb'],
    ['with an escape', 'a\u001b[2Jb'],
    ['with DEL', 'a\u007f'],
    ['with a C1 control', 'a\u0085'],
    ['with a lone surrogate', 'a\ud83d'],
    ['of 256 bytes', 'x'.repeat(256)],
    ['of 255 characters but more bytes', 'é'.repeat(255)],
  ])('id, source and type are refused when %s', async (_what, value) => {
    expect(await refusal({ id: value, source: value, type: value }, '/3')).toEqual({
      code: 'event.invalid',
      pointers: ['/3/id', '/3/source', '/3/type'],
    })
  })

  it('id takes any other text of up to 255 bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 100 }), (id) => {
        fc.pre(Buffer.byteLength(id) <= 255 && !/[\u0000-\u001f\u007f-\u009f]/.test(id))
        expect(accepted({ id }).id).toBe(id)
      }),
    )
    expect(accepted({ id: 'x'.repeat(255) }).id).toHaveLength(255)
  })

  it.each([
    '2026-01-31T12:00:00Z',
    '2026-01-31T23:59:59.999999999-11:30',
    '2028-02-29T00:00:00+00:00',
    '2026-01-31t12:00:00z',
  ])('time takes %s', (time) => {
    expect(JSON.parse(accepted({ time }).ext)).toEqual({ time })
  })

  it.each([
    ...['yesterday', '2026-01-31', '2026-01-31T12:00:00', '2026-01-31 12:00:00Z', '2026-13-01T00:00:00Z'],
    ...[
      '2026-02-30T00:00:00Z',
      '2027-02-29T00:00:00Z',
      '2026-01-01T24:00:00Z',
      '2026-01-01T00:60:00Z',
      '',
      7,
    ],
  ])('time refuses %j', async (time) => {
    expect(await refusal({ time })).toEqual({ code: 'event.invalid', pointers: ['/time'] })
  })

  it('all faults are named, those of the envelope first', async () => {
    const faults = [{ pointer: '/specversion', message: 'must be "1.0"' }]
    expect(
      await refusal({ faults, id: 1, time: 2, subject: '', extensions: { 'a-b': 'x', ok: {} } }),
    ).toEqual({
      code: 'event.invalid',
      pointers: ['/specversion', '/id', '/subject', '/time', '/a-b', '/ok'],
    })
  })
})

describe('extensions', () => {
  it.each(['Upper', 'with-dash', 'with_underscore', '__proto__', '', 'ü', 'a/b~c', 'x'.repeat(41)])(
    'refuse the name %j',
    async (name) => {
      const extensions = Object.fromEntries([[name, 'x']])
      expect((await refusal({ extensions }, '/0')).pointers).toEqual([`/0${pointerPart(name)}`])
    },
  )

  it('may be called like members of every object', () => {
    const ext = JSON.parse(accepted({ extensions: { constructor: 'a', tostring: 'b' } }).ext) as object
    expect(ext).toEqual({ extensions: { constructor: 'a', tostring: 'b' } })
  })

  it('take the 512 characters of a tracestate, and refuse a kilobyte', async () => {
    const tracestate = 'x'.repeat(512)
    expect(JSON.parse(accepted({ extensions: { tracestate } }).ext)).toEqual({ extensions: { tracestate } })
    expect((await refusal({ extensions: { tracestate: 'x'.repeat(1_025) } })).pointers).toEqual([
      '/tracestate',
    ])
  })

  it('lose a traceparent that is none: the trace begins anew, the event is not refused for it', () => {
    const good = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    expect(accepted({ extensions: { traceparent: good } }).ext).toContain(good)
    expect(accepted({ extensions: { traceparent: 'junk' } }).ext).toBe('{}')
  })
})

describe('the key', () => {
  const keyOf = (input: Partial<EventInput>) => accepted({ type: 'keyless', ...input }).key

  it('is the contract’s, then the partitionkey, then the subject, then none', () => {
    const both = { subject: 'subject', extensions: { partitionkey: 'partition' } }
    expect(accepted(both).key).toBe('SO-1')
    expect(keyOf(both)).toBe('partition')
    expect(keyOf({ subject: 'subject' })).toBe('subject')
    expect(keyOf({})).toBeNull()
  })

  it('that is empty is none', () => {
    expect(accepted({ value: { number: '' } })).toMatchObject({ key: null, khash: hashKey('urn:shop\no-1') })
  })

  it('decides the partition; without one, the identity does', () => {
    expect(accepted({}).khash).toBe(hashKey('SO-1'))
    expect(accepted({ type: 'keyless' }).khash).toBe(hashKey('urn:shop\no-1'))
  })

  it.each(['x'.repeat(256), 'a\nb', 'a\ud83d'])('is refused when it cannot be stored', async (number) => {
    expect(await refusal({ value: { number } })).toEqual({ code: 'event.invalid', pointers: ['/data'] })
  })

  it('is held to 255 bytes as a partitionkey too', async () => {
    const extensions = { partitionkey: 'x'.repeat(256) }
    expect((await refusal({ extensions })).pointers).toEqual(['/partitionkey'])
  })
})

describe('contracts', () => {
  it('refuse with a pointer to each fault', async () => {
    const value = { lines: [{ 'a/b': 1 }, { 'a/b': 'x' }, 7] }
    expect(await refusal({ value }, '/2')).toEqual({
      code: 'event.invalid',
      pointers: ['/2/data/number', '/2/data/lines/1/a~1b', '/2/data/lines/2'],
    })
  })

  it('may check asynchronously', async () => {
    await expect(accept({ type: 'slow', value: { id: 1 } })).resolves.toMatchObject({ type: 'slow' })
    expect((await refusal({ type: 'slow', value: { id: 0 } })).pointers).toEqual(['/data/id'])
  })

  it('are needed for every type, unless the config allows unknown ones', async () => {
    expect(await refusal({ type: 'nobody.knows' }, '/1')).toEqual({
      code: 'event.unknown-type',
      pointers: ['/1/type'],
    })
    const input = { id: 'o-1', source: 'urn:shop', type: 'nobody.knows', extensions: {}, data: '1', value: 1 }
    const contracts = new Map<string, AnyContract>()
    const event = acceptEvent(input, {
      contracts,
      allowUnknownTypes: true,
      redaction: redactionOf({ contracts, redact: [] }),
    })
    expect(event).toMatchObject({ type: 'nobody.knows', key: null, data: '1' })
  })

  it('answer with at most fifty faults', async () => {
    const value = { number: '1', lines: Array.from({ length: 80 }, () => 1) }
    expect((await refusal({ value })).pointers).toHaveLength(50)
  })
})
