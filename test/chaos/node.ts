/** One busbar process under chaos: a hub whose roles, port and targets come as an argument. Ends by SIGTERM, or by being killed. */
import { z } from 'zod'
import { createHub, defineConfig, defineEvent, defineFlow, httpSystem, postgres } from '../../src/index.ts'
import type { FlowOptions, Role } from '../../src/index.ts'
import { rabbitmq } from '../../src/rabbitmq/index.ts'
import { dealFlows } from './deals.ts'

/** What a node is told. */
export interface NodeSettings {
  readonly url: string
  readonly port: number
  readonly roles: readonly Role[]
  readonly sinks: readonly string[]
  readonly leaseMs: number
  /** URL of a RabbitMQ that carries the events; without it workers read the log. */
  readonly broker?: string
  /** Whether some flows have several partitions. */
  readonly partitioned?: boolean
}

const settings = JSON.parse(process.argv[2] ?? '{}') as NodeSettings

const placed = defineEvent({
  type: 'chaos.order.placed',
  schema: z.object({ number: z.string(), revision: z.number(), note: z.string() }),
  key: (order) => order.number,
})

/** Only asks whether a door is open: nobody subscribes to it. */
const probe = defineEvent({ type: 'chaos.probe', schema: z.object({}), key: () => 'probe' })

const common = {
  headers: { 'x-chaos-pid': String(process.pid) },
  timeout: '1s',
  limits: { concurrency: 16 },
  breaker: { probeDelay: '200ms', maxProbeDelay: '1s' },
} as const
const retry = { first: '200ms', cap: '2s' } as const
const [keyedUrl = '', otherUrl = '', forgetfulUrl = '', ...dealUrls] = settings.sinks
const keyed = httpSystem({ ...common, name: 'keyed', baseUrl: keyedUrl })
const other = httpSystem({ ...common, name: 'other', baseUrl: otherUrl })
const forgetful = httpSystem({
  ...common,
  name: 'forgetful',
  baseUrl: forgetfulUrl,
  idempotency: 'none',
  settle: '500ms',
})

const partitions = (n: NonNullable<FlowOptions['partitions']>) =>
  settings.partitioned ? ({ partitions: n } as const) : {}
const flows = [
  defineFlow('to-keyed', { start: 'beginning', ...partitions(4) })
    .on(placed)
    .step('deliver', keyed, { retry, run: ({ event, call }) => call.post('/orders', event.data) }),
  defineFlow('to-other', { start: 'beginning' })
    .on(placed)
    .step('deliver', other, { retry, run: ({ event, call }) => call.post('/orders', event.data) }),
  defineFlow('to-forgetful', { start: 'beginning', ...partitions(2) })
    .on(placed)
    .step('deliver', forgetful, {
      retry,
      run: ({ event, call }) => call.post('/orders', { ...event.data, reference: event.id }),
      find: ({ event, call }) => call.find('/orders', { reference: event.id }),
    }),
  ...dealFlows({ common, retry, urls: dealUrls, ...partitions(2) }),
]

const hub = createHub(
  defineConfig({
    name: 'chaos',
    journal: postgres({ url: settings.url }),
    flows,
    events: [probe],
    ...(settings.broker !== undefined && { transport: rabbitmq({ url: settings.broker }) }),
    http: { port: settings.port, unauthenticated: true },
  }),
  { roles: settings.roles, migrate: true, log: 'error', leaseMs: settings.leaseMs, watchdog: true },
)
process.once('disconnect', () => process.exit(1)) // the run was killed
process.once('SIGTERM', () => void hub.stop({ graceMs: 5_000 }).then(() => process.exit(0)))
try {
  await hub.start()
  process.send?.({ started: true })
} catch (error) {
  process.send?.({ failed: error instanceof Error ? error.message : String(error) })
  process.exit(75) // not now: the database is away
}
