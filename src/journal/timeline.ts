import { BusbarError } from '../errors.ts'

/** A connection as far as it is needed here: users' projects have no types of the driver. */
interface Client {
  query(text: string): Promise<{ readonly rows: readonly unknown[] }>
}

/**
 * Looks whether a new connection leads to the history of the database that the earlier ones led to. A standby that was
 * promoted, and a database restored to a moment, have a timeline of their own: where replication was asynchronous it lacks
 * the last commits, gives their numbers to other events, and would be told of outcomes and positions that are not its own.
 */
export type TimelineGuard = (client: Client) => Promise<void>

// Unlike the control file, the name of the WAL file has the new timeline from the first commit after a promotion on.
const text = `
SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline`

/** Not supported, not allowed, not in this state: services that show no WAL. They are taken for one history. */
const notTold = new Set(['0A000', '42501', '55000', '42883'])

/**
 * A guard for all connections of one identity; the first one says which history it is. Any other is refused
 * (`journal.unavailable`), and so is a standby; `onOther` is called, once, when the history has changed: what is in memory
 * is of no use from then on.
 */
export function oneTimeline(onOther: () => void): TimelineGuard {
  let first: string | undefined
  let told = false
  return async (client) => {
    const found = await timelineOf(client)
    if (found === null) throw new BusbarError('journal.unavailable', 'this PostgreSQL is a standby')
    if (found === undefined) return
    first ??= found
    if (found === first) return
    if (!told) onOther()
    told = true
    throw new BusbarError(
      'journal.unavailable',
      `the database has another history (timeline ${found}, before ${first}): a standby was promoted, or a backup restored`,
    )
  }
}

/** Null: a standby. Undefined: the server does not say. */
async function timelineOf(client: Client): Promise<string | null | undefined> {
  try {
    const { rows } = await client.query(text)
    return (rows[0] as { readonly timeline: string | null } | undefined)?.timeline
  } catch (error) {
    if (notTold.has((error as { code?: string }).code ?? '')) return undefined
    throw error
  }
}
