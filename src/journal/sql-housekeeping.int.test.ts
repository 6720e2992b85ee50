import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Database } from './database.ts'
import { openDatabase } from './database.ts'
import type { Journal } from './port.ts'
import { openJournal } from './sql-journal.ts'

// What is forgotten after a time, and what never is.

const url = process.env['BUSBAR_TEST_DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'
const schema = `house_${randomBytes(6).toString('hex')}`
let journal: Journal
let database: Database

beforeAll(async () => {
  database = openDatabase({ url, schema, applicationName: 'house', maxConnections: 3 })
  journal = await openJournal({ url, schema, worker: 'one', maxConnections: 3, migrate: true })
  const systems = await journal.registerSystems([{ name: 'erp', address: 'http://localhost' }])
  expect(systems.get('erp')).toBe(1)
  await journal.registerFlows([
    {
      name: 'f',
      group: 'f',
      types: ['t'],
      ord: 0,
      steps: [],
      ordering: 'arrival',
      onParked: 'hold',
      start: 'now',
    },
  ])
})

afterAll(async () => {
  await journal.close()
  await database.query({ text: `DROP SCHEMA ${schema} CASCADE` })
  await database.close()
})

// How many hours some minutes lie in hangs on when it is: rows by hour are made by the test that is about them.
beforeAll(() => run(`ALTER TABLE stats DISABLE TRIGGER stats_by_hour`))

beforeEach(async () => {
  await run(`TRUNCATE stats, stats_hours, system_minutes, run_minutes, refusals, problems, problem_times`)
  await due()
})

const run = (text: string) => database.query<Record<string, unknown>>({ text })
const due = () => run(`UPDATE housekeeping SET swept_at = '-infinity'`)

async function keepHouse(most = 10_000): Promise<number | null> {
  const [row] = await database.query<{ gone: number | null }>({
    text: 'SELECT keep_house($1::int) AS gone',
    values: [most],
  })
  return row!.gone
}

async function count(table: string): Promise<number> {
  const [row] = await run(`SELECT count(*)::int AS n FROM ${table}`)
  return row!['n'] as number
}

/** One row for each of so many minutes in each of the tables by minute, from so many days ago on. */
const minutes = (daysAgo: number, many: number) =>
  run(`WITH m AS (SELECT date_trunc('minute', clock_timestamp()) - interval '${daysAgo} days' + n * interval '1 min' AS minute
                  FROM generate_series(0, ${many - 1}) n),
       s AS (INSERT INTO stats SELECT minute, 1, 1, 'succeeded', 'w', 1, 1, 1 FROM m),
       y AS (INSERT INTO system_minutes SELECT 1, minute, 'w', 1, 0, 1, '{1}' FROM m)
       INSERT INTO run_minutes SELECT 1, minute, 'w', 1, 0 FROM m`)

const tables = ['stats', 'system_minutes', 'run_minutes']

it('forgets minutes of 35 days ago, and no younger ones', async () => {
  await minutes(36, 5)
  await minutes(34, 7)
  await minutes(0, 1)
  expect(await keepHouse()).toBe(15)
  for (const table of tables) expect(await count(table), table).toBe(8)
})

it('forgets hours of statistics once none of their minutes is kept', async () => {
  const hour = (from: string) =>
    run(
      `INSERT INTO stats_hours SELECT date_bin('1 hour', clock_timestamp() - interval '${from}', 'epoch'), 1, 1, 'succeeded', 'w', 1, 1, 1`,
    )
  await hour('35 days 3 hours')
  await hour('35 days 2 hours')
  await hour('35 days')
  await hour('0')
  expect(await keepHouse()).toBe(2)
  expect(await count('stats_hours')).toBe(2)
})

it('forgets at most so many rows of a table at a time, the oldest first', async () => {
  await minutes(40, 5)
  const [third] = await run(`SELECT (min(minute) + interval '2 min')::text AS oldest FROM stats`)
  expect(await keepHouse(2)).toBe(6)
  for (const table of tables) {
    const [row] = await run(`SELECT count(*)::int AS n, min(minute)::text AS oldest FROM ${table}`)
    expect(row, table).toEqual({ n: 3, ...third })
  }
})

it('is due once a minute', async () => {
  await minutes(40, 1)
  expect(await keepHouse()).toBe(3)
  await minutes(40, 1)
  expect(await keepHouse()).toBeNull()
})

it('is done by one process, and no other waits for it', async () => {
  await minutes(40, 3)
  const slow = new pg.Client({ connectionString: url })
  await slow.connect()
  try {
    await slow.query(`SET search_path = ${schema}; BEGIN`)
    expect((await slow.query<{ gone: number }>('SELECT keep_house(1) AS gone')).rows).toEqual([{ gone: 3 }])
    expect(await keepHouse()).toBeNull()
    await slow.query('ROLLBACK')
    expect(await keepHouse()).toBe(9)
  } finally {
    await slow.end()
  }
})

it('comes with the statistics that workers write', async () => {
  await minutes(40, 3)
  await journal.writeStats('one', [])
  for (const table of tables) expect(await count(table), table).toBe(0)
})

it('forgets refusals after 35 days', async () => {
  await run(`INSERT INTO refusals (at, source, id, type, code, seq)
             SELECT clock_timestamp() - d * interval '1 day', 's', 'i', 't', 'c', 1 FROM unnest(ARRAY[36, 34]) d`)
  expect(await keepHouse()).toBe(1)
  expect(await count('refusals')).toBe(1)
})

it('forgets a worker a week after its death with its permits, unless something is still its own', async () => {
  for (const id of ['gone', 'owner', 'late', 'live']) await journal.join(id, 60_000)
  await run(`INSERT INTO permits (system, worker, n) VALUES (1, 'gone', 3), (1, 'live', 2)`)
  await run(`UPDATE workers SET dead = true WHERE id <> 'live'`)
  await run(
    `UPDATE workers SET dead_at = clock_timestamp() - interval '8 days' WHERE id IN ('gone', 'owner')`,
  )
  await run(`UPDATE lane_groups SET owner = 'owner' WHERE grp = 'f'`)
  await keepHouse()
  expect(await run('SELECT id FROM workers ORDER BY id')).toEqual([
    { id: 'late' },
    { id: 'live' },
    { id: 'owner' },
  ])
  expect(await run('SELECT worker FROM permits')).toEqual([{ worker: 'live' }])
  expect(await journal.heartbeat('gone', 60_000)).toBe('dead')
})

it('forgets problems of one object 90 days after their end, but no cause, and nothing that a person wrote', async () => {
  const problem = (fp: string, more = `'resolved', NULL`, code = 'x') =>
    run(
      `INSERT INTO problems (fp, system, code, title, state, note) VALUES ('${fp}', 'erp', '${code}', 't', ${more})`,
    )
  await problem('expected:old')
  await problem('replay:1')
  await problem('old-link', undefined, 'link.conflict')
  await problem('expected:noted', `'resolved', 'ask Kim'`)
  await problem('expected:open', `'open', NULL`)
  await problem('system:erp')
  await problem('cause')
  await run(`ALTER TABLE problems DISABLE TRIGGER remember_problem`)
  await run(`UPDATE problems SET resolved_at = clock_timestamp() - interval '91 days'`)
  await run(`ALTER TABLE problems ENABLE TRIGGER remember_problem`)
  await problem('expected:young')
  await run(`INSERT INTO problem_times SELECT fp, clock_timestamp(), clock_timestamp() FROM problems`)
  expect(await keepHouse()).toBe(3)
  const left = ['cause', 'expected:noted', 'expected:open', 'expected:young', 'system:erp']
  expect((await run('SELECT fp FROM problems ORDER BY fp')).map(({ fp }) => fp)).toEqual(left)
  expect((await run('SELECT fp FROM problem_times ORDER BY fp')).map(({ fp }) => fp)).toEqual(left)
})
