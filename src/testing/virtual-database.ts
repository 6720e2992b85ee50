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
const idle: Database[] = []

/**
 * PGlite whose `clock_timestamp()` says what it is told: one of the same name in the journal's schema, which is searched
 * before the system's. Closing it empties it and keeps it for the next world of this process.
 */
export async function openVirtualDatabase(startedAt: number): Promise<VirtualDatabase> {
  const database = idle.pop() ?? (await openPglite({ schema }))
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
      .then(() => void idle.push(this.#database))
    return this.#closed
  }
}
