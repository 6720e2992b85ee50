import { isDeepStrictEqual } from 'node:util'
import type { NewEvent } from './port.ts'

/**
 * Whether two events of one identity state the same fact: type, key, and data as JSON. Time and trace fields do not
 * count. Numbers are compared as written where a double would not tell them apart: 9007199254740993 is not …992.
 */
export function sameFact(one: NewEvent, other: NewEvent): boolean {
  if (one.type !== other.type || one.key !== other.key) return false
  return one.data === other.data || isDeepStrictEqual(parseExactly(one.data), parseExactly(other.data))
}

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown

/** Decimals of up to 15 digits differ as doubles when they differ at all. */
const exactDigits = 15

const asWritten = Symbol('a number as written')

const keepSource: Reviver = (_key, value, { source }) =>
  typeof value === 'number' && source !== undefined && !isExact(value, source) ? [asWritten, source] : value

function isExact(value: number, source: string): boolean {
  const digits = source
    .replace(/[eE].*$/, '')
    .replace(/[^0-9]/g, '')
    .replace(/^0+/, '')
  return digits.length <= exactDigits && Number.isFinite(value) && (value !== 0 || digits.length === 0)
}

function parseExactly(json: string): unknown {
  return JSON.parse(json, keepSource as (key: string, value: unknown) => unknown)
}
