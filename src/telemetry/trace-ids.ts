import { hash, randomBytes } from 'node:crypto'

/** A span as others can name it without having seen it. */
export interface PlannedIds {
  readonly traceId?: string
  readonly spanId?: string
}

let planned: PlannedIds = {}

/**
 * Ids of busbar's spans: an attempt of a step has the same id whoever works it out, so that a later attempt, also in another
 * process or of a replay, can link to it. Everything else gets random ones. An SDK of your own is to be given this as its
 * `idGenerator`; without it spans are the same, but for those links.
 */
export const traceIds = {
  generateTraceId(): string {
    return planned.traceId ?? randomBytes(16).toString('hex')
  },
  generateSpanId(): string {
    return planned.spanId ?? randomBytes(8).toString('hex')
  },
}

/** Starts a span, synchronously, that shall have these ids. */
export function withIds<T>(ids: PlannedIds, start: () => T): T {
  planned = ids
  try {
    return start()
  } finally {
    planned = {}
  }
}

/** The id of a span that is made of what it is about. */
export function spanIdOf(...parts: readonly (string | number | boolean)[]): string {
  return hash('sha256', JSON.stringify(parts), 'hex').slice(0, 16)
}
