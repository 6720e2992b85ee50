import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { z } from 'zod'
import { concealing } from './conceal.ts'
import { defineEvent } from './event.ts'
import type { AnyContract } from './event.ts'
import { redactionOf } from './redaction.ts'
import type { Redaction } from './redaction.ts'
import { keepSecret, withoutSecrets } from './secrets.ts'

interface Node {
  readonly secret?: string | undefined
  readonly next?: Node | undefined
}
const Node: z.ZodType<Node> = z.object({
  secret: z.string().meta({ sensitive: true }).optional(),
  get next() {
    return Node.optional()
  },
})

const order = defineEvent({
  type: 'order.placed',
  schema: z.object({
    number: z.string(),
    tax: z.string().meta({ sensitive: true }).optional(),
    lines: z.array(z.object({ sku: z.string(), serial: z.string().meta({ sensitive: true }) })).optional(),
    tree: Node.optional(),
    customer: z.unknown().optional(),
  }),
  redact: ['customer.iban', 'customer.cards[].number', 'customer.codes.*'],
})

function rules(redact: readonly string[] = [], contracts: readonly AnyContract[] = [order]): Redaction {
  return redactionOf({ contracts: new Map(contracts.map((each) => [each.type, each])), redact })
}

describe('the data of an event', () => {
  it('say [redacted] where the contract names a path, at any index and under any name', () => {
    const customer = { name: 'Ann', iban: 'DE1', cards: [{ number: 1, brand: 'x' }], codes: { a: 1, b: [2] } }
    expect(rules().data('order.placed', { number: 'A', customer })).toEqual({
      number: 'A',
      customer: {
        name: 'Ann',
        iban: '[redacted]',
        cards: [{ number: '[redacted]', brand: 'x' }],
        codes: { a: '[redacted]', b: '[redacted]' },
      },
    })
  })

  it('say [redacted] where the schema says sensitive, in lists and in what contains itself at any depth', () => {
    const data = {
      number: 'A',
      tax: '1',
      lines: [{ sku: 's', serial: '2' }],
      tree: { secret: '3', next: { next: { secret: '4', next: { secret: '5' } } } },
    }
    expect(JSON.stringify(rules().data('order.placed', data))).not.toMatch(/"[1-5]"/)
    expect(rules().data('order.placed', data)).toMatchObject({ number: 'A', lines: [{ sku: 's' }] })
  })

  it('say nothing of what the value was: nor its type, nor whether there was one', () => {
    for (const tax of [null, 12, '', { a: 1 }, []])
      expect(rules().data('order.placed', { tax })).toEqual({ tax: '[redacted]' })
    expect(rules().data('order.placed', {})).toEqual({})
  })

  it('follow the names and paths of the configuration, for any type', () => {
    const redact = rules(['taxId', 'delivery.phone', 'lines[].price'])
    const data = { a: { TAX_ID: 1 }, delivery: { phone: 2, city: 'X' }, lines: [{ price: 3 }], phone: 4 }
    expect(redact.data('other', data)).toEqual({
      a: { TAX_ID: '[redacted]' },
      delivery: { phone: '[redacted]', city: 'X' },
      lines: [{ price: '[redacted]' }],
      phone: '[redacted]', // of a type without a contract: the last names of marked fields, wherever they are
    })
    const known = rules(['delivery.phone']).data('order.placed', { phone: 4, password: 'x' })
    expect(known).toEqual({ phone: 4, password: '[redacted]' })
  })

  it('keep digits and hostile names as they are', () => {
    const raw = (JSON as unknown as { rawJSON: (text: string) => unknown }).rawJSON('12345678901234567890')
    const shown = rules().data('order.placed', JSON.parse('{"__proto__":{"iban":"x"},"a":1}'))
    expect(JSON.stringify(shown)).toBe('{"__proto__":{"iban":"[redacted]"},"a":1}')
    expect(JSON.stringify(rules().data('order.placed', { id: raw }))).toBe('{"id":12345678901234567890}')
  })
})

it('a path that is none is refused with its owner', () => {
  expect(() => rules(['a..b'])).toThrow(/redact: "a..b" is no path/)
  expect(() => defineEvent({ type: 'x', schema: z.unknown(), redact: [''] })).toThrow(/event "x": redact/)
})

describe('a text that tells of an event', () => {
  const conceal = (customer: object) => rules().conceal('order.placed', { customer })

  it('loses the values of marked fields, however they are written', () => {
    const iban = 'DE89 3704 0044 0532 0130 00'
    const hide = conceal({ iban })
    for (const text of [
      iban,
      'DE89370400440532013000',
      'de89-3704-0044-0532-0130-00',
      encodeURIComponent(iban),
      new URLSearchParams({ iban }).toString(),
      JSON.stringify({ account: iban }),
    ])
      expect(hide(`before ${text} after`)).toMatch(/^before .*\[redacted\].* after$/)
    expect(hide('DE89 3704 0044 0532 013')).toBe('[redacted]') // the end was cut off
    expect(hide('{"error":"DE89 3704 0044"}')).toBe('{"error":"[redacted]"}')
    expect(hide('DE88370400440532013000')).toBe('DE88370400440532013000')
  })

  it('loses values that need escapes, and numbers', () => {
    const hide = conceal({ iban: 'a"b\\c\n(d)*e/ü', codes: { pin: 8231, rate: 12.75 } })
    const text = JSON.stringify({ q: 'a"b\\c\n(d)*e/ü', pin: 8231, rate: '12.75', x: 82310 })
    expect(hide(text)).toBe('{"q":"[redacted]","pin":[redacted],"rate":"[redacted]","x":82310}')
    expect(hide(encodeURIComponent('a"b\\c\n(d)*e/ü'))).toBe('[redacted]')
  })

  it('keeps what is too short to be told from ordinary text', () => {
    expect(conceal({ codes: { a: 'x', b: 7 } })('x equals 7')).toBe('x equals 7')
  })

  it('never holds a marked value, whatever it is', () => {
    const marked = fc.string({ minLength: 6, maxLength: 40, unit: 'grapheme' })
    fc.assert(
      fc.property(marked, fc.string(), fc.string(), (value, before, after) => {
        fc.pre([...value.replaceAll(/[\s-]/g, '')].length >= 6)
        expect(concealing([value])(JSON.stringify({ [before]: value, after }))).not.toContain(
          `:${JSON.stringify(value)},"after"`,
        )
      }),
    )
  })

  it('shows nothing where there is more to hide than can be looked for', () => {
    expect(concealing(['x'.repeat(70_000)])('harmless')).toBe('[redacted]')
  })
})

describe('edited data', () => {
  const original = {
    tax: 'T-1',
    lines: [
      { sku: 'a', serial: 'S1' },
      { sku: 'b', serial: 'S2' },
      { sku: 'b', serial: 'S3' },
    ],
  }
  const restore = (edited: unknown) => rules().restore('order.placed', edited, original)
  const line = (sku: string, serial = '[redacted]') => ({ sku, serial })

  it('get back what was hidden where it was left alone, and keep what was replaced', () => {
    expect(restore({ tax: '[redacted]', note: 'new' })).toEqual({ tax: 'T-1', note: 'new' })
    expect(restore({ tax: 'T-2' })).toEqual({ tax: 'T-2' })
    expect(restore({})).toEqual({})
    expect(restore({ lines: [line('A2'), line('b'), line('b')] })).toEqual({
      lines: [line('A2', 'S1'), line('b', 'S2'), line('b', 'S3')],
    })
  })

  it('find the items of a list that were moved or left out, and never guess', () => {
    const two = {
      lines: [
        { sku: 'a', serial: 'S1' },
        { sku: 'b', serial: 'S2' },
      ],
    }
    const moved = rules().restore('order.placed', { lines: [line('b'), line('a')] }, two)
    expect(moved).toEqual({ lines: [line('b', 'S2'), line('a', 'S1')] })
    expect(rules().restore('order.placed', { lines: [line('b')] }, two)).toEqual({ lines: [line('b', 'S2')] })
    expect(() => restore({ lines: [line('b'), line('a')] })).toThrow(/\/lines\/0.*not clear/)
    expect(() => restore({ lines: [line('b'), line('a'), line('b')] })).toThrow(/not clear/)
    expect(() => restore({ lines: [line('c')] })).toThrow(/\/lines\/0\/serial/)
  })

  it('are refused where a value says [redacted] that was not hidden', () => {
    expect(() => restore({ number: '[redacted]' })).toThrow(/\/number says \[redacted\]/)
  })
})

it('a text that is no JSON loses the values of marked names, also where it is cut off', () => {
  const text = `{"a":{"iban":"DE89 37\\"04", "tax" : 'T' number=7&password=x%20y","cvc":"12`
  expect(rules().unread(text)).toBe(
    `{"a":{"iban":[redacted], "tax" : [redacted] number=[redacted]&password=[redacted],"cvc":[redacted]`,
  )
})

it('credentials are taken out of texts as they are and as JSON, URLs and base64 write them', () => {
  const secret = 'p4ss/wörd"+x'
  keepSecret(secret)
  for (const text of [
    secret,
    JSON.stringify(secret),
    encodeURIComponent(secret),
    new URLSearchParams({ secret }).toString(),
    Buffer.from(secret).toString('base64'),
  ])
    expect(withoutSecrets(`x ${text} y`)).toMatch(/^x .*\[redacted\].* y$/)
  for (const word of ['', 'short1', 'postgres', '123456789']) keepSecret(word)
  expect(withoutSecrets('postgres short1 123456789')).toBe('postgres short1 123456789')
})
