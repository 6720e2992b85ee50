import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchedEvents, binaryEvent, modeOf, structuredEvent } from './cloudevents.ts'
import { EventRefused } from './faults.ts'

const maxDepth = 8
const envelope = { specversion: '1.0', id: 'o-1', source: 'urn:shop', type: 'order.placed' }
const bytes = (text: string) => Buffer.from(text)
const headers = (attributes: Record<string, string> = {}) => ({
  'content-type': 'application/json',
  'ce-specversion': '1.0',
  'ce-id': 'o-1',
  'ce-source': 'urn:shop',
  'ce-type': 'order.placed',
  ...attributes,
})

describe('modeOf', () => {
  it.each([
    ['application/cloudevents+json', false, 'structured'],
    ['application/cloudevents+json; charset=utf-8', true, 'structured'],
    ['Application/CloudEvents+JSON;charset="UTF-8"', false, 'structured'],
    ['application/cloudevents-batch+json', false, 'batched'],
    ['application/json', true, 'binary'],
    ['application/json', false, 'structured'],
    ['application/vnd.shop.order.v2+json', true, 'binary'],
    ['application/vnd.shop.order.v2+json', false, undefined],
    [undefined, true, 'binary'],
    [undefined, false, undefined],
    ['', false, undefined],
    ['text/plain', true, undefined],
    ['application/xml', true, undefined],
    ['application/cloudevents+xml', true, undefined],
    ['application/cloudevents', false, undefined],
    ['application/json; charset=latin1', true, undefined],
    ['application/cloudevents+json; charset=utf-16', false, undefined],
    ['application/jsonp', true, undefined],
  ] as const)('of %j, with ce- headers: %j, is %j', (contentType, hasBinaryHeaders, mode) => {
    expect(modeOf(contentType, hasBinaryHeaders)).toBe(mode)
  })
})

describe('structured mode', () => {
  it('keeps the text of the data as it came, and the parsed value beside it', () => {
    const data = '{ "total" : 19.90,\n "note":"\\u00fc", "big": 12345678901234567890 }'
    const event = structuredEvent(bytes(`{"data":${data} ,"specversion":"1.0","id":"o-1"}`), maxDepth)
    expect(event.data).toBe(data)
    expect(event.value).toEqual(JSON.parse(data))
  })

  it('takes an event without data as one whose data is null', () => {
    expect(structuredEvent(bytes(JSON.stringify(envelope)), maxDepth)).toMatchObject({
      data: 'null',
      value: null,
    })
  })

  it('takes what is no attribute of CloudEvents for an extension', () => {
    const event = structuredEvent(bytes(JSON.stringify({ ...envelope, sequence: '7', Data: 1 })), maxDepth)
    expect(event.extensions).toEqual({ sequence: '7', Data: 1 })
  })

  it('names all faults of the envelope at once', () => {
    const body = { specversion: '0.3', datacontenttype: 'text/xml', data_base64: 'AA==' }
    expect(
      structuredEvent(bytes(JSON.stringify(body)), maxDepth).faults?.map(({ pointer }) => pointer),
    ).toEqual(['/specversion', '/data_base64', '/datacontenttype'])
  })

  it.each([
    ['not JSON', '{"a":', 'request.malformed', []],
    ['nothing', '', 'request.malformed', []],
    ['two documents', '{}{}', 'request.malformed', []],
    ['an array', '[]', 'event.invalid', ['']],
    ['a number', '1', 'event.invalid', ['']],
    ['null', 'null', 'event.invalid', ['']],
    [
      'data that is too deep',
      `{"data":${'['.repeat(8)}${']'.repeat(8)}}`,
      'event.invalid',
      ['/data/0/0/0/0/0/0/0'],
    ],
    ['an attribute twice', '{"id":"1","id":"2"}', 'event.invalid', ['/id']],
  ])('refuses %s', (_what, body, code, pointers) => {
    expect(refusal(() => structuredEvent(bytes(body), maxDepth))).toEqual({ code, pointers })
  })

  it('refuses bytes that are not UTF-8', () => {
    expect(refusal(() => structuredEvent(Buffer.from([0x22, 0xff, 0x22]), maxDepth)).code).toBe(
      'request.malformed',
    )
  })
})

describe('batched mode', () => {
  it('keeps the text of each item, and points into the batch', () => {
    const item = (data: string) => `{"specversion":"2.0","data": ${data} }`
    const events = batchedEvents(bytes(`[ ${item('[1, 2]')} , ${item('{"a":1}')} ]`), maxDepth)
    expect(events.map(({ data }) => data)).toEqual(['[1, 2]', '{"a":1}'])
    expect(events.flatMap(({ faults }) => faults?.map(({ pointer }) => pointer))).toEqual([
      '/0/specversion',
      '/1/specversion',
    ])
  })

  it('may be empty', () => {
    expect(batchedEvents(bytes(' [ ] '), maxDepth)).toEqual([])
  })

  it('allows each item the depth of an event', () => {
    const item = (depth: number) => `[{"data":${'['.repeat(depth)}${']'.repeat(depth)}}]`
    expect(batchedEvents(bytes(item(7)), maxDepth)).toHaveLength(1)
    expect(refusal(() => batchedEvents(bytes(item(8)), maxDepth)).pointers).toEqual(['/0/data/0/0/0/0/0/0/0'])
  })

  it.each([
    ['an object', '{}', ['']],
    ['items that are no objects', '[{},1,null,[]]', ['/1', '/2', '/3']],
    ['a fault deep in an item', '[{},{"data":{"a":["\\u0000"]}}]', ['/1/data/a/0']],
  ])('refuses %s', (_what, body, pointers) => {
    expect(refusal(() => batchedEvents(bytes(body), maxDepth))).toEqual({ code: 'event.invalid', pointers })
  })
})

describe('binary mode', () => {
  const idOf = (value: string) => binaryEvent(headers({ 'ce-id': value }), bytes('{}'), maxDepth).id

  it('takes attributes from the headers, the data from the body, the media type from the request', () => {
    const body = '{ "number": "SO-1" }'
    const given = {
      ...headers({ 'ce-subject': 'SO-1', 'ce-sequence': '7' }),
      'content-type': 'application/vnd.x+json',
    }
    expect(binaryEvent(given, bytes(body), maxDepth)).toMatchObject({
      ...{ id: 'o-1', source: 'urn:shop', type: 'order.placed', subject: 'SO-1' },
      datacontenttype: 'application/vnd.x+json',
      extensions: { sequence: '7' },
      data: body,
      value: { number: 'SO-1' },
      faults: [],
    })
  })

  it('decodes what a sender encodes, any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
        expect(idOf(encodeURIComponent(text))).toBe(text)
      }),
    )
  })

  it.each([
    ['Euro%20%E2%82%AC%20%F0%9F%98%80', 'Euro € 😀'],
    ['%e2%82%ac', '€'],
    ['%41', 'A'],
    ['100%2525', '100%25'],
    ['"with a space"', 'with a space'],
    ['"a \\"quoted\\" \\\\ one%21"', 'a "quoted" \\ one!'],
    ['half"quoted', 'half"quoted'],
  ])('reads %s as %s, with one round of decoding', (value, text) => {
    expect(idOf(value)).toBe(text)
  })

  it.each(['%C0%A0', '%ff', '%', '100%', '%zz', '%ED%A0%80', 'f\u00fcr'])('refuses %s', (value) => {
    expect(refusal(() => idOf(value))).toEqual({ code: 'event.invalid', pointers: ['/id'] })
  })

  it('points into the data', () => {
    const body = '{"a":{"__proto__":1}}'
    expect(refusal(() => binaryEvent(headers(), bytes(body), maxDepth)).pointers).toEqual([
      '/data/a/__proto__',
    ])
  })

  it('takes an event without content type and body as one without data', () => {
    const { 'content-type': _none, ...rest } = headers()
    const event = binaryEvent(rest, Buffer.alloc(0), maxDepth)
    expect(event).toMatchObject({ data: 'null', value: null, faults: [] })
    expect(event.datacontenttype).toBeUndefined()
  })

  it('refuses an empty body that is said to be JSON', () => {
    expect(refusal(() => binaryEvent(headers(), Buffer.alloc(0), maxDepth)).code).toBe('request.malformed')
  })

  it('does not let a header set the data, the media type or a prototype', () => {
    const given = headers({ 'ce-data': 'x', 'ce-datacontenttype': 'text/xml', 'ce-__proto__': 'x' })
    const event = binaryEvent(given, bytes('[1]'), maxDepth)
    expect(event).toMatchObject({ data: '[1]', value: [1], datacontenttype: 'application/json' })
    expect(Object.keys(event.extensions)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(event.extensions)).toBe(Object.prototype)
  })
})

function refusal(read: () => unknown): { code: string; pointers: string[] } {
  try {
    read()
  } catch (error) {
    if (!(error instanceof EventRefused)) throw error
    return { code: error.code, pointers: error.faults.map(({ pointer }) => pointer) }
  }
  throw new Error('it was accepted')
}
