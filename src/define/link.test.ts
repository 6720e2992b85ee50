import { describe, expect, it } from 'vitest'
import { FinalError } from '../errors.ts'
import { givenLinks, idReference, linkFault } from './link.ts'

describe('an id', () => {
  it.each(['SO-1', 'ü'.repeat(127), 0, -5, Number.MAX_SAFE_INTEGER])('can be %s', (value) => {
    expect(linkFault(value)).toBeUndefined()
  })

  it.each([
    ['', 'is empty'],
    ['ü'.repeat(128), '255 bytes'],
    ['a\0b', 'NUL'],
    ['\udc00', 'malformed'],
    [Number.NaN, 'whole number'],
    [2 ** 53, 'whole number'],
    [1.5, 'whole number'],
    [true, 'is boolean'],
    [undefined, 'is undefined'],
    [null, 'is null'],
    [{}, 'is object'],
  ])('cannot be %s', (value, why) => {
    expect(linkFault(value)).toContain(why)
  })

  it('is named with a system or its name, and a number by its digits', () => {
    expect(idReference('customer', 7, { name: 'erp' })).toEqual({ kind: 'customer', id: '7', system: 'erp' })
    expect(idReference('customer', '7', 'erp')).toEqual(idReference('customer', 7, 'erp'))
    expect(() => idReference('customer', '', 'erp')).toThrow(FinalError)
    expect(() => idReference('', 7, 'erp')).toThrow('the kind is empty')
  })
})

describe('the links that a step gives', () => {
  it('are of the event’s own object, of another, or of several', () => {
    const links = givenLinks(
      { order: 1, customer: { id: 'C-7', external: 2 }, line: [{ id: 'L', external: 'x' }] },
      'SO-1',
    )
    expect(links).toEqual([
      { kind: 'order', id: 'SO-1', external: '1' },
      { kind: 'customer', id: 'C-7', external: '2' },
      { kind: 'line', id: 'L', external: 'x' },
    ])
  })

  it('can be none', () => {
    expect(givenLinks(undefined, 'SO-1')).toEqual([])
    expect(givenLinks({ line: [] }, 'SO-1')).toEqual([])
  })

  it.each([
    [['a'], /must answer an object/],
    [Promise.resolve({}), /must answer an object/],
    ['a', /must answer an object/],
    [{ order: null }, /external id of the order is null/],
    [{ order: { external: 1 } }, /id of the order is undefined/],
    [{ order: [null] }, /id of the order is undefined/],
    [{ '': 1 }, /the kind is empty/],
  ])('are refused when they are %j', (answer, why) => {
    expect(() => givenLinks(answer, 'SO-1')).toThrow(why)
  })

  it('need to say whose id it is when the event has no key', () => {
    expect(() => givenLinks({ order: 1 }, undefined)).toThrow('the event has no key')
    expect(givenLinks({ order: { id: 'SO-1', external: 1 } }, undefined)).toHaveLength(1)
  })
})
