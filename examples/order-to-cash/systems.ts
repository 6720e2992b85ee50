import { httpSystem } from '../../src/index.ts'
import { env } from './env.ts'

// Short times, so that the demo can be watched: in production the defaults (30 s, first probe after 500 ms) are better.
const impatient = {
  timeout: '1s',
  breaker: { probeDelay: '250ms', maxProbeDelay: '500ms' },
} as const

/** Keeps one sale per order. Honours `Idempotency-Key`, so busbar may simply repeat a call that got no answer. */
export const erp = httpSystem({
  ...impatient,
  name: 'erp',
  label: 'ERP',
  baseUrl: env.erpUrl,
  idempotency: { keyLife: '24h' },
})

/** Does not know `Idempotency-Key`: what is sent twice is there twice, so busbar must look before it repeats. */
export const accounting = httpSystem({
  ...impatient,
  name: 'accounting',
  label: 'Accounting',
  baseUrl: env.accountingUrl,
  idempotency: 'none',
  settle: '500ms',
})

/** Takes shipping instructions; a new revision replaces the former. Honours `Idempotency-Key`. */
export const logistics = httpSystem({
  ...impatient,
  name: 'logistics',
  label: 'Logistics',
  baseUrl: env.logisticsUrl,
  idempotency: { keyLife: '24h' },
})
