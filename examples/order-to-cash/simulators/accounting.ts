import type { SimulatorOptions } from './simulator.ts'
import { Simulator } from './simulator.ts'

/**
 * An accounting package: `POST /invoices`, `GET /invoices?reference=&revision=`. An invoice cannot be changed: each
 * revision of an order is a document of its own. It does not know `Idempotency-Key`: what is sent twice is there twice. It
 * refuses invoices to business customers without a tax code.
 */
export function createAccounting(options: SimulatorOptions = {}): Simulator {
  return new Simulator(
    {
      name: 'accounting',
      collection: 'invoices',
      idPrefix: 'INV',
      amendable: false,
      honoursKeys: false,
      refuses: ({ business, taxCode }) =>
        business === true && !taxCode
          ? { field: 'taxCode', detail: 'a business customer needs a tax code' }
          : undefined,
    },
    options,
  )
}
