import { BusbarError } from '../errors.ts'

/** One fault of an event, with a JSON pointer (RFC 6901) to where it is. */
export interface Fault {
  readonly pointer: string
  readonly message: string
}

/** Most faults that one answer names. */
export const maxFaults = 50

/** Events that are refused, every fault named. Nothing of their request was stored. */
export class EventRefused extends BusbarError {
  readonly faults: readonly Fault[]

  constructor(
    code:
      | 'event.invalid'
      | 'event.unknown-type'
      | 'event.too-large'
      | 'request.malformed'
      | 'request.unsupported-media-type',
    message: string,
    faults: readonly Fault[] = [],
  ) {
    super(code, message, { details: { faults } })
    this.faults = faults
  }
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
