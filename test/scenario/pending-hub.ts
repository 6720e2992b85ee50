/** A hub process that takes events in for a system that is paused, and says how much memory it holds. Started with --expose-gc. */
import { z } from 'zod'
import { createHub, defineConfig, defineEvent, defineFlow, httpSystem, postgres } from '../../src/index.ts'

const { url, schema } = JSON.parse(process.argv[2] ?? '{}') as { url: string; schema: string }
const placed = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string(), note: z.string() }),
  key: (order) => order.number,
})
const erp = httpSystem({ name: 'erp', baseUrl: 'http://127.0.0.1:9' })
const flow = defineFlow('book', { start: 'beginning' })
  .on(placed)
  .step('sale', erp, { run: ({ event, call }) => call.post('/sales', event.data) })
const hub = createHub(
  defineConfig({
    journal: postgres({ url, schema }),
    flows: [flow],
    http: { port: 0, unauthenticated: true },
  }),
  { migrate: true, log: 'silent' },
)
await hub.start()
process.on('message', () => {
  for (let round = 0; round < 3; round++) globalThis.gc?.()
  process.send?.({ heapMb: process.memoryUsage().heapUsed / 1_048_576 })
})
process.send?.({ url: hub.url })
