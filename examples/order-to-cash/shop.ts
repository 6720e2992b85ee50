import { createHmac } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Message, OrderTraffic } from './traffic.ts'

/** Where and how the shop delivers. */
export interface ShopOptions {
  /** Its webhooks' address. */
  readonly url: string
  /** What it signs with. */
  readonly secret: string
  /** Most deliveries at the same time; default 64. */
  readonly concurrency?: number
  /** How long it waits for an answer, in milliseconds; default 5,000. */
  readonly timeoutMs?: number
  /** Called after each order whose messages have all been dealt with. */
  readonly onOrderSent?: () => void
}

/** The shop's own record of one message. */
export interface Sent {
  readonly number: string
  readonly revision: number
  readonly totalCents: number
  /** Whether any of its deliveries got a 2xx answer. */
  readonly accepted: boolean
}

/** What the shop knows when it is done: the truth that the systems are held against. */
export interface ShopRecord {
  readonly sent: readonly Sent[]
  /** Requests made, copies and redeliveries included. */
  readonly deliveries: number
  /** When the last message was accepted or given up, in milliseconds since 1970. */
  readonly lastSentAt: number
}

/** Pauses before a delivery that was not taken is made again; then the shop gives up. */
const redeliveryMs = [300, 700]

/**
 * Sends all traffic as signed webhooks: each message once to three times under one id, orders side by side, and the next
 * revision of an order only after the previous one got its first 2xx answer. Copies of a revision may well come
 * later than the next revision. What is not taken is delivered again up to twice, then given up, as real shops do.
 * Resolves when the last copy has been dealt with.
 */
export async function runShop(traffic: readonly OrderTraffic[], options: ShopOptions): Promise<ShopRecord> {
  const shop = new Shop(options)
  const sent = await Promise.all(traffic.map((order) => shop.send(order)))
  const lastSentAt = Date.now()
  await shop.lateCopies()
  return { sent: sent.flat(), deliveries: shop.deliveries, lastSentAt }
}

class Shop {
  deliveries = 0
  readonly #options: ShopOptions
  readonly #slots: Slots
  readonly #copies: Promise<boolean>[] = []

  constructor(options: ShopOptions) {
    this.#options = options
    this.#slots = new Slots(options.concurrency ?? 64)
  }

  async send({ atMs, messages }: OrderTraffic): Promise<readonly Sent[]> {
    await sleep(atMs)
    const sent: Sent[] = []
    for (const message of messages) {
      await sleep(message.gapMs)
      const { number, revision, totalCents } = message.order
      sent.push({ number, revision, totalCents, accepted: await this.#deliverCopies(message) })
    }
    this.#options.onOrderSent?.()
    return sent
  }

  async lateCopies(): Promise<void> {
    await Promise.all(this.#copies)
  }

  /** Resolves with the first 2xx answer to any copy, or once all copies are given up. */
  async #deliverCopies(message: Message): Promise<boolean> {
    const progress = { accepted: false }
    const copies = message.copies.map((underWayMs) => this.#deliverCopy(message, { underWayMs, progress }))
    this.#copies.push(...copies)
    const firstAccepted = new Promise<boolean>((resolve) => {
      for (const copy of copies) void copy.then((accepted) => accepted && resolve(true))
    })
    return Promise.race([firstAccepted, Promise.all(copies).then((all) => all.includes(true))])
  }

  async #deliverCopy(
    message: Message,
    { underWayMs, progress }: { underWayMs: number; progress: { accepted: boolean } },
  ): Promise<boolean> {
    await sleep(underWayMs)
    for (const pauseMs of [...redeliveryMs, undefined]) {
      if (await this.#slots.run(() => this.#post(message))) return (progress.accepted = true)
      if (pauseMs === undefined || progress.accepted) break
      await sleep(pauseMs)
    }
    return false
  }

  async #post({ id, topic, order }: Message): Promise<boolean> {
    const { url, secret, timeoutMs = 5_000 } = this.#options
    const body = JSON.stringify(order)
    this.deliveries++
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-shop-topic': topic,
          'x-shop-delivery': id,
          'x-shop-hmac-sha256': createHmac('sha256', secret).update(body).digest('base64'),
        },
        body,
        signal: AbortSignal.timeout(timeoutMs),
      })
      await response.arrayBuffer()
      return response.ok
    } catch {
      return false // refused, reset or too slow: to a shop it is all "not taken"
    }
  }
}

/** Lets at most so many run at the same time, first come, first served. */
class Slots {
  #free: number
  readonly #queue: (() => void)[] = []

  constructor(slots: number) {
    this.#free = slots
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#queue.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#queue.shift()
      if (next) next()
      else this.#free++
    }
  }
}
