/** One busbar process in a role, for tests that restart and kill processes: it ends as `busbar start` does. */
import { z } from 'zod'
import { createHub, defineConfig, defineEvent, defineFlow, httpSystem, postgres } from '../../src/index.ts'
import type { LogLevel } from '../../src/telemetry/log.ts'
import type { FlowOptions, RoleName, SystemLimits } from '../../src/index.ts'
import { rabbitmq } from '../../src/rabbitmq/index.ts'

/** What a node is told. */
export interface NodeSettings {
  readonly url: string
  readonly schema: string
  readonly port: number
  readonly roles: readonly RoleName[]
  /** Where the target system listens. */
  readonly target: string
  /** Each flow is a lane group of its own. */
  readonly flows: number
  readonly partitions?: FlowOptions['partitions']
  /** A RabbitMQ that carries the events. */
  readonly broker?: string
  readonly limits?: SystemLimits
  readonly leaseMs: number
  readonly drainMs: number
  /** Default `error`. */
  readonly log?: LogLevel
}

const settings = JSON.parse(process.argv[2] ?? '{}') as NodeSettings
const placed = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string(), revision: z.number() }),
  key: (order) => order.number,
})
const erp = httpSystem({
  name: 'erp',
  baseUrl: settings.target,
  timeout: '2s',
  settle: '500ms',
  breaker: { probeDelay: '500ms', maxProbeDelay: '1s' },
  ...(settings.limits && { limits: settings.limits }),
})
const flows = Array.from({ length: settings.flows }, (_, nth) =>
  defineFlow(`book-${nth}`, {
    start: 'beginning',
    ...(settings.partitions !== undefined && { partitions: settings.partitions }),
  })
    .on(placed)
    .step('sale', erp, {
      retry: { first: '200ms', cap: '1s' },
      run: ({ event, call }) => call.post(`/${nth}`, event.data),
    }),
)
const hub = createHub(
  defineConfig({
    journal: postgres({ url: settings.url, schema: settings.schema }),
    ...(settings.broker !== undefined && { transport: rabbitmq({ url: settings.broker }) }),
    flows,
    http: { port: settings.port, unauthenticated: true },
  }),
  { roles: settings.roles, migrate: true, log: settings.log ?? 'error', leaseMs: settings.leaseMs },
)
process.once(
  'SIGTERM',
  () => void hub.stop({ drainMs: settings.drainMs, graceMs: 10_000 }).then(() => process.exit(0)),
)
process.once('disconnect', () => process.exit(1)) // the test was killed
await hub.start()
process.send?.({ started: true })
