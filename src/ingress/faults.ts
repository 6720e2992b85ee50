import type { Conceal } from '../define/conceal.ts'
import { BusbarError } from '../errors.ts'

/** One fault of an event, with a JSON pointer (RFC 6901) to where it is. */
export interface Fault {
  readonly pointer: string
  readonly message: string
}

/** Most faults that one answer names. */
export const maxFaults = 50

/** Why events are refused. */
export type Refusal =
  | 'event.invalid'
  | 'event.unknown-type'
  | 'event.too-large'
  | 'request.malformed'
  | 'request.unsupported-media-type'

/** Events that are refused, every fault named. Nothing of their request was stored. */
export class EventRefused extends BusbarError {
  readonly faults: readonly Fault[]
  readonly refusal: Refusal

  constructor(code: Refusal, message: string, faults: readonly Fault[] = []) {
    super(code, message, { details: { faults } })
    this.refusal = code
    this.faults = faults
  }
}

/** The same error, its words without what must not be shown: schemas, and the user's own code, may repeat what they were given. */
export function withoutValues(error: unknown, conceal: Conceal): unknown {
  if (error instanceof EventRefused) {
    const faults = error.faults.map(({ pointer, message }) => ({ pointer, message: conceal(message) }))
    return new EventRefused(error.refusal, conceal(error.message), faults)
  }
  if (!(error instanceof Error)) return new TypeError(conceal(String(error)))
  error.message = conceal(error.message)
  error.stack &&= conceal(error.stack)
  return error
}

/** Where a text stops being JSON. The parser's own words repeat a piece of the text, which may hold what must not be shown. */
export function noJson(error: unknown): string {
  const [at] = /position \d+/.exec(String(error)) ?? []
  return at === undefined ? 'it ends too early, or is empty' : `it goes wrong at ${at}`
}

/** Escapes a name for a JSON pointer. */
export function pointerPart(part: string | number): string {
  return `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** The identity is taken by an event with other data. */
export function conflictOf(
  event: { readonly id: string; readonly source: string },
  seq: number,
): BusbarError {
  const message = `an event with this source and id, but other data, was accepted before as ${seq}: a new fact needs a new id`
  return new BusbarError('event.conflict', message, {
    details: { id: event.id, source: event.source, seq },
  })
}
