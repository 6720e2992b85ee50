import { expect, it } from 'vitest'
import type { NewEvent } from './port.ts'
import { sameFact } from './same-fact.ts'

function event(data: string, more: Partial<NewEvent> = {}): NewEvent {
  return { source: 's', id: '1', type: 't', key: 'k', khash: 0, data, ext: '{}', ...more }
}

const same = (one: string, other: string) => sameFact(event(one), event(other))

it('takes equal JSON for the same fact, whatever its spacing, order and escapes', () => {
  expect(same('{"a":1,"b":[true,null]}', '{ "b": [true, null], "a": 1 }')).toBe(true)
  expect(same('{"a":"é"}', '{"a":"\\u00e9"}')).toBe(true)
  expect(same('{"a":1.50}', '{"a":15e-1}')).toBe(true)
})

it('tells apart numbers that are equal only as doubles', () => {
  expect(same('{"id":9007199254740993}', '{"id":9007199254740992}')).toBe(false)
  expect(same('{"id":9007199254740993}', '{ "id":9007199254740993 }')).toBe(true)
  expect(same('[1e400]', '[1e401]')).toBe(false)
  expect(same('[1e-400]', '[0]')).toBe(false)
})

it('tells apart other data, another type and another key', () => {
  expect(same('{"a":1}', '{"a":2}')).toBe(false)
  expect(same('{"a":1}', '{"a":"1"}')).toBe(false)
  expect(sameFact(event('1'), event('1', { type: 'other' }))).toBe(false)
  expect(sameFact(event('1'), event('1', { key: null }))).toBe(false)
})

it('does not look at time and trace fields', () => {
  expect(sameFact(event('1', { ext: '{"time":"a"}' }), event('1', { ext: '{"time":"b"}' }))).toBe(true)
})
