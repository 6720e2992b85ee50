import { BusbarError } from '../errors.ts'
import type { Database, Statement } from '../journal/database.ts'
import { openPglite } from './pglite.ts'

/** A database in memory whose clock is the world's. */
export interface VirtualDatabase extends Database {
  /** Queries under way. */
  readonly busy: boolean
  /** Sets its clock, milliseconds since 1970. */
  setTime(at: number): Promise<void>
}

const schema = 'busbar'
/** Engines of worlds that have ended: starting one takes a second or two, emptying one a few milliseconds. */
const idle = new Map<Database, NodeJS.Timeout>()
/** An engine keeps the process alive for ten seconds after its last query, by a timer that cannot be had; so it is closed when no world takes it. */
const maxIdleMs = 500

function keep(database: Database): void {
  const close = () => {
    idle.delete(database)
    void database.close().catch(() => undefined) // it is in memory, and nobody's
  }
  idle.set(database, setTimeout(close, maxIdleMs).unref())
}

function takeIdle(): Database | undefined {
  const [[database, timer] = []] = idle
  clearTimeout(timer)
  if (database) idle.delete(database)
  return database
}

/**
 * PGlite whose `clock_timestamp()` says what it is told: one of the same name in the journal's schema, which is searched
 * before the system's. Closing it empties it and keeps it for a moment, for the next world of this process.
 */
export async function openVirtualDatabase(startedAt: number): Promise<VirtualDatabase> {
  const database = takeIdle() ?? (await openPglite({ schema }))
  const virtual = new CountingDatabase(database)
  await virtual.setTime(startedAt)
  await database.query({ text: `CREATE SCHEMA ${schema}` })
  await database.query({ text: `SET search_path = ${schema}, pg_catalog` })
  await database.query({
    text: `CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
           AS $$ SELECT to_timestamp(current_setting('busbar.now')::float8) $$`,
  })
  return virtual
}

/** Knows how many of its queries are under way. */
class CountingDatabase implements VirtualDatabase {
  readonly #database: Database
  #underWay = 0
  #closed: Promise<void> | undefined

  constructor(database: Database) {
    this.#database = database
  }

  get busy(): boolean {
    return this.#underWay > 0
  }

  async query<Row>(statement: Statement): Promise<Row[]> {
    if (this.#closed) throw new BusbarError('journal.unavailable', 'the world has ended')
    this.#underWay++
    try {
      return await this.#database.query<Row>(statement)
    } finally {
      this.#underWay--
    }
  }

  async setTime(at: number): Promise<void> {
    await this.#database.query({
      text: `SELECT set_config('busbar.now', $1, false)`,
      values: [String(at / 1_000)],
    })
  }

  close(): Promise<void> {
    this.#closed ??= this.#database
      .query({ text: `DROP SCHEMA ${schema} CASCADE` })
      .then(() => keep(this.#database))
    return this.#closed
  }
}
