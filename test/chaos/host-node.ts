/**
 * A worker on a host of its own: one flow, one lane group, one system. The order `long` is a step of many requests, one
 * after the other, that a worker must leave in the middle when it has lost its lease.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createHub, defineConfig, defineFlow, httpSystem, postgres } from '../../src/index.ts'
import { orderPlaced } from '../scenario/rig.ts'

/** What it is told. */
export interface HostNodeSettings {
  readonly url: string
  readonly schema: string
  readonly target: string
  readonly leaseMs: number
}

const { url, schema, target, leaseMs } = JSON.parse(process.argv[2] ?? '{}') as HostNodeSettings
const beats = 60
const beatMs = 150

const erp = httpSystem({
  name: 'erp',
  baseUrl: target,
  timeout: '1s',
  limits: { concurrency: 8 },
  breaker: { probeDelay: '200ms', maxProbeDelay: '1s' },
})
const flow = defineFlow('to-erp', { start: 'beginning' })
  .on(orderPlaced)
  .step('book', erp, {
    retry: { first: '200ms', cap: '1s' },
    timeout: '30s',
    run: async ({ event, call }) => {
      for (let beat = 0; event.data.number === 'long' && beat < beats; beat++) {
        await call.post('/beats', event.data)
        await sleep(beatMs)
      }
      return call.post('/orders', event.data)
    },
  })
const hub = createHub(
  defineConfig({
    name: 'hosts',
    journal: postgres({ url, schema }),
    flows: [flow],
    http: { port: 0, unauthenticated: true },
  }),
  { roles: ['worker'], log: 'error', leaseMs, watchdog: true },
)
process.once('disconnect', () => process.exit(1)) // the test was killed
await hub.start()
process.send?.({ started: true })
