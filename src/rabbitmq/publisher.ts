import type { Channel, Connection, Envelope, ReturnedMessage } from 'rabbitmq-client'
import type { ErrorClass } from '../errors.ts'
import { CallError } from '../errors.ts'
import type { OutgoingMessage, Send } from './call.ts'
import { nameOf, unroutable } from './call.ts'
import { rabbitmqClient } from './client.ts'
import type { BrokerOptions } from './connection.ts'
import { endConnection, openConnection } from './connection.ts'

const longestConnectMs = 10_000
const blockedPauseMs = 2_000

/** A message that was sent and is not confirmed yet. */
interface InFlight {
  readonly message: OutgoingMessage
  returned: boolean
}

/**
 * Publishes over one connection, opened with the first message and again whenever it is lost, on one channel with
 * confirms. A broker closes the whole channel for one wrong message, so exchanges are looked up on another one first, and
 * whom such an error means is believed only of a message that was alone.
 */
export class Publisher {
  readonly #broker: BrokerOptions
  readonly #name: string
  readonly #connectMs: number
  #connection: Connection | undefined
  #channel: Promise<Channel> | undefined
  #lastError: { readonly code?: string; readonly message?: string } | undefined
  #blocked = false
  #closed: Promise<void> | undefined
  readonly #known = new Set<string>()
  readonly #inFlight = new Set<InFlight>()

  constructor(
    broker: BrokerOptions,
    { name, timeoutMs }: { readonly name: string; readonly timeoutMs: number },
  ) {
    this.#broker = broker
    this.#name = name
    this.#connectMs = Math.min(longestConnectMs, Math.max(100, timeoutMs / 2))
  }

  readonly send: Send = async (message, { signal, onSent }) => {
    const channel = await this.#inTime(message, signal)
    if (this.#blocked) throw blocked(message) // while the channel was made
    onSent()
    const flight: InFlight = { message, returned: false }
    this.#inFlight.add(flight)
    try {
      await within(signal, channel.basicPublish(envelopeOf(message), message.body))
    } catch (error) {
      throw this.#afterSending(error, message)
    } finally {
      // A message comes back just before its confirm, but the client tells of it in a later turn.
      await new Promise(setImmediate)
      this.#inFlight.delete(flight)
    }
    if (flight.returned) throw unroutable(message)
  }

  async #inTime(message: OutgoingMessage, signal: AbortSignal): Promise<Channel> {
    try {
      return await within(signal, this.#ready(message))
    } catch (error) {
      if (!(error instanceof Aborted)) throw error
      throw failure('unavailable', message, 'no channel in time; nothing was sent')
    }
  }

  /** Ends the connection; what is in flight fails with an unknown outcome. Safe to call twice. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      const channel = await this.#channel?.catch(() => undefined)
      if (this.#connection) await endConnection(this.#connection, channel?.close() ?? Promise.resolve())
    })()
    return this.#closed
  }

  /** A channel on which this message can be published. Throws `unavailable`, `throttled`, `credential`, `invalid`. */
  async #ready(message: OutgoingMessage): Promise<Channel> {
    const connection = await this.#connected(message)
    if (this.#blocked) throw blocked(message)
    try {
      await this.#lookUp(connection, message.exchange)
      for (;;) {
        const channel = await (this.#channel ??= this.#open(connection))
        if (channel.active) return channel
        this.#channel = undefined
      }
    } catch (error) {
      throw beforeSending(error, message)
    }
  }

  async #connected(message: OutgoingMessage): Promise<Connection> {
    if (this.#closed) throw failure('unavailable', message, 'the system is being closed')
    const connection = (this.#connection ??= this.#connect())
    if (connection.ready || this.#blocked) return connection
    try {
      await connection.onConnect(this.#connectMs, true)
      return connection
    } catch (error) {
      const { code, message: why } = this.#lastError ?? {}
      const refused = code === 'ACCESS_REFUSED'
      throw failure(
        refused ? 'credential' : 'unavailable',
        message,
        `no connection (${code ?? why ?? 'timeout'})`,
        {
          cause: error,
        },
      )
    }
  }

  #connect(): Connection {
    const connection = openConnection(this.#broker, `busbar system ${this.#name}`)
    connection.on('error', (error: { code?: string; message?: string }) => {
      this.#lastError = error
      this.#blocked = false
    })
    connection.on('connection', () => {
      this.#lastError = undefined
      this.#blocked = false
      this.#known.clear()
    })
    connection.on('connection.blocked', () => (this.#blocked = true))
    connection.on('connection.unblocked', () => (this.#blocked = false))
    return connection
  }

  /** Asks once for each exchange and connection whether it is there; the broker's own always is. */
  async #lookUp(connection: Connection, exchange: string): Promise<void> {
    if (exchange === '' || this.#known.has(exchange)) return
    const channel = await connection.acquire()
    try {
      await channel.exchangeDeclare({ exchange, passive: true })
      this.#known.add(exchange)
    } finally {
      void channel.close()
    }
  }

  async #open(connection: Connection): Promise<Channel> {
    try {
      const channel = await connection.acquire({ emitErrorsFromChannel: true })
      channel.on('error', () => undefined) // what was in flight is rejected with it
      channel.on('basic.return', (returned) => this.#returned(returned))
      channel.once('close', () => {
        this.#channel = undefined
        this.#known.clear() // an exchange may have been removed
      })
      await channel.confirmSelect()
      return channel
    } catch (error) {
      this.#channel = undefined
      throw error
    }
  }

  /** Two of the same id, exchange and routing key share their fate. */
  #returned({ messageId, exchange, routingKey }: ReturnedMessage): void {
    for (const flight of this.#inFlight) {
      const { message } = flight
      if (
        message.messageId === messageId &&
        message.exchange === exchange &&
        message.routingKey === routingKey
      )
        flight.returned = true
    }
  }

  #afterSending(error: unknown, message: OutgoingMessage): CallError {
    if (error instanceof Aborted)
      return failure(
        'unknown',
        message,
        this.#blocked ? 'the broker blocks publishers, no confirm in time' : 'no confirm in time',
      )
    const { AMQPChannelError, AMQPConnectionError } = rabbitmqClient
    const ofChannel = error instanceof AMQPChannelError && !(error instanceof AMQPConnectionError)
    if (ofChannel && this.#inFlight.size === 1 && error.code !== 'CH_CLOSE')
      return failure('invalid', message, error.message, { cause: error, vendorCode: error.code })
    const code = (error as { code?: string }).code ?? 'lost'
    const why =
      code === 'NACK'
        ? 'the broker has refused to keep it (nack)'
        : `no confirm: the channel is gone (${code})`
    return failure('unknown', message, why, { cause: error })
  }
}

class Aborted extends Error {}

/** The promise, or `Aborted` as soon as the signal says so. */
function within<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new Aborted())
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

function beforeSending(error: unknown, message: OutgoingMessage): unknown {
  if (error instanceof CallError) return error
  const { code, message: why = '' } = error as { code?: string; message?: string }
  if (code === 'NOT_FOUND')
    return failure(
      'invalid',
      message,
      'there is no such exchange on the broker: declare it, or correct its name',
      {
        cause: error,
        vendorCode: code,
      },
    )
  if (code === 'ACCESS_REFUSED')
    return failure('credential', message, why, { cause: error, vendorCode: code })
  return failure('unavailable', message, `no channel (${code ?? why})`, { cause: error })
}

function blocked(message: OutgoingMessage): CallError {
  return failure('throttled', message, 'the broker is short of memory or disk space and blocks publishers', {
    vendorCode: 'amqp.blocked',
    retryAfterMs: blockedPauseMs,
  })
}

function failure(
  errorClass: ErrorClass,
  message: OutgoingMessage,
  why: string,
  more: { cause?: unknown; vendorCode?: string; retryAfterMs?: number } = {},
): CallError {
  return new CallError({ class: errorClass, message: `${nameOf(message)}: ${why}`, ...more })
}

function envelopeOf(message: OutgoingMessage): Envelope {
  const { exchange, routingKey, messageId, correlationId, type, contentType, headers, mandatory } = message
  const { persistent, expirationMs } = message
  return {
    exchange,
    routingKey,
    messageId,
    correlationId,
    contentType,
    headers: { ...headers },
    mandatory,
    durable: persistent,
    appId: 'busbar',
    ...(type !== undefined && { type }),
    ...(expirationMs !== undefined && { expiration: String(expirationMs) }),
  }
}
