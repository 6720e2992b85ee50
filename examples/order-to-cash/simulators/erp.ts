import type { SimulatorOptions } from './simulator.ts'
import { Simulator } from './simulator.ts'

/**
 * An ERP: `POST /sales`, `GET /sales?reference=`, `GET /sales/:id`, `PATCH /sales/:id`. One sale per order, changed
 * with each revision. Honours `Idempotency-Key`.
 */
export function createErp(options: SimulatorOptions = {}): Simulator {
  return new Simulator(
    { name: 'erp', collection: 'sales', idPrefix: 'SALE', amendable: true, honoursKeys: true },
    options,
  )
}
