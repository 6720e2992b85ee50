import { expect, it } from 'vitest'
import { compareRequests } from './compare-requests.ts'

const request = (body: string, headers = 'accept: application/json\nidempotency-key: a', path = '/sales') =>
  `POST ${path}\n${headers}\n\n${body}`

it('finds nothing where only keys, traces and credentials differ', () => {
  const before = request(
    '{"a":1}',
    'accept: json\nauthorization: [redacted]\nx-own: [redacted]\ntraceparent: x',
  )
  expect(compareRequests(before, request('{"a":1}', 'accept: json\nidempotency-key: b'))).toEqual({
    result: 'same',
    differences: [],
  })
})

it('names what differs in the body by pointer, whatever the order of its fields', () => {
  const before = request('{"number":"A","lines":[{"sku":"x","net":1}],"old/er":true}')
  const now = request('{"lines":[{"sku":"x","net":1.5},{"sku":"y"}],"number":"A","tax":"DE"}')
  expect(compareRequests(before, now)).toEqual({
    result: 'changed',
    differences: [
      { field: '/lines/0/net', before: '1', now: '1.5' },
      { field: '/lines/1', before: null, now: '{"sku":"y"}' },
      { field: '/old~1er', before: 'true', now: null },
      { field: '/tax', before: null, now: 'DE' },
    ],
  })
})

it('names a path and a header that differ', () => {
  const { differences } = compareRequests(request('', 'x-tenant: 1'), request('', 'x-tenant: 2', '/v2/sales'))
  expect(differences).toEqual([
    { field: 'path', before: '/sales', now: '/v2/sales' },
    { field: 'header x-tenant', before: '1', now: '2' },
  ])
})

it('compares as text what is not JSON, or was cut off', () => {
  expect(compareRequests(request('{"a":'), request('{"a":1}'))).toMatchObject({
    differences: [{ field: 'body', before: '{"a":', now: '{"a":1}' }],
  })
})

it('does not compare different requests of one step', () => {
  expect(compareRequests(request('{}'), 'GET /sales\naccept: x\n')).toEqual({
    result: 'several',
    differences: [],
  })
})

it('cuts long values and lists', () => {
  const many = (start: number) =>
    JSON.stringify(Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`f${n}`, n + start])))
  expect(compareRequests(request(many(0)), request(many(1))).differences).toHaveLength(20)
  const [only] = compareRequests(request('{"a":"x"}'), request(`{"a":"${'y'.repeat(900)}"}`)).differences
  expect(only?.now).toHaveLength(200)
})
