import type { AsyncMessage, Channel, Connection } from 'rabbitmq-client'
import type { Carrier, CarryRequest, TransportOptions } from '../define/transport.ts'
import { hintOf } from './hint-message.ts'
import { declaredQueue } from './queue.ts'
import { queueName } from './topology.ts'
import type { RabbitmqSettings } from './transport.ts'

/** What a carrier needs. */
export interface QueueCarrierDeps {
  readonly request: CarryRequest
  readonly settings: RabbitmqSettings
  readonly connection: Connection
  readonly onError: TransportOptions['onError']
  readonly onQueue: TransportOptions['onQueue']
  readonly onClosed: () => void
}

/** A message that is not acknowledged yet. */
interface Held {
  readonly tag: number
  readonly seq: number
  readonly arrival: number
}

/** Bindings are new, or messages were lost meanwhile: for so long the owner follows the log itself. */
const catchUpMs = 1_000
/** It has failed the owner: likewise, and longer each time until it is of use again, as while the relay lags behind. */
const distrustMs = { first: 10_000, longest: 80_000 }
/** Relied on for so long, it counts as good again. */
const reliableMs = 10_000
/** Unwanted for so long, its messages are given back. */
const patienceMs = 2_000
const retryMs = { first: 250, longest: 2_000 }
/** A broker that does not answer must not keep an owner from handing over. */
const closeMs = 1_500

/**
 * Consumes the queue of one partition for its owner. Declares exchange, queue and bindings each time it begins, so that
 * a broker that has lost them has them again. Everything it says is a hint: see `Carrier`.
 */
export class QueueCarrier implements Carrier {
  readonly #deps: QueueCarrierDeps
  readonly #queue: string
  /** As they came. */
  #held: Held[] = []
  #arrivals = 0
  #horizon = 0
  #readTo = 0
  #settledTo = 0
  #channel: Channel | undefined
  /** By `performance.now()`; it carries from then on, as long as it consumes. */
  #trustedFrom = Number.POSITIVE_INFINITY
  #distrustedUntil = 0
  #distrustMs = distrustMs.first
  #unwantedSince: number | undefined
  #pauseMs = retryMs.first
  #timer: NodeJS.Timeout | undefined
  #beginning = false
  #closed = false

  constructor(deps: QueueCarrierDeps) {
    this.#deps = deps
    this.#queue = queueName(deps.settings.exchange, deps.request)
  }

  /** Begins, unless it has, or will by itself. */
  start(): void {
    if (this.#closed || this.#unwantedSince !== undefined) return
    if (this.#channel || this.#beginning || this.#timer) return
    this.#beginning = true
    void this.#begin().finally(() => {
      this.#beginning = false
      if (!this.#channel) this.#again()
    })
  }

  /** With as many messages as it may hold none comes any more. */
  get carries(): boolean {
    return (
      this.#channel !== undefined &&
      this.#deps.connection.ready &&
      performance.now() >= this.#trustedFrom &&
      this.#held.length < this.#deps.settings.prefetch
    )
  }

  get group(): string {
    return this.#deps.request.group
  }

  get part(): number {
    return this.#deps.request.part
  }

  get horizon(): number {
    return this.#horizon
  }

  get arrivals(): number {
    return this.#arrivals
  }

  readTo(seq: number): void {
    this.#readTo = Math.max(this.#readTo, seq)
  }

  /** All that are settled from the oldest on: one frame says it of them together. */
  settledTo(seq: number): void {
    if (seq <= this.#settledTo) return
    this.#settledTo = seq
    const behind = this.#held.findIndex((held) => held.seq > seq)
    const count = behind < 0 ? this.#held.length : behind
    const last = this.#held[count - 1]
    if (!last) return
    this.#held = this.#held.slice(count)
    if (this.#channel?.active) this.#channel.basicAck({ deliveryTag: last.tag, multiple: true })
  }

  /** What it consumes by may be gone, such as the exchange, of which it would not hear: it begins again. */
  missed(): void {
    if (!this.carries) return
    this.#distrustedUntil = performance.now() + this.#distrustMs
    this.#distrustMs = Math.min(this.#distrustMs * 2, distrustMs.longest)
    void this.#leave()
    this.#again()
  }

  logEndsAt(seq: number, arrivals: number): void {
    const isOurs = (held: Held) => held.seq <= seq || held.arrival > arrivals
    for (const held of this.#held) {
      if (isOurs(held)) continue
      this.#acknowledge(held.tag)
    }
    this.#held = this.#held.filter(isOurs)
    this.#horizon = this.#held.reduce((furthest, held) => Math.max(furthest, held.seq), this.#readTo)
  }

  want(wanted: boolean): void {
    if (wanted) {
      if (this.#unwantedSince === undefined) return
      this.#unwantedSince = undefined
      return this.start()
    }
    this.#unwantedSince ??= performance.now()
    const isLong = performance.now() - this.#unwantedSince > patienceMs
    if (isLong && this.#channel) void this.#leave()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#timer)
    await soon(this.#leave())
    this.#deps.onClosed()
  }

  async #begin(): Promise<void> {
    const { settings, request, onError, onQueue, connection } = this.#deps
    let channel: Channel | undefined
    try {
      channel = await declaredQueue({ connection, settings, request, queue: this.#queue, onError })
      await this.#consume(channel)
      if (this.#channel !== channel) return // given up meanwhile
      const { group, part, parts, types } = request
      onQueue({ queue: this.#queue, group, part, parts, types })
      this.#trustFrom(Math.max(performance.now() + catchUpMs, this.#distrustedUntil))
      this.#pauseMs = retryMs.first
    } catch (error) {
      if (this.#channel === channel) this.#forget()
      void channel?.close()
      if (!this.#closed) onError(error)
    }
  }

  async #consume(channel: Channel): Promise<void> {
    const { settings } = this.#deps
    channel.on('close', () => this.#lost(channel))
    channel.on('basic.cancel', () => void channel.close()) // the queue was deleted
    await channel.basicQos({ prefetchCount: settings.prefetch })
    if (this.#closed) return channel.close()
    this.#channel = channel
    await channel.basicConsume({ queue: this.#queue, noAck: false }, (message) =>
      this.#take(channel, message),
    )
  }

  #take(channel: Channel, message: AsyncMessage): void {
    if (channel !== this.#channel) return // of a channel that is given up: the broker delivers it again
    const seq = hintOf(message) ?? 0
    this.#arrivals++
    if (seq <= this.#settledTo) {
      this.#horizon = Math.max(this.#horizon, seq)
      return this.#acknowledge(message.deliveryTag)
    }
    if (this.carries && performance.now() - this.#trustedFrom > reliableMs)
      this.#distrustMs = distrustMs.first
    this.#held.push({ tag: message.deliveryTag, seq, arrival: this.#arrivals })
    const isFull = this.#held.length >= this.#deps.settings.prefetch
    if (seq <= this.#horizon && !isFull) return
    this.#horizon = Math.max(this.#horizon, seq)
    this.#deps.request.onArrival()
  }

  #acknowledge(tag: number): void {
    if (this.#channel?.active) this.#channel.basicAck({ deliveryTag: tag })
  }

  /** Closes the channel: what is not acknowledged goes back to the queue. */
  async #leave(): Promise<void> {
    const channel = this.#channel
    this.#forget()
    await channel?.close()
  }

  #lost(channel: Channel): void {
    if (this.#channel !== channel) return
    this.#forget()
    this.#deps.request.onArrival()
    this.#again()
  }

  #forget(): void {
    this.#channel = undefined
    this.#trustedFrom = Number.POSITIVE_INFINITY
    this.#held = []
  }

  #again(): void {
    if (this.#closed || this.#unwantedSince !== undefined || this.#timer) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.start()
    }, this.#pauseMs)
    this.#pauseMs = Math.min(this.#pauseMs * 2, retryMs.longest)
  }

  /** The owner looks again when it may rely on the messages. */
  #trustFrom(at: number): void {
    this.#trustedFrom = at
    setTimeout(() => this.#deps.request.onArrival(), at - performance.now() + 1).unref()
  }
}

/** Resolves with the promise, or when it takes too long. */
async function soon(promise: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(late.resolve, closeMs)
  await Promise.race([promise, late.promise])
  clearTimeout(timer)
}
