/** `publish` with `{ tx }`, through the real libraries: the caller's transaction decides. */
import { drizzle } from 'drizzle-orm/node-postgres'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createHub, defineConfig, postgres, publishInTransaction } from '../../src/index.ts'
import type { Transaction } from '../../src/index.ts'
import { openOutboxRig, placed } from './outbox-rig.ts'
import type { OutboxRig, TestRelay } from './outbox-rig.ts'
import { databaseUrl } from './rig.ts'

let rig: OutboxRig
let pool: pg.Pool
let mover: TestRelay
beforeAll(async () => {
  rig = await openOutboxRig()
  mover = rig.relay()
  pool = new pg.Pool({ connectionString: databaseUrl, max: 3 })
  await rig.sql('CREATE TABLE orders (number text PRIMARY KEY)')
})
afterAll(async () => {
  await pool.end()
  await rig.close()
})

/** Opens a transaction of a library, has `work` done in it, and commits unless `work` throws. */
type Library = (
  work: (tx: Transaction, sql: (text: string) => PromiseLike<unknown>) => Promise<void>,
) => Promise<void>

const withPg: Library = async (work) => {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await work(client, (text) => client.query(text))
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

const withKysely: Library = async (work) => {
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) })
  const { CompiledQuery } = await import('kysely')
  await db.transaction().execute((trx) => work(trx, (text) => trx.executeQuery(CompiledQuery.raw(text))))
}

const withDrizzle: Library = (work) => drizzle(pool).transaction((tx) => work(tx, (text) => tx.execute(text)))

/**
 * Prisma's client is generated, and its generator fetches programs from the network. This has the shape of its interactive
 * transaction client: raw queries with positional values, `$transaction` for nested ones, no `$connect`.
 */
const withPrismaShape: Library = async (work) => {
  const client = await pool.connect()
  const $queryRawUnsafe = async (text: string, ...values: unknown[]) =>
    (await client.query<object>(text, values)).rows
  try {
    await client.query('BEGIN')
    const tx = { $queryRawUnsafe, $transaction: async () => undefined }
    await work(tx, (text) => $queryRawUnsafe(text))
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

describe.each([
  ['pg', withPg],
  ['Kysely', withKysely],
  ['Drizzle', withDrizzle],
  ['Prisma', withPrismaShape],
] as const)('with %s', (name, within) => {
  const order = (n: number) => ({ number: name, n })

  it('the event and the row of the caller commit together, in order', async () => {
    await within(async (tx, sql) => {
      await sql(`INSERT INTO ${rig.schema}.orders VALUES ('${name}')`)
      const first = await publishInTransaction(placed, order(1), {
        tx,
        schema: rig.schema,
        id: `${name}-1`,
        source: 'urn:shop',
        subject: `it's "${name}" \\ $1`,
        time: '2026-01-31T12:00:00Z',
        extensions: { sequence: '1' },
      })
      expect(first).toEqual({ id: `${name}-1` })
      await publishInTransaction(placed, order(2), { tx, schema: rig.schema })
    })
    await mover.drain()
    const events = await rig.sql<{ id: string; source: string; n: string; ext: string }>(
      `SELECT id, source, data::jsonb ->> 'n' AS n, ext FROM events WHERE key = $1 ORDER BY seq`,
      [name],
    )
    expect(events.map(({ n }) => n)).toEqual(['1', '2'])
    expect(events[0]).toMatchObject({ id: `${name}-1`, source: 'urn:shop' })
    expect(events[1]).toMatchObject({ source: 'urn:busbar:outbox' })
    expect(JSON.parse(events[0]?.ext ?? '')).toMatchObject({
      subject: `it's "${name}" \\ $1`,
      time: '2026-01-31T12:00:00Z',
      extensions: { sequence: '1' },
    })
    expect(await rig.sql('SELECT FROM orders WHERE number = $1', [name])).toHaveLength(1)
  })

  it('a rollback leaves neither', async () => {
    const failing = within(async (tx, sql) => {
      await sql(`INSERT INTO ${rig.schema}.orders VALUES ('${name}-rolled-back')`)
      await publishInTransaction(placed, { number: `${name}-rolled-back`, n: 1 }, { tx, schema: rig.schema })
      throw new Error('the caller gives up')
    })
    await expect(failing).rejects.toThrow('the caller gives up')
    expect(await rig.waiting()).toBe(0)
    expect(await rig.sql('SELECT FROM orders WHERE number = $1', [`${name}-rolled-back`])).toEqual([])
  })

  it('data that the contract refuses never reach the database, and the transaction can go on', async () => {
    await within(async (tx, sql) => {
      const wrong = publishInTransaction(placed, { number: name, n: 0.5 }, { tx, schema: rig.schema })
      await expect(wrong).rejects.toMatchObject({
        code: 'event.invalid',
        details: { faults: [{ pointer: '/data/n' }] },
      })
      await sql('SELECT 1')
    })
    expect(await rig.waiting()).toBe(0)
  })
})

describe('what is no open transaction', () => {
  const refused = (tx: unknown) =>
    publishInTransaction(placed, { number: 'X', n: 1 }, { tx: tx as Transaction, schema: rig.schema })

  it('is refused, since the event would be real at once', async () => {
    const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) })
    const client = await pool.connect()
    try {
      await expect(refused(pool)).rejects.toThrow('tx is a pool: the event would be real at once')
      await expect(refused(client)).rejects.toThrow('tx is a client without a transaction')
      await expect(refused(db)).rejects.toThrow('tx is a Kysely database')
      await expect(refused(drizzle(pool))).rejects.toThrow('tx is a Drizzle database')
      const prisma = { $queryRawUnsafe: async () => [], $connect: async () => undefined }
      await expect(refused(prisma)).rejects.toThrow('tx is a Prisma client')
      for (const nothing of [undefined, null, {}, 'tx', 7])
        await expect(refused(nothing)).rejects.toMatchObject({ code: 'config.invalid' })
      expect(await rig.waiting()).toBe(0)
    } finally {
      client.release()
    }
  })
})

describe('hub.publish with { tx }', () => {
  it('publishes with the hub’s source and schema; its relay moves the row at once', async () => {
    const journal = postgres({ url: databaseUrl, schema: rig.schema })
    const config = defineConfig({
      name: 'own',
      journal,
      flows: [],
      events: [placed],
      http: { port: 0, unauthenticated: true },
      outbox: { idle: '60s' },
    })
    await rig.sql(`UPDATE outbox_relay SET until = '-infinity'`) // the other relay is gone
    const hub = createHub(config, { log: 'silent' })
    await hub.start()
    try {
      const before = await rig.sql('SELECT FROM events')
      await withPg(async (tx) => {
        const published = await hub.publish(placed, { number: 'HUB', n: 1 }, { tx, id: 'hub-1' })
        expect(published).toEqual({ id: 'hub-1' })
      })
      // Its relay looks once in a minute, unless it knows better.
      await rig.until(async () => (await rig.sql('SELECT FROM events')).length === before.length + 1)
      expect(await rig.sql('SELECT source, key FROM events WHERE id = $1', ['hub-1'])).toEqual([
        { source: 'urn:busbar:hub:own', key: 'HUB' },
      ])
    } finally {
      await hub.stop()
    }
  })

  it('is refused where the journal is not in the caller’s database', async () => {
    const hub = createHub(defineConfig({ flows: [], events: [placed] }), { log: 'silent' })
    await withPg(async (tx) => {
      await expect(hub.publish(placed, { number: 'A', n: 1 }, { tx })).rejects.toThrow(
        'needs a journal in the PostgreSQL of that transaction',
      )
    })
  })
})
