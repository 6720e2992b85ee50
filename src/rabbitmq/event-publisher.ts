import type { Channel, Connection } from 'rabbitmq-client'
import type { CarriedEvent } from '../define/transport.ts'
import { endConnection } from './connection.ts'
import { together } from './cork.ts'
import { eventMessage } from './event-message.ts'

/** An alarm of the broker may last; the relay asks again then. */
const confirmMs = 10_000
const readyMs = 5_000
const readyPollMs = 50
/** RabbitMQ 4 refuses larger messages, and closes the channel on which one came. */
const maxBodyBytes = 16 * 1_048_576
/** What goes out together; a socket takes about so much at once. */
const maxTogetherBytes = 48 * 1_024

/**
 * Publishes events with confirms on one channel, in the order in which they are given, also while earlier ones are not
 * confirmed yet. Once some are in doubt the channel is closed, and what was given after them is in doubt too: of those
 * that are given then, none overtakes another. While the broker is away or blocks publishers it sends nothing, so that
 * nothing piles up in memory. An event of more than 16 MiB is left out: its owner finds it in the log.
 */
export class EventPublisher {
  readonly #connection: Connection
  readonly #exchange: string
  #opening: Promise<Channel> | undefined
  /** Of what was given last: it is sent, or is not going to be. */
  #sent: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(connection: Connection, exchange: string) {
    this.#connection = connection
    this.#exchange = exchange
  }

  /** Whether it is connected, and not blocked. */
  get ready(): boolean {
    return this.#connection.ready
  }

  async publish(events: readonly CarriedEvent[]): Promise<void> {
    if (!this.#connection.ready) await this.#whenReady()
    const opening = (this.#opening ??= this.#open())
    const attempt = new AbortController()
    const timeout = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => timeout.reject(new Error(`the broker has not confirmed within ${confirmMs / 1_000} s`)),
      confirmMs,
    )
    const sending = this.#sent.then(() => this.#send(opening, events, attempt.signal))
    this.#sent = sending.catch(() => undefined)
    try {
      await Promise.race([sending.then(({ confirms }) => Promise.all(confirms)), timeout.promise])
    } catch (error) {
      attempt.abort()
      // What of it has arrived is not known, nor whether the rest would keep its place: from a new channel on, once more.
      if (this.#opening === opening) this.#opening = undefined
      void opening.then((channel) => channel.close()).catch(() => undefined)
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ends the connection; what is under way rejects. Safe to call twice. */
  async close(): Promise<void> {
    this.#closed = true
    const closing = this.#opening?.then((channel) => channel.close()) ?? Promise.resolve()
    await endConnection(this.#connection, closing)
  }

  async #whenReady(): Promise<void> {
    const until = performance.now() + readyMs
    while (!this.#connection.ready) {
      if (this.#closed || performance.now() > until)
        throw new Error('there is no connection to the broker, or it blocks publishers')
      await new Promise((resolve) => setTimeout(resolve, readyPollMs))
    }
  }

  /** Resolves when all are sent, with their confirms. */
  async #send(
    opening: Promise<Channel>,
    events: readonly CarriedEvent[],
    signal: AbortSignal,
  ): Promise<{ readonly confirms: readonly Promise<void>[] }> {
    const channel = await opening
    const confirms: Promise<void>[] = []
    for (let next = 0; next < events.length;) {
      // Too late: the same events may be under way on another channel.
      if (signal.aborted) throw new Error('the broker took nothing any more')
      await together(channel, () => {
        for (let bytes = 0; next < events.length && bytes < maxTogetherBytes; next++) {
          const { envelope, body } = eventMessage(this.#exchange, events[next] as CarriedEvent)
          if (body.length > maxBodyBytes) continue
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
    const channel = await this.#connection.acquire({ emitErrorsFromChannel: true })
    channel.on('error', () => undefined) // whoever waits for a confirm is told
    await channel.exchangeDeclare({ exchange: this.#exchange, type: 'topic', durable: true })
    await channel.confirmSelect()
    return channel
  }
}
