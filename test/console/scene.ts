/** A company in the console: three simulated systems, orders that go through all of them, and what goes wrong. */
import { z } from 'zod'
import { createAccounting } from '../../examples/order-to-cash/simulators/accounting.ts'
import { createErp } from '../../examples/order-to-cash/simulators/erp.ts'
import { createLogistics } from '../../examples/order-to-cash/simulators/logistics.ts'
import type { Simulator } from '../../examples/order-to-cash/simulators/simulator.ts'
import { defineEvent, defineFlow, httpSystem } from '../../src/index.ts'
import type { Flow } from '../../src/index.ts'

const Order = z.object({
  number: z.string().meta({ description: 'The order number, as the customer knows it' }),
  customer: z.string(),
  country: z.string().length(2),
  totalCents: z.number().int().min(0),
  taxCode: z.string().optional(),
})

export const orderPlaced = defineEvent({
  type: 'shop.order.placed',
  schema: Order,
  key: (order) => order.number,
  noun: 'order',
})

export type Order = z.input<typeof Order>

export interface Scene {
  readonly systems: Readonly<Record<'erp' | 'accounting' | 'logistics', Simulator>>
  /** What `defineConfig` takes of it. */
  readonly settings: {
    readonly name: string
    readonly events: readonly [typeof orderPlaced]
    readonly flows: readonly Flow[]
  }
  order(number: number, more?: Partial<Order>): Order
  stop(): Promise<void>
}

interface Booked {
  readonly id: string
}

/** Starts the systems; tries and breakers are quick, so that a test need not wait. */
export async function openScene(): Promise<Scene> {
  const systems = { erp: createErp(), accounting: createAccounting(), logistics: createLogistics() }
  await Promise.all(Object.values(systems).map((system) => system.start()))
  const quick = { timeout: '2s', breaker: { probeDelay: '500ms', maxProbeDelay: '1s' } } as const
  const retry = { first: '200ms', cap: '2s' } as const
  const system = (name: keyof typeof systems) =>
    httpSystem({
      ...quick,
      name,
      label: name === 'erp' ? 'ERP' : `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`,
      baseUrl: systems[name].url,
      idempotency: name === 'accounting' ? 'none' : { keyLife: '24h' },
      limits: { concurrency: 6 },
    })
  const [erp, accounting, logistics] = [system('erp'), system('accounting'), system('logistics')]
  const flow = defineFlow('order-to-cash')
    .on(orderPlaced)
    .step('sale', erp, {
      retry,
      run: ({ event, call }) => call.post<Booked>('/sales', document(event.data)),
      links: ({ id }) => ({ order: id }),
    })
    .step('invoice', accounting, {
      retry,
      after: ['sale'],
      run: ({ event, results, call }) =>
        call.post<Booked>('/invoices', { ...document(event.data), sale: results.sale.id }),
      find: ({ event, call }) => call.find<Booked>('/invoices', { reference: event.data.number }),
      links: ({ id }) => ({ order: id }),
    })
    .step('shipment', logistics, {
      retry,
      after: ['invoice'],
      run: ({ event, results, call }) =>
        call.post<Booked>('/shipments', { ...document(event.data), invoice: results.invoice.id }),
      links: ({ id }) => ({ order: id }),
    })
  return {
    systems,
    settings: { name: 'wholesale', events: [orderPlaced], flows: [flow] },
    order: (number, more = {}) => ({
      number: `SO-${number}`,
      customer: `C-${100 + (number % 40)}`,
      country: 'DE',
      totalCents: 4_990 + ((number * 737) % 90_000),
      taxCode: 'DE129273398',
      ...more,
    }),
    async stop() {
      await Promise.all(Object.values(systems).map((each) => each.stop()))
    },
  }
}

function document({ number, ...order }: Order) {
  return { ...order, reference: number, revision: 1, business: true }
}
