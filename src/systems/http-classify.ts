import type { ErrorClass } from '../errors.ts'
import { CallError } from '../errors.ts'

/** An answer as `classify` sees it; header names in lower case. */
export interface HttpAnswer {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Parsed when it is JSON, text otherwise. */
  readonly body: unknown
}

/** What an answer means: fine, a class, a class with details, or undefined for the default rule. */
export type Classification =
  | 'ok'
  | ErrorClass
  | {
      readonly class: ErrorClass
      readonly message?: string
      readonly vendorCode?: string
      readonly retryAfterMs?: number
    }
  | undefined

/** Decides what an answer means; sees every one, also of 2xx: some systems report every error with 200. */
export type Classify = (answer: HttpAnswer) => Classification

const maxRetryAfterMs = 24 * 3_600_000

/** Throws the `CallError` that the answer means; returns when it is fine. */
export function judge(answer: HttpAnswer, classify: Classify | undefined, nowMs: number): void {
  const own = classify?.(answer)
  const meaning = own ?? defaultClass(answer.status, answer.headers)
  if (meaning === 'ok') return
  const details = typeof meaning === 'string' ? { class: meaning } : meaning
  const vendorCode = details.vendorCode ?? vendorCodeOf(answer.body)
  const retryAfterMs = details.retryAfterMs ?? retryAfter(answer.headers['retry-after'], nowMs)
  throw new CallError({
    class: details.class,
    message:
      details.message ??
      `${answer.method} ${answer.path} answered ${answer.status}${spoken(answer.status, answer.body)}`,
    status: answer.status,
    ...(vendorCode !== undefined && { vendorCode }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

/** The rule where a system has none of its own. */
export function defaultClass(status: number, headers: HttpAnswer['headers']): 'ok' | ErrorClass {
  if (status >= 200 && status < 300) return 'ok'
  switch (status) {
    case 401:
    case 403:
      return 'credential'
    case 408:
    case 425:
      return 'transient'
    case 409:
    case 412:
    case 428:
      return 'conflict'
    case 423:
      return 'busy'
    case 429:
      return 'throttled'
    case 503:
      return headers['retry-after'] === undefined ? 'transient' : 'throttled'
    default:
      return status >= 500 ? 'transient' : 'invalid'
  }
}

/** RFC 9110 Retry-After, seconds or a date; undefined when it makes no sense. At most a day. */
export function retryAfter(value: string | string[] | undefined, nowMs: number): number | undefined {
  if (typeof value !== 'string') return undefined
  const ms = /^\d{1,10}$/.test(value.trim()) ? Number(value) * 1_000 : Date.parse(value) - nowMs
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, maxRetryAfterMs) : undefined
}

/** The vendor's own error code, where vendors put it. */
export function vendorCodeOf(body: unknown): string | undefined {
  const object = asObject(body)
  const inner = asObject(object?.['error'])
  for (const candidate of [
    inner?.['code'],
    object?.['code'],
    object?.['errorCode'],
    object?.['error_code'],
    object?.['exc_type'],
    object?.['error'],
  ])
    if ((typeof candidate === 'string' || typeof candidate === 'number') && String(candidate) !== '')
      return String(candidate).slice(0, 80)
  return undefined
}

/** What the vendor says to people, shortened; never the whole payload. */
function spoken(status: number, body: unknown): string {
  if (status >= 300 && status < 400) return '; redirects are not followed'
  const object = asObject(body)
  const inner = asObject(object?.['error'])
  for (const candidate of [
    inner?.['message'],
    object?.['message'],
    object?.['detail'],
    object?.['title'],
    object?.['error_description'],
    object?.['error'],
  ])
    if (typeof candidate === 'string' && candidate !== '') return `: ${candidate.slice(0, 300)}`
  return ''
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined
}
