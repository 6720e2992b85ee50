/** The system under test, in a process of its own: the built package, one hub with three flows to three HTTP sinks. */
import { z } from 'zod'
import type * as Heap from '../src/cli/heap.ts'
import type * as Published from '../src/index.ts'
import type * as Rabbitmq from '../src/rabbitmq/index.ts'
import type { HubSettings } from './child.ts'

// What is published, set up as `busbar start` does it.
const published = '../dist/'
const { createHub, defineConfig, defineEvent, defineFlow, httpSystem, postgres } = (await import(
  `${published}index.js`
)) as typeof Published
const { keepHeapSmall } = (await import(`${published}cli/heap.js`)) as typeof Heap
keepHeapSmall()

const { url, schema, ports, withPaused, workload, transport, amqpUrl, partitions, roles } = JSON.parse(
  process.argv[2] ?? '{}',
) as HubSettings
const { rabbitmq } = (await import(`${published}rabbitmq/index.js`)) as typeof Rabbitmq

const Order = z.object({ number: z.string(), revision: z.number(), customer: z.string(), note: z.string() })
const placed = defineEvent({ type: 'bench.order.placed', schema: Order, key: (order) => order.number })
const old = defineEvent({ type: 'bench.order.old', schema: Order, key: (order) => order.number })

const sinks = ports.map((port, index) =>
  httpSystem({
    name: `sink-${index + 1}`,
    baseUrl: `http://127.0.0.1:${port}`,
    limits: { concurrency: 32 },
  }),
)
const singles = sinks.map((sink, index) =>
  defineFlow(`flow-${index + 1}`, { partitions })
    .on(placed)
    .step('deliver', sink, { run: ({ event, call }) => call.post('/orders', event.data) }),
)
const flows = workload === 'process' ? [threeSteps()] : workload === 'single' ? singles.slice(0, 1) : singles

/** One flow that goes through all three, one after the other, with results that later steps need. */
function threeSteps() {
  const [sales, invoices, shipments] = sinks as [(typeof sinks)[0], (typeof sinks)[0], (typeof sinks)[0]]
  const saved = (answer: unknown) => ({ id: 4711, ok: (answer as { ok: boolean }).ok })
  return defineFlow('process', { partitions })
    .on(placed)
    .step('sale', sales, {
      run: async ({ event, call }) => saved(await call.post('/orders', event.data)),
      undo: ({ result, call }) => call.delete(`/orders/${result.id}`),
    })
    .step('invoice', invoices, {
      after: ['sale'],
      run: async ({ event, results, call }) =>
        saved(await call.post('/orders', { ...event.data, sale: results.sale.id })),
      undo: ({ result, call }) => call.delete(`/orders/${result.id}`),
    })
    .step('shipment', shipments, {
      after: ['invoice'],
      run: async ({ event, results, call }) =>
        saved(await call.post('/orders', { ...event.data, invoice: results.invoice.id })),
    })
}
const backlog = defineFlow('backlog', { start: 'beginning' })
  .on(old)
  .step('deliver', httpSystem({ name: 'backlog-sink', baseUrl: 'http://127.0.0.1:9' }), {
    run: ({ event, call }) => call.post('/orders', event.data),
  })

const hub = createHub(
  defineConfig({
    name: 'bench',
    journal: postgres({ url, schema }),
    ...(transport === 'rabbitmq' && { transport: rabbitmq({ url: amqpUrl, exchange: schema }) }),
    flows: withPaused ? [...flows, backlog] : flows,
    http: { port: 0, unauthenticated: true },
  }),
  { migrate: true, log: 'error', ...(roles && { roles }) },
)
await hub.start()
process.on('message', (message: { ask: string }) => {
  if (message.ask === 'stop') return void hub.stop().then(() => process.exit(0))
  process.send?.({ cpu: process.cpuUsage(), memory: process.memoryUsage.rss() })
})
process.send?.({ port: Number(new URL(hub.url).port) })
