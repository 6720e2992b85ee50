import type { Envelope } from 'rabbitmq-client'
import { hashSlots } from '../define/transport.ts'
import type { CarriedEvent } from '../define/transport.ts'
import { routingKey } from './topology.ts'

/** By which the owner finds the event in the log; no attribute of CloudEvents. */
const seqHeader = 'busbar-seq'

interface Attributes {
  readonly subject?: string
  readonly time?: string
  readonly dataschema?: string
  readonly datacontenttype?: string
  readonly extensions?: Readonly<Record<string, string>>
}

/**
 * An event as a message: a CloudEvent in binary mode (AMQP binding 1.0.2, section 3.1), its data as it came in, so that a
 * program in any language can read it from a queue of its own.
 */
export function eventMessage(exchange: string, event: CarriedEvent): { envelope: Envelope; body: Buffer } {
  const { subject, time, dataschema, datacontenttype, extensions } = JSON.parse(event.ext) as Attributes
  const headers: Record<string, string | number> = { [seqHeader]: event.seq }
  const attributes = {
    specversion: '1.0',
    id: event.id,
    source: event.source,
    type: event.type,
    subject,
    time,
    dataschema,
    ...(event.key !== null && { partitionkey: event.key }),
    ...extensions,
  }
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined) headers[`cloudEvents:${name}`] = value
  return {
    envelope: {
      exchange,
      routingKey: routingKey(event.type, event.khash % hashSlots),
      durable: true,
      // Not `application/json` alone: clients that parse by it would change numbers.
      contentType: datacontenttype ?? 'application/json; charset=utf-8',
      timestamp: Math.floor(event.receivedAt / 1_000),
      headers,
    },
    body: Buffer.from(event.data),
  }
}

/** What the owner needs of a message; undefined for one that is none of ours. */
export function hintOf(message: {
  readonly headers?: Record<string, unknown>
  readonly body: unknown
}): { readonly seq: number; readonly id: string; readonly body: Buffer } | undefined {
  const { headers = {}, body } = message
  const seq = Number(headers[seqHeader])
  const id = headers['cloudEvents:id']
  if (!Number.isSafeInteger(seq) || seq < 1 || typeof id !== 'string' || !Buffer.isBuffer(body))
    return undefined
  return { seq, id, body }
}
