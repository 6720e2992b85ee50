import { defineFlow } from 'busbar'
import { orderPlaced } from './contracts.ts'
import { erp } from './systems.ts'

/** Books each order as a sale in the ERP; eight partitions, so that three workers (and a few more) share it. */
export const bookSale = defineFlow('book-sale', { partitions: 8 })
  .on(orderPlaced)
  .step('sale', erp, {
    run: ({ event, call }) => call.post('/sales', { reference: event.data.number, total: event.data.total }),
    // After a call whose answer was lost: look before it is repeated.
    find: ({ event, call }) => call.find('/sales', { reference: event.data.number }),
  })
