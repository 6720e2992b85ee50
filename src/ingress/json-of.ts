import type { Config } from '../define/config.ts'
import { EventRefused } from './faults.ts'
import { scanJson } from './json.ts'

/**
 * The JSON text of data that user code made, and what a reader of that text gets (a date is a string then), held to the
 * rules of the HTTP door: not too large, not too deep, nothing that cannot be stored. Throws `event.invalid` or
 * `event.too-large`.
 */
export function jsonOf(data: unknown, { http }: Pick<Config, 'http'>): { text: string; value: unknown } {
  const text = stringify(data)
  if (Buffer.byteLength(text) > http.maxBodyBytes)
    throw new EventRefused('event.too-large', `the data is larger than ${http.maxBodyBytes} bytes`)
  scanJson(text, http.maxDepth, '/data')
  return { text, value: JSON.parse(text) }
}

/** Cycles and BigInts make JSON.stringify throw, undefined and functions make it answer undefined. */
function stringify(data: unknown): string {
  let why = 'it is undefined'
  try {
    const text = JSON.stringify(data) as string | undefined
    if (text !== undefined) return text
  } catch (error) {
    why = error instanceof Error ? error.message.slice(0, 200) : 'unknown'
  }
  throw new EventRefused('event.invalid', 'the data is not JSON', [
    { pointer: '/data', message: `cannot be written as JSON: ${why}` },
  ])
}
