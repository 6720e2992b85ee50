import type { Envelope } from 'rabbitmq-client'
import { hashSlots } from '../define/transport.ts'
import type { CarriedEvent } from '../define/transport.ts'
import { routingKey } from './topology.ts'

/** The number of an event in the log: a message says that the log has grown up to it. */
export const seqHeader = 'busbar-seq'
/** All headers must fit into one frame, and a broker takes frames of 8 KiB at least. */
const maxKeyBytes = 6_000
/** Of a key in a list of them: its type and length. */
const perKeyBytes = 5

/**
 * Messages that tell the owners concerned how far the log has grown: mostly one for all events together, routed by every
 * event's key (sender-selected distribution), so that each queue gets it once, whose partition has any of them.
 */
export function hintMessages(exchange: string, events: readonly CarriedEvent[]): readonly Envelope[] {
  const hints: Envelope[] = []
  let keys = new Set<string>()
  let bytes = 0
  for (const [index, { seq, type, khash }] of events.entries()) {
    const key = routingKey(type, khash % hashSlots)
    bytes += keys.has(key) ? 0 : Buffer.byteLength(key) + perKeyBytes
    keys.add(key)
    if (bytes < maxKeyBytes && index < events.length - 1) continue
    hints.push(hint(exchange, seq, [...keys]))
    keys = new Set()
    bytes = 0
  }
  return hints
}

function hint(exchange: string, seq: number, [routing = '', ...others]: readonly string[]): Envelope {
  const headers = { [seqHeader]: seq, ...(others.length > 0 && { BCC: others }) }
  return { exchange, routingKey: routing, durable: true, headers }
}

/** How far the log has grown, as a message says; undefined for one that is none of ours. */
export function hintOf({ headers = {} }: { readonly headers?: Record<string, unknown> }): number | undefined {
  const seq = headers[seqHeader]
  // Anybody may have sent it: a header may be a table, which cannot even be asked for its number.
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 1) return undefined
  return seq
}
