import { readdir, readFile } from 'node:fs/promises'
import pg from 'pg'
import { BusbarError } from '../errors.ts'
import type { Database } from './database.ts'

const folder = new URL('./sql/', import.meta.url)
/** First half of the advisory lock for creating schemas; the second is made of the schema's name. */
const lockClass = 4_285_003

/** One numbered step of the schema. */
export interface Migration {
  readonly name: string
  readonly text: () => Promise<string>
}

/** The numbered migrations that come with this version, in order. */
export async function listMigrations(): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  return names.map((name) => ({ name, text: () => readFile(new URL(name, folder), 'utf8') }))
}

/**
 * Brings the schema to this version: creates it if need be and applies what is missing, each migration in a transaction
 * of its own, forward only. Several processes may call it at once: one works, the others wait. Returns what was missing.
 * The database needs search_path set to `schema`; `query` must be able to run several statements in one text.
 */
export async function migrate(database: Database, schema: string): Promise<readonly string[]> {
  await database.query({ text: foundation(schema) })
  const missing = await missingMigrations(database)
  for (const migration of missing) await database.query({ text: await guarded(migration) })
  return missing.map((migration) => migration.name)
}

/**
 * Schema and list of migrations, under a lock: of two sessions that create the same thing at once PostgreSQL lets one
 * fail, whatever IF NOT EXISTS says. A schema that is there already needs no right to create one.
 */
function foundation(schema: string): string {
  const name = pg.escapeIdentifier(schema)
  return `DO $foundation$ BEGIN
    PERFORM pg_advisory_xact_lock(${lockClass}, hashtext(${pg.escapeLiteral(schema)}));
    IF to_regnamespace(${pg.escapeLiteral(name)}) IS NULL THEN
      CREATE SCHEMA ${name};
    END IF;
    CREATE TABLE IF NOT EXISTS ${name}.migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());
  END $foundation$`
}

/**
 * The migration as one anonymous block under a lock: does nothing when it was applied already. Its own text runs by
 * EXECUTE, so that the check and the work are one transaction in a single call.
 */
async function guarded(migration: Migration): Promise<string> {
  const body = pg.escapeLiteral(await migration.text())
  const name = pg.escapeLiteral(migration.name)
  return `DO $migration$ BEGIN
    PERFORM pg_advisory_xact_lock(('migrations'::regclass::oid::bigint << 16) | 3);
    IF NOT EXISTS (SELECT FROM migrations WHERE name = ${name}) THEN
      EXECUTE ${body};
      INSERT INTO migrations (name) VALUES (${name});
    END IF;
  END $migration$`
}

async function missingMigrations(database: Database): Promise<readonly Migration[]> {
  const done = await database.query<{ name: string }>({ text: 'SELECT name FROM migrations' })
  return (await listMigrations()).filter(({ name }) => !done.some((row) => row.name === name))
}

/** Throws `journal.not-migrated` unless every migration of this version has been applied. */
export async function checkMigrated(database: Database): Promise<void> {
  const [table] = await database.query<{ there: boolean }>({
    text: `SELECT to_regclass('migrations') IS NOT NULL AS there`,
  })
  const missing = (table?.there ? await missingMigrations(database) : await listMigrations()).map(
    (m) => m.name,
  )
  if (missing.length > 0)
    throw new BusbarError(
      'journal.not-migrated',
      `the journal lacks ${missing.length} migration(s): run "busbar migrate"`,
      {
        details: { missing },
      },
    )
}

/** Refuses a database that would not keep what it acknowledged, or that stores text in another encoding. */
export async function checkDurable(database: Database): Promise<void> {
  const [row] = await database.query<{ fsync: string; commit: string; encoding: string; version: number }>({
    text: `SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit,
                  current_setting('server_encoding') AS encoding, current_setting('server_version_num')::int AS version`,
  })
  const refuse = (why: string) => {
    throw new BusbarError('journal.not-durable', why)
  }
  if (row?.fsync !== 'on')
    refuse('the database runs with fsync = off: it may lose what busbar has accepted; switch it on')
  if (row?.commit === 'off')
    refuse('synchronous_commit is off: it may lose what busbar has accepted; switch it on')
  if (row?.encoding !== 'UTF8') refuse(`the database's encoding is ${row?.encoding}; busbar needs UTF8`)
  if ((row?.version ?? 0) < 140_000) refuse(`PostgreSQL ${row?.version} is too old; busbar needs 14 or newer`)
}
