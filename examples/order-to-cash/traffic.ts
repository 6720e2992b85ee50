import { between, chance } from './chance.ts'
import type { Order } from './order.ts'

/** One webhook of the shop, and how the network will treat it. */
export interface Message {
  /** The same in each copy and redelivery. */
  readonly id: string
  readonly topic: 'order.placed' | 'order.changed'
  readonly order: Order
  /** Pause after the previous message of the same order was taken, in milliseconds. */
  readonly gapMs: number
  /** One entry a copy: how long it is under way, in milliseconds. */
  readonly copies: readonly number[]
}

/** All messages of one order, and when the customer places it. */
export interface OrderTraffic {
  readonly atMs: number
  /** First the order as placed, then its later revisions. */
  readonly messages: readonly [Message, ...Message[]]
}

/** How much to sell, and in which time. */
export interface TrafficOptions {
  readonly orders: number
  readonly seed: number
  readonly durationMs: number
}

const customers = 200

/**
 * What the shop will sell: three orders in ten are changed once or twice, four messages in ten arrive two or three
 * times, some copies overtake others. Follows from the options alone.
 */
export function planTraffic({ orders, seed, durationMs }: TrafficOptions): readonly OrderTraffic[] {
  return Array.from({ length: orders }, (_, index) => {
    const number = `SO-${1001 + index}`
    const atMs = Math.round((index / orders) * durationMs)
    const luck = chance(seed, number, 'revisions')
    const revisions = luck < 0.7 ? 1 : luck < 0.92 ? 2 : 3
    const later = Array.from({ length: revisions - 1 }, (_unused, at) => message(number, at + 2, seed))
    return { atMs, messages: [message(number, 1, seed), ...later] }
  })
}

function message(number: string, revision: number, seed: number): Message {
  const luck = (what: string) => chance(seed, number, revision, what)
  const customer = `C-${String(between([1, customers], chance(seed, number, 'customer'))).padStart(3, '0')}`
  return {
    id: `${number}-${revision}`,
    topic: revision === 1 ? 'order.placed' : 'order.changed',
    order: { number, revision, customer, currency: 'EUR', totalCents: between([500, 50_000], luck('total')) },
    gapMs: revision === 1 ? 0 : between([30, 500], luck('gap')),
    copies: copiesOf(luck),
  }
}

/** The first copy is sometimes slow; further ones come at nearly the same time, or much later. */
function copiesOf(luck: (what: string) => number): readonly number[] {
  const howMany = luck('copies') < 0.6 ? 1 : luck('copies') < 0.88 ? 2 : 3
  const first = between(luck('slow') < 0.15 ? [100, 400] : [0, 20], luck('first'))
  const further = Array.from({ length: howMany - 1 }, (_, index) =>
    between(luck(`late ${index}`) < 0.5 ? [0, 50] : [200, 2_000], luck(`further ${index}`)),
  )
  return [first, ...further]
}
