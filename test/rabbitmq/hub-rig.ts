/** A hub on a schema of its own, whose log a test can read and whose journal it can take away. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { pino } from 'pino'
import { z } from 'zod'
import { createHub, defineConfig, defineEvent, postgres } from '../../src/index.ts'
import type { ConsumerSource, Flow, Hub } from '../../src/index.ts'
import { databaseUrl } from '../scenario/rig.ts'

export const orderPlaced = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string(), revision: z.number().optional() }).loose(),
  key: (order) => order.number,
})

/** A message that the hub logged. */
export interface LogLine {
  readonly facts: Readonly<Record<string, unknown>>
  readonly message: string
}

export interface HubRig {
  readonly hub: Hub
  readonly lines: readonly LogLine[]
  /** `source id data` of all events, in the order of the log. */
  stored(): Promise<{ source: string; id: string; data: string; ext: string }[]>
  sql<Row extends pg.QueryResultRow>(text: string): Promise<Row[]>
  metrics(): Promise<string>
  /** From now on every append fails. */
  breakJournal(): Promise<void>
  mendJournal(): Promise<void>
  close(): Promise<void>
}

export async function startHub(options: {
  readonly sources?: readonly ConsumerSource[]
  readonly flows?: readonly Flow[]
  readonly works?: boolean
}): Promise<HubRig> {
  const schema = `rabbit_${randomBytes(6).toString('hex')}`
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2, options: `-c search_path=${schema}` })
  const lines: LogLine[] = []
  const write = (text: string) => {
    const { msg: message = '', ...facts } = JSON.parse(text) as { msg?: string }
    lines.push({ message, facts })
  }
  const log = pino({ level: 'info' }, { write })
  const config = defineConfig({
    journal: postgres({ url: databaseUrl, schema }),
    flows: options.flows ?? [],
    sources: options.sources ?? [],
    events: [orderPlaced],
    http: { port: 0, unauthenticated: true, maxBodyBytes: 65_536 },
    outbox: false,
  })
  const hub = createHub(config, {
    migrate: true,
    roles: options.works ? ['ingress', 'worker'] : ['ingress'],
    log,
  })
  await hub.start()
  return {
    hub,
    lines,
    stored: async () => {
      const text = 'SELECT source, id, data, ext::text FROM events ORDER BY seq'
      return (await pool.query<Awaited<ReturnType<HubRig['stored']>>[number]>(text)).rows
    },
    sql: async <Row extends pg.QueryResultRow>(text: string) => (await pool.query<Row>(text)).rows,
    metrics: async () => (await fetch(`${hub.url}/metrics`)).text(),
    breakJournal: async () => void (await pool.query('ALTER TABLE events RENAME TO events_away')),
    mendJournal: async () => void (await pool.query('ALTER TABLE events_away RENAME TO events')),
    async close() {
      await hub.stop()
      await pool.query(`DROP SCHEMA ${schema} CASCADE`)
      await pool.end()
    },
  }
}

/** Resolves when the condition holds; rejects after `ms`. */
export async function until(condition: () => unknown, ms = 15_000): Promise<void> {
  const deadline = performance.now() + ms
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${condition.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
