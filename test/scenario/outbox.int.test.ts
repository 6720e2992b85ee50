import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent } from '../../src/define/event.ts'
import { outboxSettings } from '../../src/define/outbox-config.ts'
import { BusbarError } from '../../src/errors.ts'
import type { Outbox } from '../../src/journal/port-outbox.ts'
import { outboxWindow } from '../../src/journal/sql-outbox.ts'
import { openOutboxRig, placed } from './outbox-rig.ts'
import type { OutboxRig } from './outbox-rig.ts'

let rig: OutboxRig
beforeEach(async () => {
  rig = await openOutboxRig()
})
afterEach(() => rig.close())

/** Rows as an application would have written them, many at a time. */
const publishMany = (count: number, keys: number) =>
  rig.sql(
    `SELECT count(publish($1, 'K' || i % $3, jsonb_build_object('number', 'K' || i % $3, 'n', i))) FROM generate_series(1, $2::int) i`,
    [placed.type, count, keys],
  )

describe('the caller’s transaction decides', () => {
  it('nothing is published by a rollback, nor by a rollback to a savepoint; a commit publishes in the order of the calls', async () => {
    const app = await rig.application()
    const { drain, appended } = rig.relay()
    await app.query('BEGIN')
    await rig.publishIn(app, 'A', 1)
    expect(await drain()).toBe(0)
    await app.query('ROLLBACK')
    expect(await drain()).toBe(0)

    await app.query('BEGIN')
    await rig.publishIn(app, 'A', 2)
    await app.query('SAVEPOINT s')
    await rig.publishIn(app, 'A', 3)
    await app.query('ROLLBACK TO SAVEPOINT s')
    await rig.publishIn(app, 'B', 1)
    await rig.publishIn(app, 'A', 4)
    expect(await drain()).toBe(0)
    await app.query('COMMIT')
    expect(await drain()).toBe(3)
    expect(await rig.log()).toEqual(['A2', 'B1', 'A4'])
    expect(await rig.waiting()).toBe(0)
    expect(appended.map(({ seq, key }) => [seq, key])).toEqual([
      [1, 'A'],
      [2, 'B'],
      [3, 'A'],
    ])
  })

  it('what was given to publish stands in the log: id, source, sequence, attributes, and data as they were written', async () => {
    const app = await rig.application()
    const data = '{"number": "A",  "n": 1, "more": [9007199254740993, 1.50]}'
    const { rows } = await app.query<{ id: string }>(
      `SELECT ${rig.schema}.publish('shop.order.placed', 'A', $1::text, id => 'A-1', source => 'urn:shop', sequence => 7,
         attributes => '{"subject": "A", "time": "2026-01-31T12:00:00Z", "correlationid": "c-1"}') AS id`,
      [data],
    )
    expect(rows).toEqual([{ id: 'A-1' }])
    await rig.relay().drain()
    const [event] = await rig.sql<{ id: string; source: string; key: string; data: string; ext: string }>(
      'SELECT id, source, key, data, ext FROM events',
    )
    expect(event).toMatchObject({ id: 'A-1', source: 'urn:shop', key: 'A', data })
    expect(JSON.parse(event?.ext ?? '')).toEqual({
      subject: 'A',
      time: '2026-01-31T12:00:00Z',
      extensions: { correlationid: 'c-1', sequence: '7', partitionkey: 'A' },
    })
  })

  it('a faulty call ends the transaction with its reason', async () => {
    const app = await rig.application()
    const call = (args: string) => app.query(`SELECT ${rig.schema}.publish(${args})`)
    await expect(call(`NULL, 'A', '{}'`)).rejects.toThrow('busbar.publish: type must not be null')
    await expect(call(`'', 'A', '{}'`)).rejects.toThrow('type must not be empty')
    await expect(call(`'t', repeat('k', 256), '{}'`)).rejects.toThrow('key must not be longer than 255 bytes')
    await expect(call(`'t', E'a\\nb', '{}'`)).rejects.toThrow('key must not contain control characters')
    await expect(call(`'t', 'A', NULL::jsonb`)).rejects.toThrow('data must not be null')
    await expect(call(`'t', 'A', '{"a":'`)).rejects.toThrow('data is not JSON that can be stored')
    await expect(call(`'t', 'A', '{}', id => ''`)).rejects.toThrow('id must not be empty')
    await expect(call(`'t', 'A', '{}', source => NULL`)).rejects.toThrow('source must not be null')
    await expect(call(`'t', 'A', '{}', attributes => '[]'`)).rejects.toThrow(
      'attributes must be a JSON object',
    )
    await expect(call(`'t', 'A', '{}', attributes => '{"Trace": 1}'`)).rejects.toThrow(
      `attribute 'Trace' must have only lower-case letters`,
    )
    await expect(call(`'t', 'A', '{}', attributes => '{"id": "x"}'`)).rejects.toThrow(
      `attribute 'id' has an argument`,
    )
    await expect(
      call(`'t', 'A', '{}', attributes => jsonb_build_object('a', repeat('x', 9000))`),
    ).rejects.toThrow('attributes must not be larger than 8 KiB')
    await expect(call(`'t', 'A', '{}', attributes => '{"a": {}}'`)).rejects.toThrow('must be a string')
    expect(await rig.waiting()).toBe(0)
  })

  it('data may be jsonb, json or text, and a key is not needed', async () => {
    const app = await rig.application()
    for (const data of [`'{"a": 1}'::jsonb`, `json_build_object('a', 1)`, `'{"a":1}'`, `'{"a":1}'::text`])
      await app.query(`SELECT ${rig.schema}.publish('t', NULL, ${data})`)
    expect(await rig.sql('SELECT data, key FROM outbox ORDER BY id')).toEqual([
      { data: '{"a": 1}', key: null },
      { data: '{"a" : 1}', key: null },
      { data: '{"a":1}', key: null },
      { data: '{"a":1}', key: null },
    ])
  })

  it('publish waits for nobody: neither for the append lock, nor for an open transaction with the same identity', async () => {
    const [one, two, holder] = [await rig.application(), await rig.application(), await rig.application()]
    await holder.query('BEGIN')
    await holder.query(
      `SELECT pg_advisory_xact_lock(('${rig.schema}.events'::regclass::oid::bigint << 16) | 1)`,
    )
    const call = `SELECT ${rig.schema}.publish('${placed.type}', 'A', '{"number":"A","n":1}', id => 'same')`
    for (const app of [one, two]) {
      await app.query(`BEGIN; SET LOCAL statement_timeout = '2s'`)
      await app.query(call)
    }
    await one.query('COMMIT')
    await two.query('COMMIT')
    await holder.query('ROLLBACK')
    const { drain, moves } = rig.relay()
    await drain()
    expect(await rig.log()).toEqual(['A1'])
    expect(moves).toEqual([{ moved: 1, duplicates: 1, rejected: [] }])
  })
})

describe('rights', () => {
  it('a role with EXECUTE alone can publish and touch nothing; one without it cannot; a temporary table is no outbox', async () => {
    const role = `app_${randomBytes(4).toString('hex')}`
    await rig.sql(`CREATE ROLE ${role}`)
    try {
      const app = await rig.application({ role })
      await expect(rig.publishIn(app, 'A', 1)).rejects.toThrow('permission denied for schema')
      await rig.sql(`GRANT USAGE ON SCHEMA ${rig.schema} TO ${role}`)
      await expect(rig.publishIn(app, 'A', 1)).rejects.toThrow('permission denied for function publish')
      await rig.sql('SELECT grant_publish($1)', [role])
      await app.query('CREATE TEMPORARY TABLE outbox (LIKE pg_class)')
      await rig.publishIn(app, 'A', 1)
      for (const table of ['outbox', 'events', 'outbox_rejected'])
        await expect(app.query(`SELECT * FROM ${rig.schema}.${table}`)).rejects.toThrow(
          'permission denied for table',
        )
      await expect(app.query(`SELECT ${rig.schema}.grant_publish('public')`)).rejects.toThrow(
        'permission denied',
      )
      await expect(
        app.query(`SELECT ${rig.schema}.write_outbox('t', 'k', '{}', 'i', 's', NULL, NULL)`),
      ).rejects.toThrow()
      await rig.relay().drain()
      expect(await rig.log()).toEqual(['A1'])
    } finally {
      await rig.sql(`DROP OWNED BY ${role}`)
      await rig.sql(`DROP ROLE ${role}`)
    }
  })
})

describe('crashes and rivals', () => {
  it('an answer that was lost after the commit, and a call that never arrived, change nothing', async () => {
    await publishMany(20, 5)
    const real = rig.outbox()
    const faults = ['before', 'after', 'after', 'before']
    const shaky: Outbox = {
      ...real,
      async move(accepted, rejected) {
        const fault = faults.shift()
        if (fault === 'before') throw new BusbarError('journal.unavailable', 'the request was lost')
        const moved = await real.move(accepted, rejected)
        if (fault === 'after') throw new BusbarError('journal.unavailable', 'the answer was lost')
        return moved
      },
    }
    const { relay } = rig.relay({ outbox: shaky, settings: { idleMs: 5, maxBatch: 6 } })
    relay.start()
    await rig.until(async () => (await rig.waiting()) === 0)
    await relay.stop()
    expect(faults).toEqual([])
    const log = await rig.log()
    expect(log).toEqual(Array.from({ length: 20 }, (_, index) => `K${(index + 1) % 5}${index + 1}`))
  })

  it('connections that break in the middle of anything change nothing', async () => {
    await publishMany(6_000, 20)
    const { relay, errors } = rig.relay({ settings: { idleMs: 5, maxBatch: 50 } })
    relay.start()
    let broken = 0
    let next = 6_000
    await rig.until(async () => {
      const waiting = await rig.waiting()
      if (waiting > next) return false
      next = Math.max(0, waiting - Math.ceil(Math.random() * 300))
      // Where the relay is in its round is a matter of luck: reading, judging, moving, or committing.
      const ended = await rig.sql(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1',
        [`outbox-${rig.schema}`],
      )
      broken += ended.length
      return waiting === 0
    }, 60_000)
    await relay.stop()
    expect(broken).toBeGreaterThan(5)
    expect(errors.length).toBeGreaterThan(0)
    const [row] = await rig.sql(
      `SELECT count(*)::int, count(DISTINCT id)::int AS ids, count(*) FILTER (WHERE n < before)::int AS disordered
       FROM (SELECT id, n, lag(n) OVER (PARTITION BY key ORDER BY seq) AS before
             FROM (SELECT id, key, seq, (data::jsonb ->> 'n')::int AS n FROM events) e) w`,
    )
    expect(row).toEqual({ count: 6_000, ids: 6_000, disordered: 0 })
  }, 90_000)

  it('of two relays that read the same rows, one moves them and the other nothing', async () => {
    await publishMany(10, 2)
    const [one, two] = [rig.outbox(), rig.outbox()]
    const window = { after: 0, limit: 10, maxBytes: 1_000_000, maxRowBytes: 1_000_000 }
    const rows = await one.read(window)
    expect(await two.read(window)).toEqual(rows)
    const accepted = rows.map((row) => ({
      id: row.id,
      event: { ...row, id: row.eventId, khash: 1, data: row.data ?? '', ext: '{}' },
    }))
    const first = accepted.slice(0, 6)
    expect(await one.move(first, [])).toMatchObject({ prev: 0, head: 6 })
    expect(await two.move(accepted, [])).toBeUndefined()
    expect(await two.move([], [{ id: rows[0]!.id, code: 'event.invalid', message: 'gone' }])).toBeUndefined()
    expect(await rig.rejected()).toEqual([])
    expect(await two.move(accepted.slice(6), [])).toMatchObject({ prev: 6, head: 10 })
    expect(await rig.waiting()).toBe(0)
  })

  it('two relays at once beside publishers that overlap: each event once, each key in the order of its commits', async () => {
    const total = 5_000
    const keys = 25
    const blind = (): Outbox => ({ ...rig.outbox(), claim: async () => 'mine' })
    const relays = [rig.relay({ outbox: blind() }), rig.relay({ outbox: blind() })]
    for (const { relay } of relays) relay.start()
    // The row of the object is locked first, as an application that changes it does: its commits have an order then.
    await rig.sql(
      `CREATE TABLE objects AS SELECT 'K' || i AS number, 0 AS n FROM generate_series(0, ${keys - 1}) i`,
    )
    const change = async (app: pg.Client, key: number) => {
      await app.query('BEGIN')
      await app.query(
        `WITH changed AS (UPDATE ${rig.schema}.objects SET n = n + 1 WHERE number = $1 RETURNING number, n)
         SELECT ${rig.schema}.publish('${placed.type}', number, to_jsonb(changed)) FROM changed`,
        [`K${key}`],
      )
      await app.query(Math.random() < 0.05 ? 'ROLLBACK' : 'COMMIT')
    }
    const publishers = Array.from({ length: 4 }, async (_, publisher) => {
      const app = await rig.application()
      for (let index = 0; index < total / 4; index++) await change(app, (index * 7 + publisher) % keys)
    })
    await Promise.all(publishers)
    await rig.until(async () => (await rig.waiting()) === 0, 30_000)
    for (const { relay } of relays) await relay.stop()
    expect(relays.flatMap(({ errors }) => errors)).toEqual([])
    const rows = await rig.sql<{ key: string; n: number[] }>(
      `SELECT key, array_agg((data::jsonb ->> 'n')::int ORDER BY seq) AS n FROM events GROUP BY key`,
    )
    const objects = await rig.sql<{ number: string; n: number }>('SELECT number, n FROM objects')
    expect(rows).toHaveLength(keys)
    for (const { key, n } of rows) {
      const last = objects.find(({ number }) => number === key)?.n ?? -1
      expect(n, key).toEqual(Array.from({ length: last }, (_, index) => index + 1))
    }
    expect(relays.map(({ moves }) => moves.length > 0)).toEqual([true, true])
  }, 60_000)

  it('one relay works at a time, and another takes over when it has gone', async () => {
    await publishMany(3, 3)
    const [one, two] = [rig.relay(), rig.relay()]
    one.relay.start()
    await rig.until(async () => (await rig.waiting()) === 0)
    await publishMany(1, 3)
    expect(await two.relay.moveOnce()).toBe(0)
    await rig.until(async () => (await rig.waiting()) === 0)
    await one.relay.stop()
    await publishMany(1, 3)
    expect(await two.relay.moveOnce()).toBe(1)
    await two.relay.stop()
    await two.relay.stop()
  })

  it('a row that commits long after those behind it is moved all the same', async () => {
    const [slow, app] = [await rig.application(), await rig.application()]
    const { relay } = rig.relay({ settings: { idleMs: 5, maxBatch: 50 } })
    relay.start()
    await slow.query('BEGIN')
    await rig.publishIn(slow, 'SLOW', 1)
    const until = performance.now() + 2_500 // past two looks at the horizon
    let count = 0
    while (performance.now() < until) await rig.publishIn(app, 'FAST', ++count)
    await rig.until(async () => (await rig.log()).length === count)
    await slow.query('COMMIT')
    await rig.until(async () => (await rig.log()).includes('SLOW1'))
    await relay.stop()
    expect(await rig.log()).toEqual([
      ...Array.from({ length: count }, (_, index) => `FAST${index + 1}`),
      'SLOW1',
    ])
  })
})

describe('poison', () => {
  const thrower = defineEvent({
    type: 'shop.throws',
    schema: z.object({ number: z.string() }),
    key: () => {
      throw new TypeError('the contract has a fault')
    },
  })
  const stuck = defineEvent({ type: 'shop.refused-by-the-database', schema: z.unknown() })

  it('is set aside row by row with its reason, and does not stop what stands before and behind', async () => {
    const app = await rig.application()
    await rig.sql(`ALTER TABLE events ADD CHECK (type <> '${stuck.type}')`)
    const publish = (type: string, data: string, id: string) =>
      app.query(`SELECT ${rig.schema}.publish($1, 'P', $2::text, id => $3)`, [type, data, id])
    await rig.publishIn(app, 'A', 1)
    await publish(placed.type, '{"number":"P","n":"x"}', 'schema')
    await publish('shop.unknown', '{}', 'unknown')
    await rig.publishIn(app, 'A', 2)
    await publish(thrower.type, '{"number":"P"}', 'throws')
    await publish(stuck.type, '{}', 'stuck')
    await publish(placed.type, `{"number":"P","n":1,"x":"${'x'.repeat(2_000)}"}`, 'large')
    await publish(placed.type, '{"number":"P","n":1}', 'twice')
    await publish(placed.type, '{"n":1, "number":"P"}', 'twice')
    await publish(placed.type, '{"number":"P","n":2}', 'twice')
    await rig.publishIn(app, 'A', 3)
    const { drain, moves, appended } = rig.relay({
      config: { events: [placed, thrower, stuck], http: { maxBodyBytes: 1_000 } },
    })
    await drain()
    expect(await rig.log()).toEqual(['A1', 'A2', 'P1', 'A3'])
    expect(await rig.waiting()).toBe(0)
    const rejected = await rig.rejected()
    expect(rejected.map(({ type, code }) => `${type} ${code}`).sort()).toEqual([
      'shop.order.placed event.conflict',
      'shop.order.placed event.invalid',
      'shop.order.placed event.too-large',
      'shop.refused-by-the-database event.invalid',
      'shop.throws event.invalid',
      'shop.unknown event.unknown-type',
    ])
    const messages = rejected.map(({ message }) => message).join('\n')
    expect(messages).toMatch('does not pass the contract of "shop.order.placed": /data/n ')
    expect(messages).toMatch('the contract of "shop.throws" failed: TypeError: the contract has a fault')
    expect(messages).toMatch('violates check constraint')
    const problems = await rig.sql<{ fp: string; system: string; state: string }>(
      'SELECT fp, system, state FROM problems ORDER BY fp',
    )
    expect(problems).toHaveLength(6)
    expect(problems[0]).toEqual({
      fp: 'outbox:shop.order.placed:event.conflict',
      system: 'outbox',
      state: 'open',
    })
    expect(moves.flatMap((move) => move.rejected)).toHaveLength(6)
    expect(moves.reduce((sum, { duplicates }) => sum + duplicates, 0)).toBe(1)
    // What the worker of this process is handed is what the log holds.
    const stored = await rig.sql<{ seq: number; id: string }>('SELECT seq::int, id FROM events ORDER BY seq')
    expect(appended.map(({ seq, id }) => ({ seq, id }))).toEqual(stored)
  })

  it('thousands of poisoned rows in front cost their batches, no more', async () => {
    const app = await rig.application()
    await rig.sql(`SELECT count(publish('shop.unknown', 'P', '{}'::jsonb)) FROM generate_series(1, 3000) i`)
    await rig.publishIn(app, 'A', 1)
    expect(await rig.relay().drain()).toBe(3_001)
    expect(await rig.log()).toEqual(['A1'])
    expect(await rig.rejected()).toHaveLength(3_000)
    const problems = await rig.sql('SELECT FROM problems')
    expect(problems).toHaveLength(1)
  })
})

describe('scale', () => {
  it('100,000 waiting rows drain batch by batch, in order, in bounded memory, by index', async () => {
    await publishMany(100_000, 1_000)
    const window = { after: 0, limit: 500, maxBytes: 1_048_576, maxRowBytes: 1_048_576 }
    const { text, values } = outboxWindow(window)
    const plan = await rig.sql<{ 'QUERY PLAN': string }>(
      `EXPLAIN ${text.replace(/\$(\d)/g, (_, place: string) => String(values[Number(place) - 1]))}`,
    )
    const shown = plan.map((row) => row['QUERY PLAN']).join('\n')
    expect(shown).toMatch('Index Scan using outbox_pkey on outbox')
    expect(shown).not.toMatch('Seq Scan')

    const { relay, moves, errors } = rig.relay({ settings: outboxSettings(true)! })
    globalThis.gc?.()
    const before = process.memoryUsage().heapUsed
    let most = 0
    relay.start()
    await rig.until(async () => {
      most = Math.max(most, process.memoryUsage().heapUsed - before)
      return (await rig.waiting()) === 0
    }, 90_000)
    await relay.stop()
    expect(errors).toEqual([])
    expect(Math.max(...moves.map(({ moved }) => moved))).toBe(500)
    expect(moves.reduce((sum, { moved }) => sum + moved, 0)).toBe(100_000)
    expect(most).toBeLessThan(200 * 1_048_576)
    const [row] = await rig.sql<{ count: number; disordered: number }>(
      `SELECT count(*)::int, count(*) FILTER (WHERE n < before)::int AS disordered
       FROM (SELECT n, lag(n) OVER (PARTITION BY key ORDER BY seq) AS before
             FROM (SELECT key, seq, (data::jsonb ->> 'n')::int AS n FROM events) e) w`,
    )
    expect(row).toEqual({ count: 100_000, disordered: 0 })
  }, 120_000)

  it('large rows are read a few at a time, and one larger than the limit not at all', async () => {
    await rig.sql(
      `SELECT count(publish($1, 'A', jsonb_build_object('number', 'A', 'n', i, 'x', repeat('x', 400000)))) FROM generate_series(1, 6) i`,
      [placed.type],
    )
    await rig.sql(`SELECT publish($1, 'A', jsonb_build_object('x', repeat('x', 3000000)))`, [placed.type])
    const outbox = rig.outbox()
    const rows = await outbox.read({ after: 0, limit: 500, maxBytes: 1_048_576, maxRowBytes: 1_048_576 })
    expect(rows.map(({ bytes }) => bytes > 400_000)).toEqual([true, true])
    const last = await outbox.read({ after: 6, limit: 500, maxBytes: 1_048_576, maxRowBytes: 1_048_576 })
    expect(last).toMatchObject([{ data: null }])
    expect(await rig.relay().drain()).toBe(7)
    expect(await rig.log()).toHaveLength(6)
    expect(await rig.rejected()).toMatchObject([{ code: 'event.too-large' }])
  })
})
