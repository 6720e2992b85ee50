/** A workbench for the outbox: real PostgreSQL in a schema of its own, applications that publish, relays that the test drives. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { z } from 'zod'
import { defineConfig } from '../../src/define/config.ts'
import type { ConfigOptions } from '../../src/define/config.ts'
import { defineEvent } from '../../src/define/event.ts'
import { outboxSettings } from '../../src/define/outbox-config.ts'
import type { OutboxSettings } from '../../src/define/outbox-config.ts'
import { systemClock } from '../../src/engine/clock.ts'
import { OutboxRelay } from '../../src/ingress/outbox-relay.ts'
import type { OutboxMove } from '../../src/ingress/outbox-relay.ts'
import { openDatabase } from '../../src/journal/database.ts'
import type { Outbox } from '../../src/journal/port-outbox.ts'
import { sqlOutbox } from '../../src/journal/sql-outbox.ts'
import type { StoredEvent } from '../../src/journal/port.ts'
import { databaseUrl, openRig } from './rig.ts'
import type { Rig } from './rig.ts'

/** What the applications of these tests publish. */
export const placed = defineEvent({
  type: 'shop.order.placed',
  schema: z.object({ number: z.string(), n: z.number().int() }),
  key: (order) => order.number,
})

export interface TestRelay {
  readonly relay: OutboxRelay
  readonly moves: OutboxMove[]
  readonly appended: StoredEvent[]
  readonly errors: unknown[]
  /** Batch after batch until nothing is there; answers how many rows it has read. */
  readonly drain: () => Promise<number>
}

export interface OutboxRig extends Rig {
  /** An application: `begin`, `publish`, `commit` as it likes. Ended with the rig. */
  application(options?: { role?: string }): Promise<pg.Client>
  /** Its publish call: `busbar.publish(type, key, data)`. */
  publishIn(client: pg.Client, number: string, n: number, type?: string): Promise<string>
  outbox(): Outbox
  relay(options?: { outbox?: Outbox; config?: Partial<ConfigOptions>; settings?: OutboxSettings }): TestRelay
  /** The log as `A1 A2 B1`. */
  log(): Promise<string[]>
  waiting(): Promise<number>
  rejected(): Promise<{ type: string; code: string; message: string; key: string | null }[]>
}

export async function openOutboxRig(): Promise<OutboxRig> {
  const rig = await openRig()
  const clients: pg.Client[] = []
  const relays: OutboxRelay[] = []
  const databases: { close(): Promise<void> }[] = []

  const count = async (table: string) =>
    (await rig.sql<{ count: number }>(`SELECT count(*)::int FROM ${table}`))[0]?.count ?? -1

  const openOutbox = () => {
    const database = openDatabase({
      url: databaseUrl,
      schema: rig.schema,
      applicationName: `outbox-${rig.schema}`,
      maxConnections: 1,
      indexPlansOnly: true,
    })
    databases.push(database)
    return sqlOutbox(database)
  }

  return {
    ...rig,
    outbox: openOutbox,
    async application({ role } = {}) {
      const client = new pg.Client({ connectionString: databaseUrl })
      await client.connect()
      clients.push(client)
      if (role !== undefined) await client.query(`SET ROLE ${pg.escapeIdentifier(role)}`)
      return client
    },
    async publishIn(client, number, n, type = placed.type) {
      const { rows } = await client.query<{ id: string }>(
        `SELECT ${rig.schema}.publish($1, $2, $3::jsonb) AS id`,
        [type, number, JSON.stringify({ number, n })],
      )
      return rows[0]?.id ?? ''
    },
    relay({ outbox = openOutbox(), config = {}, settings } = {}) {
      const moves: OutboxMove[] = []
      const appended: StoredEvent[] = []
      const errors: unknown[] = []
      const relay = new OutboxRelay({
        outbox,
        config: defineConfig({ flows: [], events: [placed], ...config }),
        settings: settings ?? outboxSettings({ idle: '20ms' })!,
        relay: randomBytes(4).toString('hex'),
        clock: systemClock,
        onAppended: ({ events }) => appended.push(...events),
        observe: (move) => moves.push(move),
        onRejected: () => undefined,
        onError: (error) => errors.push(error),
      })
      relays.push(relay)
      return {
        relay,
        moves,
        appended,
        errors,
        async drain() {
          let total = 0
          for (let rows = await relay.moveOnce(); rows > 0; rows = await relay.moveOnce()) total += rows
          return total
        },
      }
    },
    log: async () =>
      (
        await rig.sql<{ name: string }>(
          `SELECT data::jsonb ->> 'number' || (data::jsonb ->> 'n') AS name FROM events ORDER BY seq`,
        )
      ).map(({ name }) => name),
    waiting: () => count('outbox'),
    rejected: () => rig.sql('SELECT type, code, message, key FROM outbox_rejected ORDER BY id'),
    async close() {
      for (const relay of relays) await relay.stop()
      for (const client of clients) await client.end()
      for (const database of databases) await database.close()
      await rig.close()
    },
  }
}
