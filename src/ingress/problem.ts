import type { FastifyReply } from 'fastify'
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
  'request.rate-limited': 429,
  'signature.invalid': 401,
  overloaded: 503,
  'journal.unavailable': 503,
  'act.refused': 409,
}

/** A problem document (RFC 9457). */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly errors?: unknown
  readonly [extension: string]: unknown
}

/** The problem document of an error. Errors that busbar did not raise on purpose say nothing of themselves. */
export function toProblem(error: unknown): Problem {
  if (!(error instanceof BusbarError))
    return problem(500, 'internal', 'something failed inside busbar; its log has the reason')
  const status = statusOf[error.code] ?? 500
  const { faults, ...details } = error.details
  return {
    ...problem(status, error.code, error.message),
    ...details,
    ...(faults !== undefined && { errors: faults }),
  }
}

function problem(status: number, code: string, detail: string): Problem {
  return { type: `urn:busbar:error:${code}`, title: titles[status] ?? 'Error', status, detail, code }
}

const titles: Record<number, string> = {
  400: 'Malformed request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not found',
  409: 'Conflict',
  413: 'Too large',
  415: 'Unsupported media type',
  422: 'Not accepted',
  429: 'Too many requests',
  500: 'Internal error',
  503: 'Not available now',
}

/** Answers with the problem document; 429 and 503 say when to come back. */
export function sendProblem(reply: FastifyReply, error: unknown): FastifyReply {
  const document = toProblem(error)
  if (document.status === 429 || document.status === 503) reply.header('retry-after', '1')
  if (document.status === 401) reply.header('www-authenticate', 'Bearer')
  return reply.code(document.status).type('application/problem+json').send(JSON.stringify(document))
}
