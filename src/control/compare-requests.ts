import { isRawJSON } from './exact-json.ts'
import type { Difference } from './schema/replay.ts'

/** A recorded request, taken apart. */
interface Request {
  readonly method: string
  readonly path: string
  readonly headers: ReadonlyMap<string, string>
  /** Parsed where it is whole and JSON. */
  readonly body: unknown
}

/** They differ from one sending to the next, or are not made where nothing is sent. */
const ignored = new Set([
  'idempotency-key',
  'traceparent',
  'tracestate',
  'authorization',
  'cookie',
  'content-length',
])
const maxDifferences = 20
const maxValue = 200

/**
 * Compares two requests as records hold them, field by field: method, path, headers (but those of tracing, identity and
 * authentication), and JSON bodies by pointer. `several` when the methods differ: then they are not the same request of the
 * step. Values are cut to 200 characters, the list to 20 differences.
 */
export function compareRequests(
  recorded: string,
  now: string,
): { readonly result: 'same' | 'changed' | 'several'; readonly differences: Difference[] } {
  const before = requestOf(recorded)
  const after = requestOf(now)
  if (before.method !== after.method) return { result: 'several', differences: [] }
  const differences = [
    ...differing('path', before.path, after.path),
    ...headerDifferences(before.headers, after.headers),
    ...bodyDifferences(before.body, after.body, ''),
  ].slice(0, maxDifferences)
  return { result: differences.length === 0 ? 'same' : 'changed', differences }
}

function requestOf(text: string): Request {
  const [head = '', ...rest] = text.split('\n\n')
  const [line = '', ...headers] = head.split('\n')
  const space = line.indexOf(' ')
  const pairs = headers
    .filter((header) => header.includes(': '))
    .map((header): [string, string] => {
      const colon = header.indexOf(': ')
      return [header.slice(0, colon), header.slice(colon + 2)]
    })
  return {
    method: line.slice(0, space),
    path: line.slice(space + 1),
    headers: new Map(pairs),
    body: bodyOf(rest.join('\n\n')),
  }
}

function bodyOf(text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

function headerDifferences(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): Difference[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => !ignored.has(name) && before.get(name) !== '[redacted]',
  )
  return names.flatMap((name) => differing(`header ${name}`, before.get(name), after.get(name)))
}

export function bodyDifferences(before: unknown, after: unknown, at: string): Difference[] {
  if (!isObject(before) || !isObject(after) || Array.isArray(before) !== Array.isArray(after))
    return differing(at === '' ? 'body' : at, before, after)
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  return names.flatMap((name) => {
    const pointer = `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
    return bodyDifferences(before[name], after[name], pointer)
  })
}

function differing(field: string, before: unknown, now: unknown): Difference[] {
  return shown(before) === shown(now) ? [] : [{ field, before: cut(shown(before)), now: cut(shown(now)) }]
}

function shown(value: unknown): string | null {
  return value === undefined ? null : typeof value === 'string' ? value : JSON.stringify(value)
}

function cut(text: string | null): string | null {
  return text === null || text.length <= maxValue ? text : `${text.slice(0, maxValue - 1)}…`
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !isRawJSON(value)
}
