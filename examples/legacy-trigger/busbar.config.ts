import { defineConfig, postgres } from '../../src/index.ts'
import { env } from './env.ts'
import { showOrder } from './flows.ts'

// The journal lives in the old program's own database, in a schema beside its tables: that is what makes one transaction of both.
export default defineConfig({
  name: 'legacy-trigger',
  journal: postgres({ url: env.databaseUrl, schema: env.journalSchema }),
  flows: [showOrder],
  http: { port: env.port, unauthenticated: true },
})
