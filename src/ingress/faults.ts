import { BusbarError } from '../errors.ts'

/** One fault of an event, with a JSON pointer (RFC 6901) to where it is. */
export interface Fault {
  readonly pointer: string
  readonly message: string
}

/** Events that are refused, every fault named. Nothing of their request was stored. */
export class EventRefused extends BusbarError {
  readonly faults: readonly Fault[]

  constructor(
    code: 'event.invalid' | 'event.unknown-type' | 'request.malformed' | 'request.unsupported-media-type',
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
