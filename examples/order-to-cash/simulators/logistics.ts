import type { SimulatorOptions } from './simulator.ts'
import { Simulator } from './simulator.ts'

/**
 * A logistics platform: `POST /shipments`, `GET /shipments?reference=&revision=`. Each revision of an order is a new
 * instruction; the last one received counts. Honours `Idempotency-Key`.
 */
export function createLogistics(options: SimulatorOptions = {}): Simulator {
  return new Simulator(
    { name: 'logistics', collection: 'shipments', idPrefix: 'SHIP', amendable: false, honoursKeys: true },
    options,
  )
}
