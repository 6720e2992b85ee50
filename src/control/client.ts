import { BusbarError, errorCodes } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { parseExactly } from './exact-json.ts'
import type { Route, RouteAnswer, RouteInput } from './route.ts'
import { apiPrefix, routes } from './route-table.ts'
import type { RouteId, Routes } from './route-table.ts'

/** Where busbar is, and who asks. */
export interface ControlClientOptions {
  /** Where busbar serves HTTP: `http://localhost:7070`. */
  readonly url: string
  /** An API key; may be left out where busbar asks for none. */
  readonly key?: string
  /** Default 30 s. */
  readonly timeoutMs?: number
}

type Arguments<Input> = Record<never, never> extends Input ? [input?: Input] : [input: Input]

/** One method per operation of the control API; params, query and body are given as one object. */
export type ControlClient = {
  readonly [Id in RouteId]: (...input: Arguments<RouteInput<Routes[Id]>>) => Promise<RouteAnswer<Routes[Id]>>
}

/**
 * A client of the control API, typed by the same table that serves it. Its methods throw `BusbarError` with the code and
 * words of the problem document; `config.invalid` when the URL is none, `call.unavailable` when nobody answers,
 * `call.unknown-outcome` when an act was sent and no answer came. Numbers in an event's data that a double cannot hold are kept as they came (`JSON.rawJSON`).
 *
 * @example
 * const control = createControlClient({ url: 'http://localhost:7070', key })
 * await control.retryRun({ flow: 'order-to-cash', seq: 1042 })
 */
export function createControlClient(options: ControlClientOptions): ControlClient {
  const methods = Object.entries(routes).map(([id, route]) => [
    id,
    (input: Record<string, unknown> = {}) => call(options, route, input),
  ])
  return Object.fromEntries(methods) as ControlClient
}

async function call(
  options: ControlClientOptions,
  route: Route,
  input: Record<string, unknown>,
): Promise<unknown> {
  const address = addressOf(options.url) + apiPrefix + pathOf(route, input)
  const response = await send(options, route, { address, body: JSON.stringify(partOf(route.body, input)) })
  const answer = await readAnswer(response, route, address)
  if (!response.ok) throw problemError(answer, response.status, address)
  return answer
}

/** Where busbar is, without a slash at the end; throws `config.invalid` when it is no HTTP address. */
export function addressOf(url: string): string {
  if (URL.canParse(url) && /^https?:/i.test(url)) return url.replace(/\/+$/, '')
  throw new BusbarError(
    'config.invalid',
    `"${url}" is not where busbar can be: write an address such as http://127.0.0.1:7070`,
  )
}

async function send(
  { key, timeoutMs = 30_000 }: ControlClientOptions,
  route: Route,
  { address, body }: { address: string; body: string },
): Promise<Response> {
  const acts = route.method === 'POST'
  try {
    return await fetch(address, {
      method: route.method,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        accept: 'application/json',
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
        ...(acts && { 'content-type': 'application/json' }),
      },
      ...(acts && { body }),
    })
  } catch (error) {
    throw unanswered(error, acts, address)
  }
}

const notSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** Why no answer came, in a word, and whether the request surely never left. */
export function silence(error: unknown): { readonly why: string; readonly sent: boolean } {
  const { code, message } = ((error as Error).cause ?? error) as { code?: unknown; message: string }
  return typeof code === 'string' ? { why: code, sent: !notSent.has(code) } : { why: message, sent: true }
}

function unanswered(error: unknown, acts: boolean, address: string): BusbarError {
  const { why, sent } = silence(error)
  const { origin } = new URL(address)
  if (acts && sent)
    return new BusbarError(
      'call.unknown-outcome',
      `no answer from ${origin} (${why}): look whether the act took effect`,
      {
        cause: error,
      },
    )
  return new BusbarError(
    'call.unavailable',
    `nobody answers at ${origin} (${why}): is busbar running there?`,
    {
      cause: error,
    },
  )
}

async function readAnswer(response: Response, route: Route, address: string): Promise<unknown> {
  const text = await response.text().catch((error: unknown) => {
    throw unanswered(error, route.method === 'POST', address)
  })
  try {
    return parseExactly(text)
  } catch (error) {
    const { origin } = new URL(address)
    throw new BusbarError(
      'call.invalid',
      `what answers at ${origin} is not busbar's control API (HTTP ${response.status})`,
      {
        cause: error,
      },
    )
  }
}

const known: ReadonlySet<string> = new Set(errorCodes)

function problemError(answer: unknown, status: number, address: string): BusbarError {
  const {
    type: _type,
    title: _title,
    code,
    detail,
    errors,
    ...rest
  } = (answer ?? {}) as Record<string, unknown>
  const message =
    typeof detail === 'string' ? detail : `${new URL(address).origin} answers with HTTP ${status}`
  const fallback: ErrorCode = status >= 500 ? 'call.transient' : 'call.invalid'
  const own = typeof code === 'string' && known.has(code) ? (code as ErrorCode) : fallback
  return new BusbarError(own, message, {
    details: { ...rest, status, ...(errors !== undefined && { faults: errors }) },
  })
}

function pathOf(route: Route, input: Record<string, unknown>): string {
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(input[name])),
  )
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(partOf(route.query, input))) query.set(name, String(value))
  return query.size === 0 ? path : `${path}?${query.toString()}`
}

/** What of the input belongs to a schema; a field that no schema knows goes nowhere. */
function partOf(schema: Route['query'], input: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(schema.shape).flatMap((name) => (input[name] === undefined ? [] : [[name, input[name]]])),
  )
}
