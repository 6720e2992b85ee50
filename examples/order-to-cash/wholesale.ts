import { z } from 'zod'
import { defineEvent, defineFlow } from '../../src/index.ts'
import { accounting, erp, logistics } from './systems.ts'

/** An order of a business customer: sold, invoiced and shipped in one process, or not at all. */
export const Wholesale = z.object({
  number: z.string().min(1),
  customer: z.string().min(1),
  country: z.string().length(2),
  totalCents: z.number().int().min(0),
  /** Accounting needs it; sales people forget it. */
  taxCode: z.string().optional(),
})

/** See the schema of the same name. */
export type Wholesale = z.infer<typeof Wholesale>

/** A business customer has placed an order. */
export const wholesalePlaced = defineEvent({
  type: 'shop.wholesale.placed',
  noun: 'order',
  schema: Wholesale,
  key: (order) => order.number,
})

interface Booked {
  readonly id: string
}

/**
 * Sale, then invoice, then shipment; each is undone when a later one fails for good and nobody has mended it in time. In
 * production that time would be a day; here it can be watched.
 */
export const fulfilWholesale = defineFlow('fulfil-wholesale', { onFailure: { compensateAfter: '5s' } })
  .on(wholesalePlaced)
  .step('sale', erp, {
    run: ({ event, call }) => call.post<Booked>('/sales', toDocument(event.data)),
    find: ({ event, call }) => call.find<Booked>('/sales', { reference: event.data.number }),
    undo: ({ result, call }) => call.delete(`/sales/${result.id}`),
  })
  .step('invoice', accounting, {
    after: ['sale'],
    run: ({ event, results, call }) =>
      call.post<Booked>('/invoices', { ...toDocument(event.data), sale: results.sale.id }),
    find: ({ event, call }) => call.find<Booked>('/invoices', { reference: event.data.number }),
    undo: ({ result, call }) => call.delete(`/invoices/${result.id}`),
  })
  .step('shipment', logistics, {
    after: ['invoice'],
    run: ({ event, results, call }) =>
      call.post<Booked>('/shipments', { ...toDocument(event.data), invoice: results.invoice.id }),
    find: ({ event, call }) => call.find<Booked>('/shipments', { reference: event.data.number }),
    undo: ({ result, call }) => call.delete(`/shipments/${result.id}`),
  })

function toDocument({ number, ...order }: Wholesale) {
  return { ...order, reference: number, revision: 1, business: true }
}
