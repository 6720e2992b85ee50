import { defineConfig, embedded } from '../../src/index.ts'
import { env } from './env.ts'
import { bookSale, bookShipment, writeInvoice } from './flows.ts'
import { shop } from './sources.ts'
import { fulfilWholesale } from './wholesale.ts'

// The one default export of the example: it is what `busbar dev` and `busbar start` look for.
export default defineConfig({
  name: 'order-to-cash',
  journal: embedded({ folder: env.journalFolder }),
  flows: [bookSale, writeInvoice, bookShipment, fulfilWholesale],
  sources: [shop],
  http: { port: env.port, unauthenticated: true },
})
