import type { Channel, Connection, Envelope } from 'rabbitmq-client'
import type { CarriedEvent } from '../define/transport.ts'
import { endConnection } from './connection.ts'
import { together } from './cork.ts'
import { eventMessage } from './event-message.ts'
import { hintMessages } from './hint-message.ts'
import { declareExchanges, hintExchange } from './topology.ts'

/** An alarm of the broker may last; the relay asks again then. */
const confirmMs = 10_000
const readyMs = 5_000
const readyPollMs = 50
/** What goes out together; a socket takes about so much at once. */
const maxTogetherBytes = 48 * 1_024
const nothing = Buffer.alloc(0)
/** RabbitMQ 4 refuses larger messages, and closes the channel on which one came. */
const maxBodyBytes = 16 * 1_048_576

/** A channel and what is given to it, one batch after the other, until something on it is in doubt. */
interface Line {
  opening: Promise<Channel> | undefined
  sending: Promise<unknown>
  readonly end: AbortController
}

/**
 * Publishes events with confirms on one channel, in the order in which they are given, also while earlier ones are not
 * confirmed yet. Once some are in doubt the channel is closed, so that none of what was given before comes later than that.
 * While the broker is away or blocks publishers nothing is sent, so that nothing piles up in memory. An event of more than
 * 16 MiB is left out: its owner finds it in the log.
 */
export class EventPublisher {
  readonly #connection: Connection
  readonly #exchange: string
  #line: Line | undefined
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
    const line = (this.#line ??= newLine())
    const timeout = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => timeout.reject(new Error(`the broker has not confirmed within ${confirmMs / 1_000} s`)),
      confirmMs,
    )
    const confirms = line.sending.then(() => this.#send(line, events))
    line.sending = confirms.catch(() => undefined)
    try {
      await Promise.race([confirms.then(allOf), timeout.promise])
    } catch (error) {
      if (this.#line === line) this.#line = undefined
      line.end.abort()
      void closed(line)
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ends the connection; what is under way rejects. Safe to call twice. */
  async close(): Promise<void> {
    this.#closed = true
    await endConnection(this.#connection, this.#line ? closed(this.#line) : Promise.resolve())
  }

  /** Resolves when all are sent, with their confirms. */
  async #send(line: Line, events: readonly CarriedEvent[]): Promise<readonly Promise<void>[]> {
    await this.#whenReady()
    const channel = await (line.opening ??= this.#open())
    const confirms: Promise<void>[] = []
    const publish = (envelope: Envelope, body: Buffer) => {
      const confirm = channel.basicPublish(envelope, body)
      confirm.catch(() => undefined) // whoever waits for all of them is told
      confirms.push(confirm)
    }
    let next = 0
    while (next < events.length) {
      // Too late: the same events may be under way on another channel.
      if (line.end.signal.aborted) throw new Error('the channel to the broker has been given up')
      await together(channel, () => {
        for (let bytes = 0; next < events.length && bytes < maxTogetherBytes; next++) {
          const { envelope, body } = eventMessage(this.#exchange, events[next] as CarriedEvent)
          if (body.length > maxBodyBytes) continue
          bytes += body.length
          publish(envelope, body)
        }
        if (next < events.length) return
        for (const hint of hintMessages(hintExchange(this.#exchange), events)) publish(hint, nothing)
      })
    }
    return confirms
  }

  async #whenReady(): Promise<void> {
    const until = performance.now() + readyMs
    while (!this.#connection.ready) {
      if (this.#closed || performance.now() > until)
        throw new Error('there is no connection to the broker, or it blocks publishers')
      await new Promise((resolve) => setTimeout(resolve, readyPollMs))
    }
  }

  async #open(): Promise<Channel> {
    const channel = await this.#connection.acquire({ emitErrorsFromChannel: true })
    channel.on('error', () => undefined) // whoever waits for a confirm is told
    await declareExchanges(channel, this.#exchange)
    await channel.confirmSelect()
    return channel
  }
}

function newLine(): Line {
  return { opening: undefined, sending: Promise.resolve(), end: new AbortController() }
}

async function closed({ opening }: Line): Promise<void> {
  const channel = await opening?.catch(() => undefined)
  await channel?.close()
}

async function allOf(confirms: readonly Promise<void>[]): Promise<void> {
  await Promise.all(confirms)
}
