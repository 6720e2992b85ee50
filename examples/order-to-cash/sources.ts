import { hmacSignature, toEvent, webhookSource } from '../../src/index.ts'
import { orderChanged, orderPlaced } from './contracts.ts'
import { env } from './env.ts'
import type { Order } from './order.ts'

/** The shop's webhooks, at `/in/shop`. Copies and redeliveries carry the same id, so each message counts once. */
export const shop = webhookSource({
  name: 'shop',
  signature: hmacSignature({ header: 'x-shop-hmac-sha256', encoding: 'base64', secrets: [env.shopSecret] }),
  id: ({ headers }) => headers['x-shop-delivery'],
  map: ({ headers, body }) => {
    const contract = headers['x-shop-topic'] === 'order.placed' ? orderPlaced : orderChanged
    return toEvent(contract, body as Order)
  },
})
