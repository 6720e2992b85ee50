import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Database } from './database.ts'
import { openDatabase } from './database.ts'
import { checkDurable, checkMigrated, listMigrations, migrate } from './migrate.ts'

const url = process.env['BUSBAR_TEST_DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'

let schema: string
let databases: Database[]

beforeEach(() => {
  schema = `migrate_${randomBytes(6).toString('hex')}`
  databases = [1, 2, 3, 4, 5, 6].map(() =>
    openDatabase({ url, schema, applicationName: 'migrate', maxConnections: 1 }),
  )
})

afterEach(async () => {
  await databases[0]?.query({ text: `DROP SCHEMA IF EXISTS ${schema} CASCADE` })
  await Promise.all(databases.map((database) => database.close()))
})

it('several processes migrate an empty database at once, and it is migrated', async () => {
  await Promise.all(databases.map((database) => migrate(database, schema)))
  for (const database of databases) await checkMigrated(database)
})

it('says which migrations it applied, and applies none twice', async () => {
  const [database] = databases as [Database]
  expect(await migrate(database, schema)).toEqual((await listMigrations()).map(({ name }) => name))
  expect(await migrate(database, schema)).toEqual([])
})

it('refuses a database that lacks migrations and names them', async () => {
  const [database] = databases as [Database]
  const missing = (await listMigrations()).map(({ name }) => name)
  const all = { code: 'journal.not-migrated', details: { missing } }
  await expect(checkMigrated(database)).rejects.toMatchObject(all)
  await migrate(database, schema)
  await database.query({ text: 'DELETE FROM migrations WHERE name = $1', values: [missing.at(-1)] })
  const last = { code: 'journal.not-migrated', details: { missing: [missing.at(-1)] } }
  await expect(checkMigrated(database)).rejects.toMatchObject(last)
})

it('accepts a durable database and refuses one whose commits are not', async () => {
  const [database] = databases as [Database]
  await checkDurable(database)
  await database.query({ text: 'SET synchronous_commit = off' })
  await expect(checkDurable(database)).rejects.toMatchObject({ code: 'journal.not-durable' })
})
