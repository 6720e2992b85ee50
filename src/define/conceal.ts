import { isObject } from './marked-fields.ts'
import { redacted, withoutSecrets } from './secrets.ts'

/** Takes values that must not be shown out of a text. */
export type Conceal = (text: string) => string

/** More than this is not looked for piece by piece: then nothing of the text is shown. */
const mostCharacters = 65_536
const longestPiece = 256
/** A shorter value is everywhere in ordinary text. */
const shortest = 3
/** A value of at least so many characters is found inside of words and numbers, and with separators between its characters. */
const shortestInside = 6
const shortestTail = 5
/** A value of at least so many characters is found where it was cut off; then at least so many of them are left. */
const shortestCut = 12
const shortestKept = 8

/** Leaves of what must not be shown, as text. */
export function leavesOf(value: unknown): string[] {
  if (isObject(value)) return Object.values(value).flatMap(leavesOf)
  if (typeof value === 'string') return [value]
  return typeof value === 'number' || typeof value === 'object' ? [JSON.stringify(value)] : []
}

/**
 * Takes these values out of texts, whatever their case, as they are and as JSON and URLs write them, also with blanks
 * or hyphens put between their characters or left out, and long ones that were cut off; and every credential of this
 * process. Values of three to five characters are found as whole words only, shorter ones not at all.
 */
export function concealing(values: readonly string[]): Conceal {
  const bare = [...new Set(values.map(withoutSeparators))].filter(({ length }) => length >= shortest)
  if (bare.length === 0) return withoutSecrets
  if (bare.reduce((sum, { length }) => sum + length, 0) > mostCharacters) return () => redacted
  const pattern = patternOf(bare)
  return (text) => withoutTail(withoutSecrets(text).replace(pattern, redacted), bare)
}

function withoutSeparators(value: string): string {
  return value.toWellFormed().replaceAll(/[\s-]+/g, '')
}

/** The longest first: it may begin with a shorter one. */
function patternOf(values: readonly string[]): RegExp {
  const pieces = values.flatMap((value) => piecesOf(value)).sort((one, other) => other.length - one.length)
  return new RegExp(pieces.map(looksLike).join('|'), 'giu')
}

function piecesOf(value: string): string[] {
  const characters = [...value]
  const pieces: string[] = []
  for (let at = 0; at < characters.length; at += longestPiece)
    pieces.push(characters.slice(at, at + longestPiece).join(''))
  return pieces.filter(({ length }) => length >= shortest)
}

/** Blanks, line breaks and hyphens, also as JSON and URLs write them. */
const separator = '(?:[\\s+-]|%20|%0[9AD]|\\\\[nrt]){0,3}'

function looksLike(value: string): string {
  const characters = [...value].map(spellings)
  if (characters.length >= shortestCut) return beginningOf(characters)
  const whole = characters.join(separator)
  return characters.length >= shortestInside ? whole : `(?<![\\p{L}\\p{N}])${whole}(?![\\p{L}\\p{N}])`
}

/** At least its first half, and as much of the rest as is there: whoever told of it may have cut it off. */
function beginningOf(characters: readonly string[]): string {
  const half = Math.max(shortestKept, Math.ceil(characters.length / 2))
  const rest = characters.slice(half).reduceRight((after, each) => `(?:${separator}${each}${after})?`, '')
  return characters.slice(0, half).join(separator) + rest
}

/** A character as it is, as JSON escapes it, as a URL does. */
function spellings(character: string): string {
  if (/[a-z0-9]/i.test(character)) return character
  const all = new Set([character, JSON.stringify(character).slice(1, -1), encodeURIComponent(character)])
  return `(?:${[...all].map((text) => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|')})`
}

function withoutTail(text: string, values: readonly string[]): string {
  const places: number[] = []
  for (let at = text.length - 1; at >= 0 && places.length < longestPiece; at--)
    if (!/[\s-]/.test(text[at] ?? '')) places.push(at)
  const end = places
    .map((at) => text[at])
    .reverse()
    .join('')
    .toLowerCase()
  const cut = Math.max(0, ...values.map((value) => tailLength(end, value.toLowerCase())))
  return cut === 0 ? text : `${text.slice(0, places[cut - 1])}${redacted}`
}

/** How much of the text's end is the beginning of the value. */
function tailLength(end: string, value: string): number {
  for (let length = Math.min(value.length - 1, end.length); length >= shortestTail; length--)
    if (end.endsWith(value.slice(0, length))) return length
  return 0
}
