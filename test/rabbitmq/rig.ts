/** RabbitMQ for tests: the shared broker with names of one's own, or a broker of one's own that a test may kill. */
import { randomBytes } from 'node:crypto'
import type { Envelope } from 'rabbitmq-client'
import { Connection } from 'rabbitmq-client'
import { describe } from 'vitest'
import { brokerPrograms } from '../../scripts/rabbitmq-broker.ts'

export { startBroker } from '../../scripts/rabbitmq-broker.ts'
export type { Broker } from '../../scripts/rabbitmq-broker.ts'

/** The shared broker; other tests use it at the same time, so every name on it is from `uniqueName`. */
export const amqpUrl = process.env['BUSBAR_TEST_AMQP_URL'] ?? 'amqp://guest:guest@127.0.0.1:5672'

const missing = process.env['BUSBAR_TEST_AMQP_MISSING']
const noPrograms = brokerPrograms() === undefined ? 'rabbitmq-server is not installed' : undefined

/** Tests on the shared broker; skipped, with the reason, where there is none. */
export const describeWithBroker = describeUnless(missing)

/** Tests that start a broker of their own; skipped, with the reason, where the programs are missing. */
export const describeWithOwnBroker = describeUnless(noPrograms)

function describeUnless(reason: string | undefined) {
  return (name: string, body: () => void): void => {
    if (reason !== undefined) console.warn(`skipped: "${name}": ${reason}`)
    describe.skipIf(reason !== undefined)(name, body)
  }
}

/** A name that nobody else on the broker has. */
export function uniqueName(what: string): string {
  return `busbar-test.${what}.${randomBytes(5).toString('hex')}`
}

/** A message as a test reads it. */
export interface Taken {
  readonly body: unknown
  readonly envelope: Envelope
}

/** A program of somebody else that uses the broker. */
export interface Neighbour {
  readonly connection: Connection
  /** Declares a durable queue under a unique name, removed by `close`. */
  queue(what: string, options?: { readonly arguments?: Record<string, unknown> }): Promise<string>
  /** Declares a durable exchange under a unique name, removed by `close`. */
  exchange(what: string, type?: 'topic' | 'direct' | 'fanout' | 'headers'): Promise<string>
  /** Removes a queue that was declared by somebody else in `close`. */
  owns(queue: string): void
  /** Resolves after the broker's confirm. */
  send(envelope: Envelope | string, body: unknown): Promise<void>
  /** The next message of a queue, acknowledged, JSON parsed; undefined when it has none. */
  take(queue: string): Promise<Taken | undefined>
  /** Messages in a queue that no consumer holds. */
  ready(queue: string): Promise<number>
  close(): Promise<void>
}

/** Connects to a broker, by default the shared one. */
export async function openNeighbour(url = amqpUrl): Promise<Neighbour> {
  const connection = new Connection({ url, connectionTimeout: 5_000, retryLow: 100, retryHigh: 1_000 })
  connection.on('error', () => undefined) // it connects again; what a test awaits rejects
  await connection.onConnect(10_000)
  const publisher = connection.createPublisher({ confirm: true })
  const queues = new Set<string>()
  const exchanges = new Set<string>()
  return {
    connection,

    async queue(what, options = {}) {
      const queue = uniqueName(what)
      queues.add(queue)
      await connection.queueDeclare({ queue, durable: true, ...options })
      return queue
    },
    async exchange(what, type = 'topic') {
      const exchange = uniqueName(what)
      exchanges.add(exchange)
      await connection.exchangeDeclare({ exchange, type, durable: true })
      return exchange
    },
    owns: (queue) => void queues.add(queue),
    async send(envelope, body) {
      await publisher.send(
        { durable: true, ...(typeof envelope === 'string' ? { routingKey: envelope } : envelope) },
        body,
      )
    },
    async take(queue) {
      const message = await connection.basicGet({ queue, noAck: true })
      if (!message) return undefined
      const { body, ...envelope } = message as Envelope & { readonly body: unknown }
      return { body, envelope }
    },
    async ready(queue) {
      return (await connection.queueDeclare({ queue, passive: true })).messageCount
    },
    async close() {
      for (const queue of queues) await connection.queueDelete({ queue }).catch(() => undefined)
      for (const exchange of exchanges) await connection.exchangeDelete({ exchange }).catch(() => undefined)
      connection.unsafeDestroy() // `close` would wait for channels that a test has left open
    },
  }
}
