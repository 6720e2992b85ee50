import { BusbarError } from '../errors.ts'

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
 * surrogates in escapes, `__proto__` and `constructor.prototype` keys, a top-level name that appears twice), and finds the
 * spans of the top-level members, so that data is kept as the bytes that came in. Run it on a text that `JSON.parse`
 * accepts: it trusts the grammar. Throws `JsonRefused`.
 */
export function scanJson(text: string, maxDepth: number): Scanned {
  return new Scanner(text, maxDepth).scan()
}

/** The text is well-formed JSON, but busbar does not take it. */
export class JsonRefused extends BusbarError {
  constructor(message: string, at: number) {
    super('event.invalid', `${message} (at character ${at})`)
  }
}

class Scanner {
  readonly #text: string
  readonly #maxDepth: number
  #at = 0

  constructor(text: string, maxDepth: number) {
    this.#text = text
    this.#maxDepth = maxDepth
  }

  scan(): Scanned {
    this.#space()
    const first = this.#text.charCodeAt(this.#at)
    if (first === openBrace) return { kind: 'object', members: this.#members(closeBrace) }
    if (first === openBracket) return { kind: 'array', members: this.#members(closeBracket) }
    this.#value(1)
    return { kind: 'scalar', members: [] }
  }

  #members(close: number): Span[] {
    const spans: Span[] = []
    const names = new Set<string>()
    this.#at++
    this.#space()
    while (this.#text.charCodeAt(this.#at) !== close) {
      const name = close === closeBrace ? this.#key(undefined) : String(spans.length)
      if (names.has(name)) throw new JsonRefused(`the name ${JSON.stringify(name)} appears twice`, this.#at)
      names.add(name)
      const start = this.#at
      this.#value(2, name)
      spans.push({ name, start, end: this.#at })
      this.#comma()
    }
    this.#at++
    return spans
  }

  /** Past one value. `owner` is the name it has, for `constructor.prototype`. */
  #value(depth: number, owner?: string): void {
    const code = this.#text.charCodeAt(this.#at)
    if (code === quote) this.#string()
    else if (code === openBrace) this.#nested(closeBrace, depth, owner)
    else if (code === openBracket) this.#nested(closeBracket, depth, undefined)
    else this.#scalar()
  }

  #nested(close: number, depth: number, owner: string | undefined): void {
    if (depth > this.#maxDepth) throw new JsonRefused(`nested deeper than ${this.#maxDepth} levels`, this.#at)
    this.#at++
    this.#space()
    while (this.#text.charCodeAt(this.#at) !== close) {
      const name = close === closeBrace ? this.#key(owner) : undefined
      this.#value(depth + 1, name)
      this.#comma()
    }
    this.#at++
  }

  #key(owner: string | undefined): string {
    const start = this.#at
    const escaped = this.#string()
    const raw = this.#text.slice(start + 1, this.#at - 1)
    const name = escaped ? (JSON.parse(this.#text.slice(start, this.#at)) as string) : raw
    if (name === '__proto__' || (name === 'prototype' && owner === 'constructor'))
      throw new JsonRefused(`the name ${JSON.stringify(name)} is not taken`, start)
    this.#space()
    this.#at++ // colon
    this.#space()
    return name
  }

  /** Past a string; whether it has escapes. */
  #string(): boolean {
    const text = this.#text
    const start = this.#at++
    let escaped = false
    for (;;) {
      const code = text.charCodeAt(this.#at)
      if (code === quote) break
      if (code === backslash) {
        escaped = true
        this.#escape(start)
      } else this.#at++
    }
    this.#at++
    return escaped
  }

  #escape(start: number): void {
    const text = this.#text
    if (text[this.#at + 1] !== 'u') {
      this.#at += 2
      return
    }
    const unit = Number.parseInt(text.slice(this.#at + 2, this.#at + 6), 16)
    if (unit === 0) throw new JsonRefused('\\u0000 in a string cannot be stored', start)
    this.#at += 6
    if (unit >= 0xdc00 && unit <= 0xdfff) throw new JsonRefused('a lone surrogate in a string', start)
    if (unit < 0xd800 || unit > 0xdbff) return
    const low =
      text.slice(this.#at, this.#at + 2) === '\\u'
        ? Number.parseInt(text.slice(this.#at + 2, this.#at + 6), 16)
        : 0
    if (low < 0xdc00 || low > 0xdfff) throw new JsonRefused('a lone surrogate in a string', start)
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
