import type { Channel, Connection } from 'rabbitmq-client'
import type { CarriedEvent } from '../define/transport.ts'
import { endConnection } from './connection.ts'
import { eventMessage } from './event-message.ts'

/** An alarm of the broker may last; the relay asks again then. */
const confirmMs = 10_000
const readyMs = 5_000
const readyPollMs = 50
/** RabbitMQ 4 refuses larger messages, and closes the channel on which one came. */
const maxBodyBytes = 16 * 1_048_576

/**
 * Publishes events with confirms on one channel, which is opened anew when it was closed. One batch at a time. While the
 * broker is away or blocks publishers it sends nothing, so that nothing piles up in memory. An event of more than 16 MiB
 * is left out: its owner finds it in the log.
 */
export class EventPublisher {
  readonly #connection: Connection
  readonly #exchange: string
  #channel: Channel | undefined
  #closed = false

  constructor(connection: Connection, exchange: string) {
    this.#connection = connection
    this.#exchange = exchange
  }

  async publish(events: readonly CarriedEvent[]): Promise<void> {
    await this.#ready()
    const attempt = new AbortController()
    const timeout = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => timeout.reject(new Error(`the broker has not confirmed within ${confirmMs / 1_000} s`)),
      confirmMs,
    )
    try {
      await Promise.race([this.#send(events, attempt.signal), timeout.promise])
    } catch (error) {
      attempt.abort()
      // What of it has arrived is not known, nor whether the rest would keep its place: from a new channel on, once more.
      void this.#channel?.close()
      this.#channel = undefined
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ends the connection; what is under way rejects. Safe to call twice. */
  async close(): Promise<void> {
    this.#closed = true
    await endConnection(this.#connection, this.#channel?.close() ?? Promise.resolve())
  }

  async #ready(): Promise<void> {
    const until = performance.now() + readyMs
    while (!this.#connection.ready) {
      if (this.#closed || performance.now() > until)
        throw new Error('there is no connection to the broker, or it blocks publishers')
      await new Promise((resolve) => setTimeout(resolve, readyPollMs))
    }
  }

  async #send(events: readonly CarriedEvent[], signal: AbortSignal): Promise<void> {
    const channel = this.#channel?.active ? this.#channel : await this.#open()
    // Too late: the same events may be under way on another channel.
    if (signal.aborted) return void channel.close()
    this.#channel = channel
    const messages = events.map((event) => eventMessage(this.#exchange, event))
    const sent = messages
      .filter(({ body }) => body.length <= maxBodyBytes)
      .map(({ envelope, body }) => channel.basicPublish(envelope, body))
    const failed = (await Promise.allSettled(sent)).find(({ status }) => status === 'rejected')
    if (failed) throw (failed as PromiseRejectedResult).reason
  }

  async #open(): Promise<Channel> {
    const channel = await this.#connection.acquire({ emitErrorsFromChannel: true })
    channel.on('error', () => undefined) // whoever waits for a confirm is told
    await channel.exchangeDeclare({ exchange: this.#exchange, type: 'topic', durable: true })
    await channel.confirmSelect()
    return channel
  }
}
