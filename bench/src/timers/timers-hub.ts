/** A hub with one flow that waits for thirty days between two calls, in a process of its own. */
import { z } from 'zod'
import { createHub, defineConfig, defineEvent, defineFlow, httpSystem, postgres } from '../../../src/index.ts'

const { url, schema, target } = JSON.parse(process.argv[2] ?? '{}') as {
  url: string
  schema: string
  target: string
}
const placed = defineEvent({
  type: 'timers.order.placed',
  schema: z.object({ number: z.string() }),
  key: (order) => order.number,
})
const shop = httpSystem({ name: 'shop', baseUrl: target })
const remind = defineFlow('remind', { start: 'beginning' })
  .on(placed)
  .step('sale', shop, { run: ({ event, call }) => call.post('/sales', event.data) })
  .wait('cool-off', { for: '30d', after: ['sale'] })
  .step('reminder', shop, {
    after: ['cool-off'],
    run: ({ event, call }) => call.post('/reminders', event.data),
  })

const hub = createHub(
  defineConfig({
    name: 'timers',
    journal: postgres({ url, schema }),
    flows: [remind],
    http: { port: 0, unauthenticated: true },
  }),
  { migrate: true, log: 'error' },
)
await hub.start()
process.on('message', (message: { ask: string }) => {
  if (message.ask === 'stop') return void hub.stop().then(() => process.exit(0))
  globalThis.gc?.()
  process.send?.({ cpu: process.cpuUsage(), memory: process.memoryUsage() })
})
process.send?.({ started: true })
