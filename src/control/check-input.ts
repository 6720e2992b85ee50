import type { z } from 'zod'
import { BusbarError } from '../errors.ts'
import type { Fault } from '../ingress/faults.ts'
import { pointerPart } from '../ingress/faults.ts'
import type { Route } from './route.ts'

/** What a request brings. */
export interface RawInput {
  readonly params: unknown
  readonly query: unknown
  readonly body: unknown
}

const maxFaults = 20

/**
 * The input of a route, checked and with defaults; throws `request.invalid` with every fault named by a JSON pointer into
 * `{ params, query, body }`.
 */
export function checkInput(route: Route, raw: RawInput): Record<string, unknown> {
  const faults: Fault[] = []
  const input: Record<string, unknown> = {}
  for (const part of ['params', 'query', 'body'] as const) {
    const value = raw[part] ?? {}
    faults.push(...unstorable(value, `/${part}`))
    const parsed = route[part].safeParse(value)
    if (parsed.success) Object.assign(input, parsed.data)
    else faults.push(...parsed.error.issues.flatMap((issue) => faultsOf(issue, `/${part}`)))
  }
  const [first] = faults
  if (first)
    throw new BusbarError('request.invalid', `${first.pointer}: ${first.message}`, {
      details: { faults: faults.slice(0, maxFaults) },
    })
  return input
}

/** An unknown name is a fault at its own place, not of the object around it. */
function faultsOf(issue: z.core.$ZodIssue, at: string): Fault[] {
  const pointer = at + issue.path.map((part) => pointerPart(String(part))).join('')
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      pointer: pointer + pointerPart(key),
      message: 'there is no such parameter',
    }))
  return [{ pointer, message: issue.message }]
}

/** PostgreSQL stores no NUL, and a lone surrogate would become another text. */
function unstorable(value: unknown, at: string): Fault[] {
  if (typeof value === 'string')
    return value.includes('\0') || !value.isWellFormed()
      ? [{ pointer: at, message: 'contains NUL or malformed Unicode' }]
      : []
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, one]) => unstorable(one, at + pointerPart(key)))
}
