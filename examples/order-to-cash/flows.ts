import { defineFlow } from '../../src/index.ts'
import { orderChanged, orderPlaced } from './contracts.ts'
import type { Order } from './order.ts'
import { accounting, erp, logistics } from './systems.ts'

const retry = { first: '200ms', cap: '5s' } as const

/** One sale per order: booked when it is placed, changed with each revision. */
export const bookSale = defineFlow('book-sale')
  .on(orderPlaced, orderChanged)
  .step('sale', erp, {
    retry,
    run: async ({ event, call }) => {
      const order = event.data
      if (event.type === 'shop.order.placed') return call.post('/sales', toDocument(order))
      const sale = await call.find<{ id: string }>('/sales', { reference: order.number })
      return sale
        ? call.patch(`/sales/${sale.id}`, toDocument(order))
        : call.post('/sales', toDocument(order))
    },
  })

/** One invoice document per revision. Accounting knows no idempotency keys: `find` looks before anything is sent again. */
export const writeInvoice = defineFlow('write-invoice')
  .on(orderPlaced, orderChanged)
  .step('invoice', accounting, {
    retry,
    run: ({ event, call }) => call.post('/invoices', toDocument(event.data)),
    find: ({ event, call }) =>
      call.find('/invoices', { reference: event.data.number, revision: event.data.revision }),
  })

/** One shipping instruction per revision; the last one counts. */
export const bookShipment = defineFlow('book-shipment')
  .on(orderPlaced, orderChanged)
  .step('shipment', logistics, {
    retry,
    run: ({ event, call }) => call.post('/shipments', toDocument(event.data)),
  })

function toDocument({ number, revision, customer, totalCents }: Order) {
  return { reference: number, revision, customer, totalCents }
}
