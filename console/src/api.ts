import { parseExactly } from '../../src/control/exact-json.ts'
import type { RouteAnswer, RouteInput } from '../../src/control/route.ts'
import type { RouteId, Routes } from '../../src/control/route-table.ts'
import { apiRoutes } from './api-routes.ts'
import { isAttended } from './attended.ts'

/** What the control API refuses or fails at, in its own words. */
export class ApiError extends Error {
  /** HTTP status; 0 when nobody answered. */
  readonly status: number
  /** Of the problem document, such as `run.not-parked`. */
  readonly code: string
  readonly document: Readonly<Record<string, unknown>>

  constructor(status: number, document: Readonly<Record<string, unknown>>) {
    const { detail, title, code } = document
    super(typeof detail === 'string' ? detail : typeof title === 'string' ? title : `HTTP ${status}`)
    this.status = status
    this.code = typeof code === 'string' ? code : ''
    this.document = document
  }
}

export type Answer<Id extends RouteId> = RouteAnswer<Routes[Id]>
export type Input<Id extends RouteId> = RouteInput<Routes[Id]>
type Arguments<Id extends RouteId> =
  Record<never, never> extends Input<Id> ? [input?: Input<Id>] : [input: Input<Id>]

/**
 * Calls an operation of the control API by its id; params, query and body are one object. Throws `ApiError`. Numbers that a
 * double cannot hold stay as they came (`JSON.rawJSON`).
 */
export async function call<Id extends RouteId>(id: Id, ...[input]: Arguments<Id>): Promise<Answer<Id>> {
  const { method, path, query, body } = apiRoutes[id]
  const given = (input ?? {}) as Record<string, unknown>
  const url = new URL(`/api/v1${filled(path, given)}`, location.origin)
  for (const name of query)
    if (given[name] !== undefined) url.searchParams.set(name, `${given[name] as string | number | boolean}`)
  const acts = method === 'POST'
  const content = Object.fromEntries(
    body.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])),
  )
  return send(url, {
    method,
    headers: {
      accept: 'application/json',
      ...(!acts && { 'cache-control': 'max-age=1' }), // others may just have asked the same
      ...(isAttended() && { 'x-busbar-attended': '1' }),
      ...(acts && { 'content-type': 'application/json', 'x-busbar-console': '1' }),
    },
    ...(acts && { body: JSON.stringify(content) }),
  }) as Promise<Answer<Id>>
}

/** Sends a request to busbar's own origin and reads the answer as JSON. Throws `ApiError`. */
export async function send(url: URL | string, request: RequestInit): Promise<unknown> {
  const response = await fetch(url, { credentials: 'same-origin', ...request }).catch(() => {
    throw new ApiError(0, {
      detail: 'busbar does not answer. What was changed last may or may not have been taken.',
    })
  })
  const text = await response.text()
  const answer = readJson(text)
  if (response.status === 401 && !isDoor()) goToSignIn()
  if (!response.ok) throw new ApiError(response.status, (answer ?? {}) as Record<string, unknown>)
  return answer
}

/** Where one is to sign in: nobody is sent to sign in there. */
export function isDoor(): boolean {
  return ['/sign-in', '/welcome'].includes(location.pathname)
}

/** The session has ended, or there was none; afterwards one is back here. */
function goToSignIn(): void {
  const back = location.pathname + location.search
  location.replace(`/sign-in${back === '/' ? '' : `?back=${encodeURIComponent(back)}`}`)
}

function readJson(text: string): unknown {
  try {
    return text === '' ? undefined : parseExactly(text)
  } catch {
    return undefined
  }
}

function filled(path: string, given: Readonly<Record<string, unknown>>): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(given[name])))
}
