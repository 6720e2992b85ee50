/** The system under test, in a process of its own: the built package, with flows to the targets. */
import { z } from 'zod'
import type * as Heap from '../../../src/cli/heap.ts'
import type * as Published from '../../../src/index.ts'
import type * as Rabbitmq from '../../../src/rabbitmq/index.ts'
import { flowNames } from './hub-settings.ts'
import type { HubSettings } from './hub-settings.ts'

const settings = JSON.parse(process.argv[2] ?? '{}') as HubSettings
// What is published, set up as `busbar start` does it.
const published = settings.build ?? '../../../dist/'
const { createHub, defineConfig, defineEvent, defineFlow, embedded, httpSystem, postgres } = (await import(
  `${published}index.js`
)) as typeof Published
const { keepHeapSmall } = (await import(`${published}cli/heap.js`)) as typeof Heap
keepHeapSmall()

const { url, schema, folder, transport, amqpUrl, partitions = 1, concurrency = 32, roles } = settings
const { rabbitmq } = (await import(`${published}rabbitmq/index.js`)) as typeof Rabbitmq

const Order = z.object({ number: z.string(), revision: z.number(), customer: z.string(), note: z.string() })
const placed = defineEvent({ type: 'bench.order.placed', schema: Order, key: (order) => order.number })
const old = defineEvent({ type: 'bench.order.old', schema: Order, key: (order) => order.number })

const targets = settings.ports.map((port, index) =>
  httpSystem({
    name: `target-${index + 1}`,
    baseUrl: `http://127.0.0.1:${port}`,
    limits: { concurrency },
  }),
)
type Target = (typeof targets)[number]

const flows =
  settings.kind === 'process'
    ? [threeSteps(targets as [Target, Target, Target])]
    : flowNames(settings).map((name, index) => oneStep(name, targets[index % targets.length] as Target))

function oneStep(name: string, target: Target) {
  const path = settings.flows === undefined ? '/orders' : `/${name}`
  return defineFlow(name, { partitions })
    .on(placed)
    .step('deliver', target, { run: ({ event, call }) => call.post(path, event.data) })
}

/** One flow that goes through all three, one after the other, with results that later steps need. */
function threeSteps([sales, invoices, shipments]: readonly [Target, Target, Target]) {
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
  .step('deliver', httpSystem({ name: 'backlog-target', baseUrl: 'http://127.0.0.1:9' }), {
    run: ({ event, call }) => call.post('/orders', event.data),
  })

const hub = createHub(
  defineConfig({
    name: 'bench',
    journal: settings.journal === 'embedded' ? embedded({ folder }) : postgres({ url, schema }),
    ...(transport === 'rabbitmq' && { transport: rabbitmq({ url: amqpUrl, exchange: schema }) }),
    flows: settings.withPaused ? [...flows, backlog] : flows,
    http: { port: 0, unauthenticated: true },
  }),
  { migrate: true, log: 'error', ...(roles && { roles }) },
)
await hub.start()
process.on('message', (message: { ask: string }) => {
  if (message.ask === 'stop') void hub.stop().then(() => process.exit(0))
})
process.send?.({ port: Number(new URL(hub.url).port) })
