import { defineEvent } from '../../src/index.ts'
import { Order } from './order.ts'

/** A customer has placed an order. */
export const orderPlaced = defineEvent({
  type: 'shop.order.placed',
  noun: 'order',
  schema: Order,
  key: (order) => order.number,
})

/** A customer has changed an order; `revision` counts up. */
export const orderChanged = defineEvent({
  type: 'shop.order.changed',
  noun: 'order',
  schema: Order,
  key: (order) => order.number,
})
