import type { Channel, Connection } from 'rabbitmq-client'
import type { CarriedEvent } from '../define/transport.ts'
import { eventMessage } from './event-message.ts'

/** An alarm of the broker may last; the relay asks again then. */
const confirmMs = 10_000

/** Publishes events with confirms on one channel, which is opened anew when it was closed. One batch at a time. */
export class EventPublisher {
  readonly connection: Connection
  readonly #exchange: string
  #channel: Channel | undefined

  constructor(connection: Connection, exchange: string) {
    this.connection = connection
    this.#exchange = exchange
  }

  async publish(events: readonly CarriedEvent[]): Promise<void> {
    const timeout = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => timeout.reject(new Error(`the broker has not confirmed within ${confirmMs / 1_000} s`)),
      confirmMs,
    )
    try {
      await Promise.race([this.#send(events), timeout.promise])
    } catch (error) {
      // What of it has arrived is not known, nor whether the rest would keep its place: from a new channel on, once more.
      void this.#channel?.close()
      this.#channel = undefined
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async #send(events: readonly CarriedEvent[]): Promise<void> {
    const channel = this.#channel?.active ? this.#channel : await this.#open()
    this.#channel = channel
    const sent = events.map((event) => {
      const { envelope, body } = eventMessage(this.#exchange, event)
      return channel.basicPublish(envelope, body)
    })
    const failed = (await Promise.allSettled(sent)).find(({ status }) => status === 'rejected')
    if (failed) throw (failed as PromiseRejectedResult).reason
  }

  async #open(): Promise<Channel> {
    const channel = await this.connection.acquire({ emitErrorsFromChannel: true })
    channel.on('error', () => undefined) // whoever waits for a confirm is told
    await channel.exchangeDeclare({ exchange: this.#exchange, type: 'topic', durable: true })
    await channel.confirmSelect()
    return channel
  }
}
