import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { withoutSecrets } from '../define/secrets.ts'
import type { ErrorCode } from '../errors.ts'
import { BusbarError } from '../errors.ts'

/** HTTP status of each error code; the ones that have none are internal (500). */
const statusOf: Partial<Record<ErrorCode, number>> = {
  'event.invalid': 422,
  'event.unknown-type': 422,
  'event.conflict': 409,
  'event.too-large': 413,
  'request.malformed': 400,
  'request.invalid': 422,
  'request.unsupported-media-type': 415,
  'request.unauthorized': 401,
  'request.forbidden': 403,
  'request.not-found': 404,
  'request.method-not-allowed': 405,
  'request.timeout': 408,
  'request.headers-too-large': 431,
  'request.rate-limited': 429,
  'signature.invalid': 401,
  overloaded: 503,
  'journal.unavailable': 503,
  'act.refused': 409,
  'call.unavailable': 503,
  'link.conflict': 409,
}

const problemMedia = 'application/problem+json; charset=utf-8'

/** A problem document (RFC 9457). */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly errors?: unknown
  /** When to come back; of 429 and 503, default 1. */
  readonly retryAfterSeconds?: number
  readonly [extension: string]: unknown
}

/** The problem document of an error. Errors that busbar did not raise on purpose say nothing of themselves. */
export function toProblem(error: unknown): Problem {
  if (!(error instanceof BusbarError))
    return problem(500, 'internal', 'something failed inside busbar; its log has the reason')
  const base = problem(statusOf[error.code] ?? 500, error.code, error.message)
  const { faults, ...details } = error.details
  // The standard members stand first, and no detail of the same name replaces one.
  return { ...base, ...details, ...base, ...(faults !== undefined && { errors: faults }) }
}

function problem(status: number, code: string, detail: string): Problem {
  return { type: `urn:busbar:error:${code}`, title: titles[status] ?? 'Error', status, detail, code }
}

const titles: Record<number, string> = {
  400: 'Malformed request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  408: 'Request timeout',
  409: 'Conflict',
  413: 'Too large',
  415: 'Unsupported media type',
  422: 'Not accepted',
  429: 'Too many requests',
  431: 'Request header fields too large',
  500: 'Internal error',
  503: 'Not available now',
}

/** Answers with the problem document; 429 and 503 say when to come back. */
export function sendProblem(reply: FastifyReply, error: unknown): FastifyReply {
  const document = toProblem(error)
  const { retryAfterSeconds = 1 } = document
  if (document.status === 429 || document.status === 503)
    reply.header('retry-after', String(retryAfterSeconds))
  if (document.status === 401) reply.header('www-authenticate', 'Bearer')
  return reply
    .code(document.status)
    .type(problemMedia)
    .send(withoutSecrets(JSON.stringify(document)))
}

/**
 * Options for `Fastify()`, so that what fails before there is a route is answered with a problem document too: bytes that
 * are not HTTP, headers that are too large, requests that do not arrive in time, paths that cannot be decoded.
 */
export const problemOptions = {
  clientErrorHandler: refuseConnection,
  frameworkErrors: (error: unknown, _request: FastifyRequest, reply: FastifyReply) => {
    sendProblem(reply, asBusbarError(error))
  },
} as const

/**
 * Makes the server answer problem documents for its own errors (413, 415, 400), for paths that do not exist (404) and for
 * methods that a path does not have (405, with `Allow`). Call it before the routes are declared; plugins may set handlers
 * of their own. `onError` hears of what nobody raised on purpose (500).
 */
export function registerProblems(
  app: FastifyInstance,
  options: { readonly onError?: (error: unknown) => void } = {},
): void {
  const routes: { readonly methods: readonly string[]; readonly pattern: RegExp }[] = []
  app.addHook('onRoute', ({ method, url, config }) => {
    if ((config as { isPage?: boolean } | undefined)?.isPage) return // what browsers show is nothing to programs
    routes.push({ methods: [method].flat(), pattern: patternOf(url) })
  })
  app.setErrorHandler((error, _request, reply) => {
    const expected = asBusbarError(error)
    if (!(expected instanceof BusbarError)) options.onError?.(error)
    return sendProblem(reply, expected)
  })
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? ''
    const allowed = new Set(
      routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods),
    )
    if (allowed.size === 0)
      return sendProblem(reply, new BusbarError('request.not-found', 'there is no such path'))
    const methods = [...allowed].sort().join(', ')
    reply.header('allow', methods)
    return sendProblem(
      reply,
      new BusbarError('request.method-not-allowed', `this path takes ${methods}, not ${request.method}`),
    )
  })
}

/** What Fastify refuses, in busbar's words; everything else as it is. */
export function asBusbarError(error: unknown): unknown {
  if (error instanceof BusbarError) return error
  const { statusCode, message } = error as { statusCode?: number; message?: string }
  if (statusCode === 413)
    return new BusbarError('event.too-large', 'the body is larger than the limit', { cause: error })
  if (statusCode === 415)
    return new BusbarError('request.unsupported-media-type', 'the content type cannot be read', {
      cause: error,
    })
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new BusbarError('request.malformed', String(message), { cause: error })
  return error
}

/** The paths of a route: `:name` is one segment, `*` any rest. */
function patternOf(url: string): RegExp {
  const source = url
    .split(/(:[^/]+|\*)/)
    .map((part) => {
      if (part === '*') return '.*'
      return part.startsWith(':') ? '[^/]+' : part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    })
    .join('')
  return new RegExp(`^${source}$`)
}

/** A connection whose request is not HTTP, or not all of it: the document, and the end of the connection. */
function refuseConnection(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const document = toProblem(connectionError(error))
  const body = withoutSecrets(JSON.stringify(document))
  if (socket.writable)
    socket.write(
      [
        `HTTP/1.1 ${document.status} ${STATUS_CODES[document.status]}`,
        `content-type: ${problemMedia}`,
        `content-length: ${Buffer.byteLength(body)}`,
        'connection: close',
        '',
        body,
      ].join('\r\n'),
    )
  socket.destroy(error)
}

function connectionError(error: Error & { readonly code?: string }): BusbarError {
  switch (error.code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new BusbarError('request.timeout', 'the request did not arrive whole in time')
    case 'HPE_HEADER_OVERFLOW':
      return new BusbarError('request.headers-too-large', 'the headers are larger than the limit')
    case 'HPE_INVALID_EOF_STATE':
      return new BusbarError('request.malformed', 'the connection ended before the request did')
    default:
      return new BusbarError('request.malformed', 'this is not an HTTP/1.1 request')
  }
}
