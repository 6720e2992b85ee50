/** The system under test, in a process of its own: the built package, one hub with three flows to three HTTP sinks. */
import { z } from 'zod'
import type * as Heap from '../src/cli/heap.ts'
import type * as Published from '../src/index.ts'

// What is published, set up as `busbar start` does it.
const published = '../dist/'
const { createHub, defineConfig, defineEvent, defineFlow, httpSystem, postgres } = (await import(
  `${published}index.js`
)) as typeof Published
const { keepHeapSmall } = (await import(`${published}cli/heap.js`)) as typeof Heap
keepHeapSmall()

const { url, schema, ports, withPaused } = JSON.parse(process.argv[2] ?? '{}') as {
  url: string
  schema: string
  ports: readonly number[]
  withPaused: boolean
}

const Order = z.object({ number: z.string(), revision: z.number(), customer: z.string(), note: z.string() })
const placed = defineEvent({ type: 'bench.order.placed', schema: Order, key: (order) => order.number })
const old = defineEvent({ type: 'bench.order.old', schema: Order, key: (order) => order.number })

const flows = ports.map((port, index) =>
  defineFlow(`flow-${index + 1}`)
    .on(placed)
    .step(
      'deliver',
      httpSystem({
        name: `sink-${index + 1}`,
        baseUrl: `http://127.0.0.1:${port}`,
        limits: { concurrency: 32 },
      }),
      { run: ({ event, call }) => call.post('/orders', event.data) },
    ),
)
const backlog = defineFlow('backlog', { start: 'beginning' })
  .on(old)
  .step('deliver', httpSystem({ name: 'backlog-sink', baseUrl: 'http://127.0.0.1:9' }), {
    run: ({ event, call }) => call.post('/orders', event.data),
  })

const hub = createHub(
  defineConfig({
    name: 'bench',
    journal: postgres({ url, schema }),
    flows: withPaused ? [...flows, backlog] : flows,
    http: { port: 0, unauthenticated: true },
  }),
  { migrate: true, log: 'error' },
)
await hub.start()
process.on('message', (message: { ask: string }) => {
  if (message.ask === 'stop') return void hub.stop().then(() => process.exit(0))
  process.send?.({ cpu: process.cpuUsage(), memory: process.memoryUsage.rss() })
})
process.send?.({ port: Number(new URL(hub.url).port) })
