import { EventRefused, pointerPart } from './faults.ts'

/** Where a member of the top-level object, or an element of the top-level array, stands in the text. */
export interface Span {
  /** Member name; the index for arrays. */
  readonly name: string
  readonly start: number
  readonly end: number
}

/** A scanned text: its top-level members in order, and whether it is an object or an array. */
export interface Scanned {
  readonly kind: 'object' | 'array' | 'scalar'
  readonly members: readonly Span[]
}

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
const comma = 0x2c
const colon = 0x3a

/**
 * One pass over JSON text: bounds the depth, refuses what could not be stored or would be dangerous (NUL and lone
 * surrogates in escapes, `__proto__` and `constructor.prototype` keys, a name that appears twice in an object, which
 * readers take differently: RFC 8259 section 4), and finds the spans of the top-level members, so that data is kept as the
 * bytes that came in. Run it on a text that `JSON.parse` accepts: it trusts the grammar. Throws `JsonRefused`, its
 * pointer under `under`.
 */
export function scanJson(text: string, maxDepth: number, under = ''): Scanned {
  return new Scanner(text, maxDepth, under).scan()
}

/** The text is well-formed JSON, but busbar does not take it. */
export class JsonRefused extends EventRefused {
  constructor(message: string, pointer: string) {
    super('event.invalid', 'the JSON holds what busbar does not take', [{ pointer, message }])
  }
}

/** The names of one object: a set costs more than looking through a few (a third of the scan of an order). */
class Names {
  readonly #few: string[] = []
  #many: Set<string> | undefined

  isNew(name: string): boolean {
    if (this.#many?.has(name) ?? this.#few.includes(name)) return false
    if (this.#many) this.#many.add(name)
    else if (this.#few.push(name) > 16) this.#many = new Set(this.#few)
    return true
  }
}

class Scanner {
  readonly #text: string
  readonly #maxDepth: number
  readonly #under: string
  /** Names and indexes from the top to where it stands. */
  readonly #path: (string | number)[] = []
  #at = 0

  constructor(text: string, maxDepth: number, under: string) {
    this.#text = text
    this.#maxDepth = maxDepth
    this.#under = under
  }

  scan(): Scanned {
    this.#space()
    const first = this.#text.charCodeAt(this.#at)
    const members: Span[] = []
    this.#value(1, members)
    if (first === openBrace) return { kind: 'object', members }
    return { kind: first === openBracket ? 'array' : 'scalar', members }
  }

  /** Past one value; the spans of its members go to `spans` where given. */
  #value(depth: number, spans?: Span[]): void {
    const code = this.#text.charCodeAt(this.#at)
    if (code === quote) this.#string()
    else if (code === openBrace) this.#object(depth, spans)
    else if (code === openBracket) this.#array(depth, spans)
    else this.#scalar()
  }

  #object(depth: number, spans?: Span[]): void {
    this.#enter(depth)
    const names = new Names()
    const path = this.#path
    const isConstructor = path.at(-1) === 'constructor'
    while (this.#text.charCodeAt(this.#at) !== closeBrace) {
      const name = this.#name()
      path.push(name)
      if (name === '__proto__' || (isConstructor && name === 'prototype'))
        this.#refuse('is a name that is not taken')
      if (!names.isNew(name)) this.#refuse('appears twice')
      const start = this.#at
      this.#value(depth + 1)
      spans?.push({ name, start, end: this.#at })
      path.pop()
      this.#comma()
    }
    this.#at++
  }

  #array(depth: number, spans?: Span[]): void {
    this.#enter(depth)
    const path = this.#path
    for (let index = 0; this.#text.charCodeAt(this.#at) !== closeBracket; index++) {
      path.push(index)
      const start = this.#at
      this.#value(depth + 1)
      spans?.push({ name: String(index), start, end: this.#at })
      path.pop()
      this.#comma()
    }
    this.#at++
  }

  #enter(depth: number): void {
    if (depth > this.#maxDepth) this.#refuse(`is nested deeper than ${this.#maxDepth} levels`)
    this.#at++
    this.#space()
  }

  #refuse(message: string): never {
    throw new JsonRefused(message, this.#under + this.#path.map(pointerPart).join(''))
  }

  /** Past the name of a member and its colon. */
  #name(): string {
    const start = this.#at
    const escaped = this.#string()
    const end = this.#at
    this.#space()
    this.#at++ // colon
    this.#space()
    return escaped
      ? (JSON.parse(this.#text.slice(start, end)) as string)
      : this.#text.slice(start + 1, end - 1)
  }

  /** Past a string; whether it has escapes. */
  #string(): boolean {
    const text = this.#text
    this.#at++
    let escaped = false
    for (;;) {
      const code = text.charCodeAt(this.#at)
      if (code === quote) break
      if (code === backslash) {
        escaped = true
        this.#escape()
      } else this.#at++
    }
    this.#at++
    return escaped
  }

  #escape(): void {
    const text = this.#text
    if (text[this.#at + 1] !== 'u') {
      this.#at += 2
      return
    }
    const unit = Number.parseInt(text.slice(this.#at + 2, this.#at + 6), 16)
    if (unit === 0) this.#refuse('has \\u0000, which cannot be stored')
    this.#at += 6
    if (unit >= 0xdc00 && unit <= 0xdfff) this.#refuse('has a lone surrogate')
    if (unit < 0xd800 || unit > 0xdbff) return
    const low =
      text.slice(this.#at, this.#at + 2) === '\\u'
        ? Number.parseInt(text.slice(this.#at + 2, this.#at + 6), 16)
        : 0
    if (low < 0xdc00 || low > 0xdfff) this.#refuse('has a lone surrogate')
    this.#at += 6
  }

  #scalar(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (
        Number.isNaN(code) ||
        code === comma ||
        code === closeBrace ||
        code === closeBracket ||
        code <= 0x20 ||
        code === colon
      )
        return
      this.#at++
    }
  }

  #comma(): void {
    this.#space()
    if (this.#text.charCodeAt(this.#at) === comma) {
      this.#at++
      this.#space()
    }
  }

  #space(): void {
    while (this.#text.charCodeAt(this.#at) <= 0x20) this.#at++
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The bytes as text; undefined when they are not UTF-8 or begin with a byte order mark. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    const text = decoder.decode(bytes)
    return text.charCodeAt(0) === 0xfeff ? undefined : text
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}
