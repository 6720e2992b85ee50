import type { Channel, Connection } from 'rabbitmq-client'
import type { CarriedEvent } from '../define/transport.ts'
import { together } from './cork.ts'
import { eventMessage } from './event-message.ts'

/** An alarm of the broker may last; the relay asks again then. */
const confirmMs = 10_000
/** What goes out together; a socket takes about so much at once. */
const maxTogetherBytes = 48 * 1_024

/**
 * Publishes events with confirms on one channel, in the order in which they are given, also while earlier ones are not
 * confirmed yet. Once some are in doubt the channel is closed, so that none of what was given before comes later than that.
 */
export class EventPublisher {
  readonly connection: Connection
  readonly #exchange: string
  #opening: Promise<Channel> | undefined
  #sending: Promise<unknown> = Promise.resolve()

  constructor(connection: Connection, exchange: string) {
    this.connection = connection
    this.#exchange = exchange
  }

  async publish(events: readonly CarriedEvent[]): Promise<void> {
    const opening = (this.#opening ??= this.#open())
    const timeout = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => timeout.reject(new Error(`the broker has not confirmed within ${confirmMs / 1_000} s`)),
      confirmMs,
    )
    const confirms = this.#sending.then(() => opening).then((channel) => this.#send(channel, events))
    this.#sending = confirms.catch(() => undefined)
    try {
      await Promise.race([confirms.then(allOf), timeout.promise])
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined
      void opening.then((channel) => channel.close()).catch(() => undefined)
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Resolves when all are sent, with their confirms. */
  async #send(channel: Channel, events: readonly CarriedEvent[]): Promise<{ confirms: Promise<void>[] }> {
    const confirms: Promise<void>[] = []
    let next = 0
    while (next < events.length) {
      await together(channel, () => {
        for (let bytes = 0; next < events.length && bytes < maxTogetherBytes; next++) {
          const { envelope, body } = eventMessage(this.#exchange, events[next] as CarriedEvent)
          bytes += body.length
          const confirm = channel.basicPublish(envelope, body)
          confirm.catch(() => undefined) // whoever waits for all of them is told
          confirms.push(confirm)
        }
      })
    }
    return { confirms }
  }

  async #open(): Promise<Channel> {
    const channel = await this.connection.acquire({ emitErrorsFromChannel: true })
    channel.on('error', () => undefined) // whoever waits for a confirm is told
    await channel.exchangeDeclare({ exchange: this.#exchange, type: 'topic', durable: true })
    await channel.confirmSelect()
    return channel
  }
}

async function allOf({ confirms }: { readonly confirms: readonly Promise<void>[] }): Promise<void> {
  await Promise.all(confirms)
}
