import { z } from 'zod'
import { defineEvent } from '../../src/index.ts'

const Order = z.object({
  number: z.string(),
  customer: z.string(), // the table allows none: such an order is no event, and is set aside
  amount: z.number(),
  state: z.enum(['open', 'paid', 'shipped', 'cancelled']),
  revision: z.number().int(),
})

/** The old program has inserted an order. */
export const orderPlaced = defineEvent({
  type: 'legacy.order.placed',
  schema: Order,
  key: (order) => order.number,
})

/** The old program has changed an order. */
export const orderChanged = defineEvent({
  type: 'legacy.order.changed',
  schema: Order,
  key: (order) => order.number,
})
