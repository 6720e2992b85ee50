import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Database } from './database.ts'
import { openDatabase } from './database.ts'
import { migrate } from './migrate.ts'
import { dueText } from './sql-owner.ts'

const url = process.env['BUSBAR_TEST_DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'
const schema = `due_plan_${randomBytes(6).toString('hex')}`
const waiting = 20_000
let database: Database

beforeAll(async () => {
  database = openDatabase({ url, schema, applicationName: 'due-plan', maxConnections: 1 })
  await migrate(database, schema)
  await database.query({
    text: `INSERT INTO lanes (grp, key, khash, system, next_at)
           SELECT 'timers', n::text, n, 0, clock_timestamp() + interval '1 day' FROM generate_series(1, $1::int) n`,
    values: [waiting],
  })
  await database.query({ text: `ANALYZE lanes` })
})

afterAll(async () => {
  await database.query({ text: `DROP SCHEMA ${schema} CASCADE` })
  await database.close()
})

interface Node {
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly Plans?: readonly Node[]
}

/** Rows of all kinds that this part of a plan has looked at. */
function touched(node: Node): number {
  const own = (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops']
  return own + (node.Plans ?? []).reduce((sum, each) => sum + touched(each), 0)
}

it('looks at no lane whose time has not come, however many wait', async () => {
  const values = ['timers', 0, 1, [0], 128]
  const [row] = await database.query<{ 'QUERY PLAN': readonly { readonly Plan: Node }[] }>({
    text: `EXPLAIN (ANALYZE, FORMAT JSON) ${dueText}`,
    values,
  })
  const [explained] = row?.['QUERY PLAN'] ?? []
  expect(touched(explained!.Plan)).toBeLessThan(20)
  await database.query({ text: `UPDATE lanes SET next_at = clock_timestamp() WHERE key = '7'` })
  expect(await database.query({ text: dueText, values })).toEqual([{ key: '7' }])
})
