import type { AnyContract, BusEvent } from '../define/event.ts'
import { CallError } from '../errors.ts'
import type { StoredEvent } from '../journal/port.ts'

/** The other CloudEvents attributes as stored in `ext`. */
export interface EventAttributes {
  readonly subject?: string
  readonly time?: string
  readonly dataschema?: string
  readonly datacontenttype?: string
  readonly extensions?: Readonly<Record<string, string>>
}

/** Parsed once per stored event, whichever flows read it. */
const parsed = new WeakMap<StoredEvent, BusEvent | Promise<BusEvent>>()

/**
 * The event as flows see it: its data parsed and passed through its contract. Rejects with an `invalid` CallError when
 * the contract no longer accepts it (it did at the door, so the contract has changed since).
 */
export function busEvent(event: StoredEvent, contract: AnyContract): BusEvent | Promise<BusEvent> {
  let result = parsed.get(event)
  if (result === undefined) {
    result = parse(event, contract)
    parsed.set(event, result)
  }
  return result
}

function parse(event: StoredEvent, contract: AnyContract): BusEvent | Promise<BusEvent> {
  const attributes = JSON.parse(event.ext) as EventAttributes
  const validated = contract.schema['~standard'].validate(JSON.parse(event.data))
  const finish = (result: Awaited<typeof validated>): BusEvent => {
    if (result.issues) throw new CallError({ class: 'invalid', message: contractFault(event, result.issues) })
    return {
      id: event.id,
      source: event.source,
      type: event.type,
      subject: attributes.subject,
      time: attributes.time,
      key: event.key ?? undefined,
      seq: event.seq,
      receivedAt: event.receivedAt,
      extensions: attributes.extensions ?? {},
      data: result.value,
    }
  }
  return validated instanceof Promise ? validated.then(finish) : finish(validated)
}

/** Data as a person has edited it, passed through the contract; rejects with an `invalid` CallError when it does not pass. */
export async function editedData(json: string, contract: AnyContract): Promise<unknown> {
  const result = await contract.schema['~standard'].validate(JSON.parse(json))
  if (!result.issues) return result.value
  const faults = result.issues.slice(0, 3).map((issue) => issue.message)
  throw new CallError({
    class: 'invalid',
    message: `the edited data does not pass the contract of "${contract.type}": ${faults.join('; ')}`,
  })
}

function contractFault(event: StoredEvent, issues: readonly { readonly message: string }[]): string {
  const faults = issues.slice(0, 3).map((issue) => issue.message)
  return `event ${event.seq} no longer passes the contract of "${event.type}": ${faults.join('; ')}`
}
