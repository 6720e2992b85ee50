/** A process that tells people about problems, to be killed. */
import { createHub, defineConfig, postgres, webhookChannel } from '../../src/index.ts'

const { url, schema, receiver } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly url: string
  readonly schema: string
  readonly receiver: string
}

const hub = createHub(
  defineConfig({
    journal: postgres({ url, schema }),
    flows: [],
    http: { port: 0, unauthenticated: true },
    alerts: {
      channels: [webhookChannel({ name: 'on-call', url: receiver, secret: 'a-secret' })],
      settle: 0,
      quiet: 0,
    },
  }),
  { log: 'silent' },
)
await hub.start()
process.send?.('started')
