import { defineEvent } from 'busbar'
import { z } from 'zod'

export const Order = z.object({ number: z.string(), customer: z.string(), total: z.number() })

/** A customer has placed an order. Events with one key are handled in order. */
export const orderPlaced = defineEvent({
  type: 'shop.order.placed',
  schema: Order,
  key: (order) => order.number,
})
