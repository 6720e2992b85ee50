import { defineConfig, postgres } from 'busbar'
import { rabbitmq } from 'busbar/rabbitmq'
import { env } from './env.ts'
import { bookSale } from './flows.ts'

// Which part a process has is said when it starts: `busbar start --role ingress`, `--role worker,relay`, `--role console`.
export default defineConfig({
  name: 'shop-integration', // part of every idempotency key: keep it
  journal: postgres({ url: env.databaseUrl }),
  transport: rabbitmq({ url: env.amqpUrl }), // without this line, workers read the log themselves: leave the role "relay" out then
  flows: [bookSale],
  // Five seconds in which load balancers see that this process ends; the grace periods of compose.yaml and kubernetes/ are above 5 + 25 s.
  http: { host: '0.0.0.0', port: 7070, drain: '5s' },
})
