import type { PGlite } from '@electric-sql/pglite'
import type { Database, Statement } from '../journal/database.ts'
import { asBusbarError } from '../journal/database.ts'

/**
 * A PostgreSQL in this process, in memory, for users' flow tests: the journal's SQL as it is, without a server. It is
 * one session, so it proves nothing about concurrency: calls run one after another. Needs the package
 * `@electric-sql/pglite`, 0.5. Rejects with `BusbarError`, like the real one.
 */
export async function openPglite(options: { readonly schema?: string } = {}): Promise<Database> {
  const { PGlite } = await import('@electric-sql/pglite')
  const engine = await PGlite.create({ database: 'postgres' })
  await engine.exec(sessionSettings(options.schema ?? 'busbar'))
  return pgliteDatabase(engine)
}

function pgliteDatabase(engine: PGlite): Database {
  let closed: Promise<void> | undefined
  return {
    async query<Row>(statement: Statement) {
      try {
        const { rows } = await engine.query<Row>(statement.text, statement.values?.map(arrayLiteral))
        return rows
      } catch (error) {
        throw asBusbarError(error)
      }
    },
    close: () => (closed ??= engine.close()),
  }
}

/** As in `openDatabase`, as far as one session in one process knows them. */
function sessionSettings(schema: string): string {
  return [
    `SET search_path = "${schema.replaceAll('"', '""')}"`,
    `SET default_transaction_isolation = 'read committed'`,
    `SET timezone = 'UTC'`,
    `SET client_min_messages = warning`,
  ].join('; ')
}

function arrayLiteral(value: unknown): unknown {
  return Array.isArray(value)
    ? `{${(value as readonly (string | number | null)[]).map(arrayElement).join(',')}}`
    : value
}

/** An element of an array literal, as the `pg` driver writes it. */
function arrayElement(value: string | number | null): string {
  if (value === null) return 'NULL'
  return typeof value === 'number' ? String(value) : `"${value.replace(/["\\]/g, '\\$&')}"`
}
