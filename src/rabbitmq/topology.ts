import { createHash } from 'node:crypto'
import type { Channel, Cmd, MethodParams } from 'rabbitmq-client'
import { hashSlots } from '../define/transport.ts'

/** A routing key is a short string of AMQP. */
const maxRoutingKeyBytes = 255
const slotBytes = 3
const wildcard = /(?:^|\.)[*#](?:\.|$)/

/**
 * `<type>.<slot>`: the type's own words and the hash slot of the key, so that a program can bind `shop.order.#`, and a
 * partition its slots. A type that leaves no room for the slot, or has a word that is a wildcard in bindings, stands as its SHA-256.
 */
export function routingKey(type: string, slot: number): string {
  return `${routedType(type)}.${slot}`
}

/** What the queue of one partition is bound to. A single partition takes every slot. */
export function bindingKeys(types: readonly string[], part: number, parts: number): readonly string[] {
  if (parts === 1) return types.map((type) => `${routedType(type)}.*`)
  const slots = Array.from({ length: hashSlots / parts }, (_, index) => part + index * parts)
  return types.flatMap((type) => slots.map((slot) => routingKey(type, slot)))
}

function routedType(type: string): string {
  const isPlain = Buffer.byteLength(type) <= maxRoutingKeyBytes - slotBytes && !wildcard.test(type)
  return isPlain ? type : createHash('sha256').update(type).digest('hex')
}

/** The exchange to which the queues of partitions are bound; the other is for everybody else. */
export function hintExchange(exchange: string): string {
  return `${exchange}.hints`
}

/** Declares both, so that whoever comes first finds them. */
export async function declareExchanges(channel: Channel, exchange: string): Promise<void> {
  for (const each of [exchange, hintExchange(exchange)])
    await channel.exchangeDeclare({ exchange: each, type: 'topic', durable: true })
}

/** Of one partition; the number of partitions is in it, so that a change of it needs no bindings undone. */
export function queueName(
  prefix: string,
  { group, part, parts }: { readonly group: string; readonly part: number; readonly parts: number },
): string {
  return `${prefix}.${group}.${part}-${parts}`
}

/** RabbitMQ 4 drops a message after 20 deliveries, unless told otherwise; -1 means never there, but at once in 3.10. */
const deliveryLimit = 1_000_000_000

/**
 * A quorum queue, bounded: the log has what it drops, so an outage of one system does not fill the broker. In the order
 * in which they are tried: as it is to be, and as it is there already.
 */
export function queueDeclarations(queue: string, maxQueueLength: number): readonly QueueDeclaration[] {
  const bounded = { 'x-queue-type': 'quorum', 'x-max-length': maxQueueLength } as const
  return [
    { queue, durable: true, arguments: { ...bounded, 'x-delivery-limit': deliveryLimit } },
    { queue, passive: true },
  ]
}

type QueueDeclaration = MethodParams[Cmd.QueueDeclare]
