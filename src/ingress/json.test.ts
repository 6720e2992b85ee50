import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeUtf8, JsonRefused, scanJson } from './json.ts'

/** Any JSON that busbar takes: names that are refused are renamed. */
const json = fc
  .jsonValue({ maxDepth: 5 })
  .filter((value) => !/__proto__|prototype/.test(JSON.stringify(value)))
const space = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 3 })

/** A value written in another way that JSON allows: with white space, and its strings with escapes. */
function spelled(value: unknown, draw: { space: () => string; escape: () => boolean }): string {
  const escaped = (string: string): string =>
    draw.escape()
      ? `"${Array.from({ length: string.length }, (_, at) => `\\u${string.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')}"`
      : JSON.stringify(string)
  const list = (items: string[], open: string, close: string): string =>
    `${open}${draw.space()}${items.join(`${draw.space()},${draw.space()}`)}${draw.space()}${close}`
  const write = (inner: unknown): string => {
    if (typeof inner === 'string') return escaped(inner)
    if (Array.isArray(inner)) return list(inner.map(write), '[', ']')
    if (typeof inner !== 'object' || inner === null) return JSON.stringify(inner)
    const members = Object.entries(inner).map(
      ([name, member]) => `${escaped(name)}${draw.space()}:${draw.space()}${write(member)}`,
    )
    return list(members, '{', '}')
  }
  return `${draw.space()}${write(value)}${draw.space()}`
}

const spelling = fc
  .tuple(json, fc.infiniteStream(space), fc.infiniteStream(fc.boolean()))
  .map(([value, spaces, escapes]): readonly [unknown, string] => [
    value,
    spelled(value, {
      space: () => spaces.next().value as string,
      escape: () => escapes.next().value as boolean,
    }),
  ])

/** Without U+0000, whose escape is refused. */
const storable = spelling.filter(([, text]) => !text.includes('\\u0000'))

describe('scanJson', () => {
  it('finds the members that JSON.parse finds, each span holding exactly its text', () => {
    fc.assert(
      fc.property(storable, ([, text]) => {
        const value = JSON.parse(text) as unknown
        const { kind, members } = scanJson(text, 64)
        expect(kind).toBe(
          Array.isArray(value) ? 'array' : value && typeof value === 'object' ? 'object' : 'scalar',
        )
        const inner = kind === 'scalar' ? [] : Object.entries(value as object)
        expect(members.map(({ name }) => name).sort()).toEqual(inner.map(([name]) => name).sort())
        for (const { name, start, end } of members) {
          const span = text.slice(start, end)
          expect(span).toBe(span.trim())
          expect(JSON.parse(span)).toEqual((value as Record<string, unknown>)[name])
        }
      }),
      { numRuns: 500 },
    )
  })

  it('accepts the depth it allows and not one level more, for objects and arrays', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }), (levels) => {
        const text = levels.reduceRight((inner, isArray) => (isArray ? `[${inner}]` : `{"a":${inner}}`), '1')
        expect(() => scanJson(text, levels.length)).not.toThrow()
        const deepest = levels.slice(0, -1).map((isArray) => (isArray ? '/0' : '/a'))
        expect(refusal(text, levels.length - 1)).toEqual([
          deepest.join(''),
          `is nested deeper than ${levels.length - 1} levels`,
        ])
      }),
    )
  })

  it('refuses __proto__ at any depth and in any spelling', () => {
    const spellings = fc
      .array(fc.boolean(), { minLength: 9, maxLength: 9 })
      .map((escapes) =>
        [...'__proto__'].map((char, at) =>
          escapes[at] ? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}` : char,
        ),
      )
    fc.assert(
      fc.property(spellings, fc.array(fc.boolean(), { maxLength: 5 }), (chars, levels) => {
        const text = levels.reduceRight(
          (inner, isArray) => (isArray ? `[${inner}]` : `{"a":${inner}}`),
          `{"${chars.join('')}":1}`,
        )
        expect(() => scanJson(text, 64)).toThrow(JsonRefused)
      }),
    )
  })

  it.each([
    ['constructor.prototype', '{"a":{"constructor":{"prototype":{}}}}', '/a/constructor/prototype'],
    ['constructor.prototype at the top', '{"constructor":{"proto\\u0074ype":1}}', '/constructor/prototype'],
    ['a NUL in a string', '{"a":["x","\\u0000"]}', '/a/1'],
    ['a NUL in a name', '{"a":{"\\u0000":1}}', '/a'],
    ['a lone high surrogate', '{"a~b":"\\ud83d"}', '/a~0b'],
    ['a lone low surrogate', '{"a/b":"\\ude00"}', '/a~1b'],
    ['surrogates in the wrong order', '{"a":"\\ude00\\ud83d"}', '/a'],
    ['a high surrogate before another escape', '{"a":"\\ud83d\\n"}', '/a'],
    ['a high surrogate before a character above the low ones', '["\\ud83d\\ue000"]', '/0'],
    ['a high surrogate before a high one', '["\\ud83d\\ud83d\\ude00"]', '/0'],
    ['a name twice at the top', '{"a":1,"a":1}', '/a'],
    ['a name twice, spelled differently', '{"a":1,"\\u0061":1}', '/a'],
    ['a name twice deep inside', '{"a":[{"b":{"c":1,"d":2,"c":3}}]}', '/a/0/b/c'],
  ])('refuses %s, with a pointer to it', (_what, text, pointer) => {
    expect(() => JSON.parse(text) as unknown).not.toThrow()
    expect(refusal(text, 64)[0]).toBe(pointer)
  })

  it.each([
    ['a pair of surrogates', '"\\ud83d\\ude00"'],
    ['an escaped backslash before u0000', '"\\\\u0000"'],
    ['__proto__ as a value', '{"a":"__proto__"}'],
    ['constructor and prototype apart', '{"constructor":1,"prototype":{"a":1}}'],
    ['prototype in a list of constructor', '{"constructor":[{"prototype":1}]}'],
    ['the same name in two objects', '[{"a":1},{"a":1}]'],
    ['the empty name', '{"":{"":1}}'],
    ['a number alone', ' -1.5e+300 '],
  ])('accepts %s', (_what, text) => {
    expect(() => JSON.parse(text) as unknown).not.toThrow()
    expect(() => scanJson(text, 64)).not.toThrow()
  })

  it('finds the one repeated name among any number of names', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(), (count, pick) => {
        const names = Array.from({ length: count }, (_, at) => `n${at}`)
        const members = (all: string[]) => `{${all.map((name) => `"${name}":1`).join(',')}}`
        expect(scanJson(members(names), 64).members).toHaveLength(count)
        const twice = `n${pick % count}`
        expect(refusal(members([...names, twice]), 64)).toEqual([`/${twice}`, 'appears twice'])
      }),
    )
  })

  it('puts its pointers under the place it is told', () => {
    expect(() => scanJson('{"a":{"__proto__":1}}', 64, '/3/data')).toThrow(
      expect.objectContaining({
        faults: [expect.objectContaining({ pointer: '/3/data/a/__proto__' })],
      }) as Error,
    )
  })

  it('does not run out of stack on half a million brackets', () => {
    const text = '['.repeat(500_000) + ']'.repeat(500_000)
    expect(() => scanJson(text, 64)).toThrow(JsonRefused)
  })
})

describe('decodeUtf8', () => {
  it('gives back any well-formed text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        fc.pre(!text.startsWith('\ufeff'))
        expect(decodeUtf8(Buffer.from(text))).toBe(text)
      }),
    )
  })

  it.each([
    ['a byte order mark', [0xef, 0xbb, 0xbf, 0x7b, 0x7d]],
    ['Latin-1', [0x22, 0xfc, 0x22]],
    ['an overlong form of NUL', [0xc0, 0x80]],
    ['a surrogate half in UTF-8', [0xed, 0xa0, 0x80]],
    ['a cut character', [0x22, 0xe2, 0x82]],
    ['UTF-16', [0xff, 0xfe, 0x7b, 0x00]],
  ])('knows %s', (_what, bytes) => {
    expect(decodeUtf8(Uint8Array.from(bytes))).toBeUndefined()
  })
})

function refusal(text: string, maxDepth: number): readonly [string, string] {
  try {
    scanJson(text, maxDepth)
  } catch (error) {
    if (error instanceof JsonRefused && error.faults[0])
      return [error.faults[0].pointer, error.faults[0].message]
    throw error
  }
  throw new Error('it was accepted')
}
