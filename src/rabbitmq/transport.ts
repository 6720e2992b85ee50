import type { ConnectionOptions as TlsOptions } from 'node:tls'
import type { Connection } from 'rabbitmq-client'
import { inRange } from '../define/range.ts'
import type {
  CarriedEvent,
  Carrier,
  CarryRequest,
  TransportConfig,
  TransportConnection,
  TransportOptions,
  TransportStanding,
} from '../define/transport.ts'
import { addressOf, endConnection, openConnection } from './connection.ts'
import { EventPublisher } from './event-publisher.ts'
import { keepBytes } from './keep-bytes.ts'
import { QueueCarrier } from './queue-carrier.ts'

/** The data of larger events is read from the log. */
const maxPayloadBytes = 1_048_576
/** A broker that has come back carries again within ten seconds: pauses between tries are shorter than those of sources. */
const longestPauseMs = 2_000

/** What `rabbitmq` takes. */
export interface RabbitmqOptions {
  /** `amqp://user:password@host/vhost`, or `amqps:` for TLS. */
  readonly url: string
  /** Certificates and the like, as of `node:tls`; with `amqps:`. */
  readonly tls?: TlsOptions
  /** Name of the topic exchange, and first part of the queues' names; default `busbar.<hub>`. */
  readonly exchange?: string
  /** Messages that one partition holds unacknowledged; default 1,000. */
  readonly prefetch?: number
  /** Messages that one queue keeps, the newest; what it has dropped is read from the log. Default 100,000. */
  readonly maxQueueLength?: number
}

/** The options with their defaults. */
export interface RabbitmqSettings {
  readonly exchange: string
  readonly prefetch: number
  readonly maxQueueLength: number
}

/**
 * RabbitMQ (3.10 or newer) carries the events from the log to the workers: a topic exchange, one quorum queue for each
 * partition of a lane group. The log stays the truth: whatever happens to the broker, nothing is lost, doubled or
 * reordered, and nobody who publishes notices. Throws `config.invalid`.
 */
export function rabbitmq(options: RabbitmqOptions): TransportConfig {
  const { url, tls, exchange, prefetch = 1_000, maxQueueLength = 100_000 } = options
  const address = addressOf('rabbitmq()', url)
  inRange('rabbitmq(): prefetch', prefetch, { from: 10, to: 65_535, whole: true })
  inRange('rabbitmq(): maxQueueLength', maxQueueLength, { from: 1_000, to: 100_000_000, whole: true })
  return {
    kind: 'rabbitmq',
    address,
    connect: (how) =>
      new RabbitmqConnection({ url, ...(tls && { tls }) }, how, {
        exchange: exchange ?? `busbar.${how.hub}`,
        prefetch,
        maxQueueLength,
      }),
  }
}

/**
 * Two connections: while memory or disk of the broker run short it stops reading from those that publish, and
 * acknowledgements must still get through.
 */
class RabbitmqConnection implements TransportConnection {
  readonly #broker: { readonly url: string; readonly tls?: TlsOptions }
  readonly #how: TransportOptions
  readonly #settings: RabbitmqSettings
  readonly #carriers = new Set<QueueCarrier>()
  #consuming: Connection | undefined
  #publishing: EventPublisher | undefined
  #closed = false

  constructor(
    broker: { readonly url: string; readonly tls?: TlsOptions },
    how: TransportOptions,
    settings: RabbitmqSettings,
  ) {
    this.#broker = broker
    this.#how = how
    this.#settings = settings
  }

  carry(request: CarryRequest): Carrier {
    if (this.#closed) throw new Error('the connection to the broker is closed')
    const { onError, onQueue } = this.#how
    const carrier = new QueueCarrier({
      request,
      settings: this.#settings,
      connection: this.#consumers(),
      onError,
      onQueue,
      onClosed: () => this.#carriers.delete(carrier),
    })
    this.#carriers.add(carrier)
    carrier.start()
    return carrier
  }

  async publish(events: readonly CarriedEvent[]): Promise<void> {
    if (this.#closed) throw new Error('the connection to the broker is closed')
    this.#publishing ??= new EventPublisher(this.#open('relay'), this.#settings.exchange)
    return this.#publishing.publish(events)
  }

  async queueLength(queue: string): Promise<number | undefined> {
    return this.#ofQueue(
      async (channel) => (await channel.queueDeclare({ queue, passive: true })).messageCount,
    )
  }

  async removeQueue(queue: string): Promise<number | undefined> {
    const length = await this.queueLength(queue)
    if (length === undefined) return undefined
    return this.#ofQueue(async (channel) => (await channel.queueDelete({ queue })).messageCount)
  }

  async reach(): Promise<void> {
    const channel = await this.#consumers().acquire()
    await channel.close()
  }

  standing(): TransportStanding {
    const ready = [this.#consuming?.ready, this.#publishing?.ready].filter((each) => each !== undefined)
    return {
      connected: ready.length === 0 ? undefined : ready.every(Boolean),
      partitions: [...this.#carriers].map(({ group, part, carries }) => ({ group, part, carries })),
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await Promise.all([...this.#carriers].map((carrier) => carrier.close()))
    await Promise.all([
      this.#publishing?.close(),
      this.#consuming && endConnection(this.#consuming, Promise.resolve()),
    ])
  }

  #consumers(): Connection {
    if (this.#consuming) return this.#consuming
    this.#consuming = this.#open('worker')
    keepBytes(this.#consuming, { maxBytes: maxPayloadBytes, onClose: () => undefined })
    return this.#consuming
  }

  #open(what: string): Connection {
    const connection = openConnection({ ...this.#broker, longestPauseMs }, `busbar ${this.#how.hub} ${what}`)
    connection.on('error', this.#how.onError)
    return connection
  }

  /** Undefined when there is no such queue; a channel of its own, for the broker closes it then. */
  async #ofQueue<T>(
    ask: (channel: Awaited<ReturnType<Connection['acquire']>>) => Promise<T>,
  ): Promise<T | undefined> {
    const channel = await this.#consumers().acquire({ emitErrorsFromChannel: true })
    channel.on('error', () => undefined)
    try {
      return await ask(channel)
    } catch (error) {
      if ((error as { code?: string }).code === 'NOT_FOUND') return undefined
      throw error
    } finally {
      await channel.close()
    }
  }
}
