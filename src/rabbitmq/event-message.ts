import type { Envelope } from 'rabbitmq-client'
import { hashSlots } from '../define/transport.ts'
import type { CarriedEvent } from '../define/transport.ts'
import { seqHeader } from './hint-message.ts'
import { routingKey } from './topology.ts'

/** No attributes of CloudEvents, as is the event's number in the log. */
const receivedHeader = 'busbar-received'
/** All headers must fit into one frame, and a broker takes frames of 8 KiB at least. */
const maxHeaderBytes = 7_000
/** Of a header: the lengths of name and value, and the value's type. */
const perHeaderBytes = 6

interface Attributes {
  readonly subject?: string
  readonly time?: string
  readonly dataschema?: string
  readonly datacontenttype?: string
  readonly extensions?: Readonly<Record<string, string>>
}

/**
 * An event as a message: a CloudEvent in binary mode (AMQP binding 1.0.2, section 3.1), its data as it came in, so that a
 * program in any language can read it from a queue of its own. One whose attributes are too long for headers is sent in
 * structured mode (section 3.2), its data likewise.
 */
export function eventMessage(exchange: string, event: CarriedEvent): { envelope: Envelope; body: Buffer } {
  const { subject, time, dataschema, datacontenttype, extensions } = JSON.parse(event.ext) as Attributes
  const attributes: Readonly<Record<string, string | undefined>> = {
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
  const envelope = {
    exchange,
    routingKey: routingKey(event.type, event.khash % hashSlots),
    durable: true,
    timestamp: Math.floor(event.receivedAt / 1_000),
  }
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined) headers[`cloudEvents:${name}`] = value
  const own = { [seqHeader]: event.seq, [receivedHeader]: event.receivedAt }
  if (bytesOf(headers) > maxHeaderBytes)
    return {
      envelope: { ...envelope, contentType: 'application/cloudevents+json; charset=utf-8', headers: own },
      body: structured({ ...attributes, datacontenttype }, event.data),
    }
  return {
    envelope: {
      ...envelope,
      // Not `application/json` alone where it is ours to say: clients that parse by it would change numbers.
      contentType: datacontenttype ?? 'application/json; charset=utf-8',
      headers: { ...own, ...headers },
    },
    body: Buffer.from(event.data),
  }
}

/** Data is put in as the text that it is: parsed and written again, its numbers would change. */
function structured(attributes: Readonly<Record<string, string | undefined>>, data: string): Buffer {
  return Buffer.from(`${JSON.stringify(attributes).slice(0, -1)},"data":${data}}`)
}

function bytesOf(headers: Readonly<Record<string, string>>): number {
  return Object.entries(headers).reduce(
    (sum, [name, value]) => sum + name.length + Buffer.byteLength(value) + perHeaderBytes,
    0,
  )
}
