import { fieldRules } from '../define/redaction.ts'
import type { ConnectOptions, System, SystemOptions } from '../define/system.ts'
import { defineSystem, systemSettings } from '../define/system.ts'
import type { AmqpCall } from './call.ts'
import { amqpCall, sendOver } from './call.ts'
import type { BrokerOptions } from './connection.ts'
import { addressOf } from './connection.ts'
import { Publisher } from './publisher.ts'

/** What `amqpSystem` takes. */
export interface AmqpSystemOptions extends SystemOptions, BrokerOptions {
  /** The exchange of calls that name none; default the broker's own (`''`), where the routing key is a queue's name. */
  readonly exchange?: string
}

/**
 * Declares a RabbitMQ broker as a system: steps publish to it, and a publish has succeeded once the broker has confirmed it.
 * Exchanges must exist; nothing is declared. A broker does not drop repeats: after an unknown outcome the same message,
 * with the same message id, is published again for as long as `idempotency` says (`'none'`: the run is parked instead).
 *
 * @example
 * export const warehouse = amqpSystem({
 *   name: 'warehouse',
 *   url: env.WAREHOUSE_AMQP_URL,
 *   exchange: 'warehouse',
 *   limits: { concurrency: 50 },
 * })
 */
export function amqpSystem(options: AmqpSystemOptions): System<AmqpCall> {
  const address = addressOf(`system "${options.name}"`, options.url)
  return defineSystem<AmqpCall>({
    ...options,
    address,
    overTransport: true,
    connect: (how) => connectAmqp(options, how),
  })
}

function connectAmqp(options: AmqpSystemOptions, { transport, redact }: ConnectOptions) {
  const { timeoutMs } = systemSettings(options)
  const publisher = transport ? undefined : new Publisher(options, { name: options.name, timeoutMs })
  const target = {
    exchange: options.exchange ?? '',
    rules: fieldRules(redact),
    send: transport ? sendOver(transport) : (publisher as Publisher).send.bind(publisher),
  }
  return {
    open: (attempt: Parameters<typeof amqpCall>[1]) => amqpCall(target, attempt),
    close: async () => publisher?.close(),
  }
}
