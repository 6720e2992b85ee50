import pg from 'pg'
import { withoutQuotedValue } from '../define/secrets.ts'
import { BusbarError } from '../errors.ts'
import type { TimelineGuard } from './timeline.ts'

/** One SQL call: a named statement is prepared once per connection. */
export interface Statement {
  readonly name?: string
  readonly text: string
  readonly values?: readonly unknown[]
}

/** A database as the journal uses it: single calls in autocommit. Rejects with `BusbarError`. */
export interface Database {
  query<Row>(statement: Statement): Promise<Row[]>
  /** Ends all connections. Safe to call twice. */
  close(): Promise<void>
}

/** How to reach a PostgreSQL. */
export interface DatabaseOptions {
  readonly url: string
  readonly schema: string
  /** Seen in `pg_stat_activity`; a takeover ends the sessions of a dead worker by it. */
  readonly applicationName: string
  readonly maxConnections: number
  /** For the hot path: no plan but by index, whatever the statistics of a young table say. */
  readonly indexPlansOnly?: boolean
  /** Called when an idle connection breaks; the pool replaces it. */
  readonly onError?: (error: Error) => void
  /** For those who keep in memory what they have read: refuses connections to another history of the database. */
  readonly guard?: TimelineGuard
}

/** SQLSTATE raised by the journal's functions when the caller's epoch has passed. */
export const leaseLost = 'BB001'

/** A pool of connections whose session settings busbar pins itself, on each connection. */
export function openDatabase(options: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: options.applicationName,
    max: options.maxConnections,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 0,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    types: { getTypeParser },
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- the pool awaits it, its types do not say so
    onConnect: async (client) => {
      await client.query(sessionSettings(options))
      await options.guard?.(client)
    },
  })
  pool.on('error', (error) => options.onError?.(error))
  let closed: Promise<void> | undefined
  return {
    async query<Row>(statement: Statement) {
      try {
        const result = await pool.query(statement as pg.QueryConfig)
        return result.rows as Row[]
      } catch (error) {
        throw asBusbarError(error)
      }
    },
    close: () => (closed ??= pool.end()),
  }
}

function sessionSettings({ schema, indexPlansOnly }: DatabaseOptions): string {
  const settings = [
    `SET search_path = ${pg.escapeIdentifier(schema)}`,
    `SET default_transaction_isolation = 'read committed'`,
    `SET synchronous_commit = on`,
    `SET timezone = 'UTC'`,
    `SET lock_timeout = '5s'`,
    `SET statement_timeout = 0`,
    `SET idle_in_transaction_session_timeout = '10s'`,
    `SET tcp_keepalives_idle = 5`,
    `SET tcp_keepalives_interval = 2`,
    `SET tcp_keepalives_count = 3`,
    `SET jit = off`,
    `SET client_min_messages = warning`,
  ]
  // A statement planned while a table was empty must not keep its sequential scan or hash join when it has grown.
  if (indexPlansOnly)
    settings.push('SET enable_seqscan = off', 'SET enable_hashjoin = off', 'SET enable_mergejoin = off')
  return settings.join('; ')
}

const int8 = 20
const parsers = pg.types

/** `int8` as a JavaScript number: seq and counts stay below 2^53. */
const getTypeParser = ((oid: number, format?: 'text' | 'binary') =>
  oid === int8
    ? Number
    : (parsers.getTypeParser as (oid: number, format?: string) => unknown)(
        oid,
        format,
      )) as typeof pg.types.getTypeParser

/** Data that the database surely refused is `event.invalid`; all else says nothing about what was stored. */
export function asBusbarError(error: unknown): BusbarError {
  const { code, message } = error as { code?: string; message?: string }
  if (code === leaseLost)
    return new BusbarError('journal.lease-lost', 'the lease of the lane group is lost', { cause: error })
  if (code === 'BB002') return new BusbarError('config.conflict', String(message), { cause: error })
  const refused = typeof code === 'string' && /^(22|23|54)/.test(code)
  return new BusbarError(
    refused ? 'event.invalid' : 'journal.unavailable',
    `the journal's database says: ${withoutQuotedValue(String(message))}`,
    {
      cause: error,
      details: { sqlState: code },
    },
  )
}
