/** Bad input by name: what is sent, and the answer to it. */
import type { Request } from './door.ts'
import { batched, binary, event, eventWith, maxBodyBytes, structured } from './door.ts'

/** One bad input, and its status, code and faults. */
export interface BadInput {
  readonly name: string
  readonly request: Request
  readonly status: number
  readonly code: string
  /** Pointers of the faults, in order. */
  readonly at?: readonly string[]
}

const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
const json = (contentType: string) => ({ 'content-type': contentType })
const malformed = (name: string, request: Request): BadInput => ({
  name,
  request,
  status: 400,
  code: 'request.malformed',
})
const media = (name: string, headers: Request['headers']): BadInput => ({
  name,
  request: { headers: headers ?? {}, body: event('media') },
  status: 415,
  code: 'request.unsupported-media-type',
})
const invalid = (name: string, body: string | Request, ...at: string[]): BadInput => ({
  name,
  request: typeof body === 'string' ? { body } : body,
  status: 422,
  code: 'event.invalid',
  at,
})

/** Bodies that are not read as an event. */
export const bodies: readonly BadInput[] = [
  {
    name: 'a body over the limit',
    request: { body: 'x'.repeat(maxBodyBytes + 1) },
    status: 413,
    code: 'event.too-large',
  },
  {
    name: 'ten gigabytes announced, nothing sent',
    request: { contentLength: 10_000_000_000 },
    status: 413,
    code: 'event.too-large',
  },
  {
    name: 'a body over the limit in chunks',
    request: {
      raw: `POST /events HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/cloudevents+json\r\ntransfer-encoding: chunked\r\n\r\n${`8000\r\n${'x'.repeat(0x8000)}\r\n`.repeat(3)}0\r\n\r\n`,
    },
    status: 413,
    code: 'event.too-large',
  },
  malformed('no body', {}),
  malformed('JSON that is cut off', { body: event('cut').slice(0, -5) }),
  malformed('JSON with something behind it', { body: `${event('two')}${event('three')}` }),
  malformed('JavaScript that is not JSON', { body: "{specversion:'1.0'}" }),
  malformed('NaN as a number', { body: eventWith('nan', '{"number":NaN}') }),
  malformed('a raw control character in a string', { body: eventWith('ctl', '{"number":"a\u0001"}') }),
  malformed('a raw NUL', { body: eventWith('nul', '{"number":"a\0"}') }),
  malformed('Latin-1', { body: Buffer.from(event('für'), 'latin1') }),
  malformed('UTF-16', { body: Buffer.from(event('wide'), 'utf16le') }),
  malformed('a byte order mark', { body: `\ufeff${event('bom')}` }),
  malformed('a surrogate in UTF-8', { body: Buffer.from('22eda08022', 'hex') }),
  malformed('thirty thousand open brackets', { body: '['.repeat(30_000) }),
  invalid('thirty thousand closed brackets', deep(30_000), '/0/0/0/0/0/0/0/0'),
  invalid('data that is nested too deep', eventWith('deep', deep(8)), `/data${'/0'.repeat(7)}`),
  media('no content type', {}),
  media('plain text', json('text/plain')),
  media('a form', json('application/x-www-form-urlencoded')),
  media('XML', json('application/cloudevents+xml')),
  media('a content type that is none', json('???')),
  media('another charset', json('application/cloudevents+json; charset=iso-8859-1')),
  media('a compressed body', { ...structured, 'content-encoding': 'gzip' }),
]

/** Events that are not accepted. */
export const events: readonly BadInput[] = [
  invalid('another version of CloudEvents', event('v', { specversion: '0.3' }), '/specversion'),
  invalid('an empty object', '{}', '/specversion', '/id', '/source', '/type'),
  invalid('an array in structured mode', `[${event('a')}]`, ''),
  invalid('a string', '"event"', ''),
  invalid('an id with a bell', event('a\u0007b'), '/id'),
  invalid('an id with a line break', event('a\r\nx-injected: 1'), '/id'),
  invalid('an id with an escape sequence', event('\u001b[31mred'), '/id'),
  invalid('an id with a NUL', event('a\0b'), '/id'),
  invalid('an id with a lone surrogate', event('x').replace('"x"', '"\\ud800"'), '/id'),
  invalid('an id of 256 bytes', event('é'.repeat(128)), '/id'),
  invalid(
    'an incompressible id of nine kilobytes',
    event(Buffer.alloc(9_000, 'x').toString('base64')),
    '/id',
  ),
  invalid('an id that is a number', event('n').replace('"id":"n"', '"id":7'), '/id'),
  invalid(
    'a source and a type with controls',
    event('c', { source: 'a\tb', type: 'c\u009fd' }),
    '/source',
    '/type',
  ),
  invalid('a key that cannot be stored', event('k', { data: { number: 'x'.repeat(300) } }), '/data'),
  invalid('a day that does not exist', event('t', { time: '2026-02-30T12:00:00Z' }), '/time'),
  invalid('binary data', event('b', { data_base64: 'AA==' }), '/data_base64'),
  invalid('XML data', event('x', { datacontenttype: 'text/xml', data: '<a/>' }), '/datacontenttype'),
  invalid(
    'extensions of wrong name or value',
    event('e', { 'Bad-Name': 'x', list: [] }),
    '/Bad-Name',
    '/list',
  ),
  invalid('__proto__ as an attribute', event('p').replace('{', '{"__proto__":{"polluted":1},'), '/__proto__'),
  invalid(
    '__proto__ in the data',
    eventWith('p', '{"number":"1","__proto__":{"polluted":1}}'),
    '/data/__proto__',
  ),
  invalid(
    '__proto__ in escapes',
    eventWith('p', '{"a":[{"\\u005f_proto_\\u005F":1}]}'),
    '/data/a/0/__proto__',
  ),
  invalid(
    'constructor.prototype',
    eventWith('p', '{"constructor":{"prototype":{"polluted":1}}}'),
    '/data/constructor/prototype',
  ),
  invalid('\\u0000 in the data', eventWith('z', '{"number":"\\u0000"}'), '/data/number'),
  invalid('a lone surrogate in the data', eventWith('s', '{"number":"\\udc00\\ud800"}'), '/data/number'),
  invalid('an attribute twice', event('1').replace('{', '{"id":"2",'), '/id'),
  invalid('a name twice in the data', eventWith('d', '{"number":"1","number":"2"}'), '/data/number'),
  invalid(
    'data that fails its contract',
    eventWith('f', '{"lines":[{"quantity":1},{"quantity":"2"}]}'),
    '/data/number',
    '/data/lines/1/quantity',
  ),
  invalid('no data where the contract needs some', event('f', { data: undefined }), '/data'),
  {
    name: 'a type that no contract declares',
    request: { body: event('u', { type: 'order.unknown' }) },
    ...{ status: 422, code: 'event.unknown-type', at: ['/type'] },
  },
  invalid('a batch that is an object', { headers: batched, body: event('a') }, ''),
  invalid('a batch of no objects', { headers: batched, body: `[${event('a')},1,null]` }, '/1', '/2'),
  invalid(
    'a batch in which some events are bad',
    { headers: batched, body: `[${event('good')},${event('')},${event('t', { type: 'x', time: 1 })}]` },
    ...['/1/id', '/2/time'],
  ),
  {
    name: 'a batch with an unknown type',
    request: { headers: batched, body: `[${event('good')},${event('u', { type: 'x' })}]` },
    ...{ status: 422, code: 'event.unknown-type', at: ['/1/type'] },
  },
  invalid(
    'a fault deep in a batch',
    { headers: batched, body: `[${event('good')},${eventWith('z', '{"number":["\\u0000"]}')}]` },
    '/1/data/number/0',
  ),
  invalid(
    'a header that is not percent-encoded UTF-8',
    { headers: { ...binary, 'ce-id': '%C0%A0' }, body: '{"number":"1"}' },
    '/id',
  ),
  invalid(
    'a header in Latin-1',
    { headers: { ...binary, 'ce-id': 'f\u00fcr' }, body: '{"number":"1"}' },
    '/id',
  ),
  invalid(
    'a control character, percent-encoded',
    { headers: { ...binary, 'ce-id': 'a%0Ab' }, body: '{"number":"1"}' },
    '/id',
  ),
  invalid(
    'ce-__proto__',
    { headers: { ...binary, 'ce-id': '1', 'ce-__proto__': 'x' }, body: '{"number":"1"}' },
    '/__proto__',
  ),
  invalid('binary mode without id', { headers: binary, body: '{"number":"1"}' }, '/id'),
  invalid(
    '__proto__ in binary mode',
    { headers: { ...binary, 'ce-id': '1' }, body: '{"__proto__":1}' },
    '/data/__proto__',
  ),
  malformed('a ce- header twice', { headers: { ...binary, 'ce-id': ['1', '2'] }, body: '{"number":"1"}' }),
]

/** Requests that do not reach an endpoint as they should. */
export const requests: readonly BadInput[] = [
  ...['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].map((method) => ({
    name: `${method} /events`,
    ...{ request: { method, body: event('m') }, status: 405, code: 'request.method-not-allowed' },
  })),
  ...[
    '/',
    '/event',
    '/events/',
    '/EVENTS',
    '/events/1',
    '/in',
    '/..%2fevents',
    '/__proto__',
    '/in/nobody',
    '/in/__proto__',
  ].map((path) => ({
    name: `POST ${path}`,
    ...{ request: { path, body: event('p') }, status: 404, code: 'request.not-found' },
  })),
  malformed('a path that cannot be decoded', { path: '/%zz', body: event('p') }),
  malformed('an absolute target', { path: 'http://elsewhere/events', body: event('p') }),
  malformed('two Host headers', { headers: { ...structured, host: 'elsewhere' }, body: event('p') }),
  malformed('two content types', {
    headers: { 'content-type': ['application/cloudevents+json', 'text/plain'] },
    body: event('p'),
  }),
  malformed('no HTTP at all', { raw: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' }),
  malformed('a length and chunks', {
    raw: 'POST /events HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{}',
  }),
  malformed('two lengths', { headers: { ...structured, 'content-length': '1' }, body: event('p') }),
  malformed('a NUL in a header', { headers: { ...structured, 'x-a': 'a\0b' }, body: event('p') }),
  malformed('a chunk whose size is no number', {
    raw: 'POST /events HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n',
  }),
  {
    name: 'headers over the limit',
    request: { headers: { ...structured, 'x-long': 'x'.repeat(20_000) }, body: event('h') },
    ...{ status: 431, code: 'request.headers-too-large' },
  },
]
