import { defineFlow, httpSystem } from '../../src/index.ts'
import { orderChanged, orderPlaced } from './contracts.ts'
import { env } from './env.ts'

/** Keeps a copy of each order; what it is sent replaces what it had. */
export const crm = httpSystem({ name: 'crm', baseUrl: env.crmUrl, idempotency: { keyLife: '24h' } })

/** Each state of each order, in the order in which the old program committed them. */
export const showOrder = defineFlow('show-order')
  .on(orderPlaced, orderChanged)
  .step('order', crm, {
    retry: { first: '200ms', cap: '30s' },
    run: ({ event, call }) => call.put(`/orders/${encodeURIComponent(event.data.number)}`, event.data),
  })
