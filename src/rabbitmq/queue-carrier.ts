import type { AsyncMessage, Channel, Connection } from 'rabbitmq-client'
import type { Carrier, CarryRequest, TransportOptions } from '../define/transport.ts'
import { hintOf } from './event-message.ts'
import { bindingKeys, queueDeclarations, queueName } from './topology.ts'
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

/** Bindings are new, or messages were lost meanwhile: for so long the owner follows the log itself. */
const catchUpMs = 1_000
/** It has failed the owner: likewise. */
const distrustMs = 10_000
/** Unwanted for so long, its messages are given back. */
const patienceMs = 2_000
const retryMs = { first: 250, longest: 2_000 }

/**
 * Consumes the queue of one partition for its owner. Declares exchange, queue and bindings each time it begins, so that
 * a broker that has lost them has them again. Everything it says is a hint: see `Carrier`.
 */
export class QueueCarrier implements Carrier {
  readonly #deps: QueueCarrierDeps
  readonly #queue: string
  readonly #payloads = new Map<number, { readonly id: string; readonly body: Buffer }>()
  #payloadBytes = 0
  /** Not acknowledged yet, as they came. */
  #unacknowledged: { readonly tag: number; readonly seq: number }[] = []
  #horizon = 0
  #settledTo = 0
  #channel: Channel | undefined
  /** By `performance.now()`; it carries from then on, as long as it consumes. */
  #trustedFrom = Number.POSITIVE_INFINITY
  #unwantedSince: number | undefined
  #pauseMs = retryMs.first
  #timer: NodeJS.Timeout | undefined
  #beginning: Promise<void> | undefined
  #closed = false

  constructor(deps: QueueCarrierDeps) {
    this.#deps = deps
    this.#queue = queueName(deps.settings.exchange, deps.request)
  }

  start(): void {
    this.#beginning ??= this.#begin().finally(() => (this.#beginning = undefined))
  }

  get carries(): boolean {
    return (
      this.#channel !== undefined && this.#deps.connection.ready && performance.now() >= this.#trustedFrom
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

  known(after: number, upTo: number): readonly number[] {
    return [...this.#payloads.keys()].filter((seq) => seq > after && seq <= upTo)
  }

  payload(seq: number): { readonly id: string; readonly data: string } | undefined {
    const payload = this.#payloads.get(seq)
    return payload && { id: payload.id, data: payload.body.toString('utf8') }
  }

  readTo(seq: number): void {
    // Nearly always in order: what is read goes first.
    for (const [known, { body }] of this.#payloads) {
      if (known > seq) break
      this.#payloads.delete(known)
      this.#payloadBytes -= body.length
    }
  }

  settledTo(seq: number): void {
    if (seq <= this.#settledTo) return
    this.#settledTo = seq
    this.#acknowledge()
  }

  missed(): void {
    if (!this.carries) return
    this.#trustedFrom = performance.now() + distrustMs
    this.#wakeAt(distrustMs)
  }

  want(wanted: boolean): void {
    if (!wanted) {
      this.#unwantedSince ??= performance.now()
      const isLong = performance.now() - this.#unwantedSince > patienceMs
      if (isLong && this.#channel) void this.#leave()
      return
    }
    if (this.#unwantedSince === undefined) return
    this.#unwantedSince = undefined
    if (!this.#channel && this.#timer === undefined) this.start()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#leave()
    this.#deps.onClosed()
  }

  async #begin(): Promise<void> {
    const { settings, request, onError, onQueue } = this.#deps
    try {
      const channel = await this.#declared()
      channel.on('error', onError)
      channel.on('close', () => this.#lost(channel))
      channel.on('basic.cancel', () => void channel.close()) // the queue was deleted
      if (this.#closed) return await channel.close()
      await channel.basicQos({ prefetchCount: settings.prefetch })
      this.#channel = channel
      await channel.basicConsume({ queue: this.#queue, noAck: false }, (message) =>
        this.#take(channel, message),
      )
      if (this.#closed) return await channel.close()
      const { group, part, parts, types } = request
      onQueue({ queue: this.#queue, group, part, parts, types })
      this.#trustedFrom = performance.now() + catchUpMs
      this.#pauseMs = retryMs.first
      this.#wakeAt(catchUpMs)
    } catch (error) {
      if (!this.#closed) onError(error)
      this.#again()
    }
  }

  /** A channel on which everything is declared; the broker closes the one on which it has refused something. */
  async #declared(): Promise<Channel> {
    const { settings, connection } = this.#deps
    for (const declaration of queueDeclarations(this.#queue, settings.maxQueueLength)) {
      const channel = await connection.acquire({ emitErrorsFromChannel: true })
      try {
        await this.#declare(channel, declaration)
        return channel
      } catch (error) {
        await channel.close()
        if (declaration.passive || (error as { code?: string }).code !== 'PRECONDITION_FAILED') throw error
      }
    }
    throw new Error('unreachable: the last declaration throws')
  }

  async #declare(channel: Channel, declaration: Parameters<Channel['queueDeclare']>[0]): Promise<void> {
    const { settings, request } = this.#deps
    const { exchange } = settings
    await channel.exchangeDeclare({ exchange, type: 'topic', durable: true })
    await channel.queueDeclare(declaration as never)
    const keys = bindingKeys(request.types, request.part, request.parts)
    await Promise.all(
      keys.map((routingKey) => channel.queueBind({ queue: this.#queue, exchange, routingKey })),
    )
  }

  #take(channel: Channel, message: AsyncMessage): void {
    if (channel !== this.#channel) return // of a channel that is given up: the broker delivers it again
    const hint = hintOf(message)
    const seq = hint?.seq ?? 0
    this.#unacknowledged.push({ tag: message.deliveryTag, seq })
    if (seq <= this.#settledTo) return this.#acknowledge()
    if (
      hint &&
      this.#payloadBytes + hint.body.length <= this.#deps.request.maxBytes &&
      !this.#payloads.has(seq)
    ) {
      this.#payloads.set(seq, hint)
      this.#payloadBytes += hint.body.length
    }
    if (seq <= this.#horizon) return
    this.#horizon = seq
    this.#deps.request.onArrival()
  }

  /** All that are settled from the oldest on: one frame says it of them together. */
  #acknowledge(): void {
    const behind = this.#unacknowledged.findIndex(({ seq }) => seq > this.#settledTo)
    const count = behind < 0 ? this.#unacknowledged.length : behind
    if (count === 0) return
    const last = this.#unacknowledged[count - 1]
    this.#unacknowledged = this.#unacknowledged.slice(count)
    if (last && this.#channel?.active) this.#channel.basicAck({ deliveryTag: last.tag, multiple: true })
  }

  /** Closes the channel: what is not acknowledged goes back to the queue. */
  async #leave(): Promise<void> {
    await this.#beginning
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
    this.#unacknowledged = []
    this.#payloads.clear()
    this.#payloadBytes = 0
  }

  #again(): void {
    if (this.#closed || this.#unwantedSince !== undefined) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.start()
    }, this.#pauseMs)
    this.#pauseMs = Math.min(this.#pauseMs * 2, retryMs.longest)
  }

  /** The owner looks again when it may rely on the messages. */
  #wakeAt(ms: number): void {
    setTimeout(() => this.#deps.request.onArrival(), ms + 1).unref()
  }
}
