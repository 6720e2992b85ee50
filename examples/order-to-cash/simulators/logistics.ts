import type { SimulatorOptions } from './simulator.ts'
import { Simulator } from './simulator.ts'

/**
 * A logistics platform: `POST /shipments`, `GET /shipments?reference=&revision=`. Each revision of an order is a new
 * instruction; the last one received counts. Honours `Idempotency-Key`. It ships to every
 * country but Antarctica.
 */
export function createLogistics(options: SimulatorOptions = {}): Simulator {
  return new Simulator(
    {
      name: 'logistics',
      collection: 'shipments',
      idPrefix: 'SHIP',
      amendable: false,
      honoursKeys: true,
      refuses: ({ country }) =>
        country === 'AQ' ? { field: 'country', detail: 'no carrier delivers to Antarctica' } : undefined,
    },
    options,
  )
}
