import type { Database } from '../../journal/database.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Refused, RefusedPage, RefusedQuery } from '../schema/refused.ts'

/** One page of what was refused, newest first (refused_pkey); there are never more than 10,000 rows. */
export async function listRefused(database: Database, query: RefusedQuery): Promise<RefusedPage> {
  const rows = await database.query<Omit<Refused, 'at'> & { at: DatabaseTime }>({
    text: `SELECT id, at, door, code, why, source, type, event_id AS "eventId", faults, bytes, sample, times FROM refused
           WHERE id < $1::bigint AND ($2::text IS NULL OR door = $2) AND ($3::text IS NULL OR code = $3)
           ORDER BY id DESC LIMIT $4::int`,
    values: [
      query.before ?? Number.MAX_SAFE_INTEGER,
      query.door ?? null,
      query.code ?? null,
      query.limit + 1,
    ],
  })
  const [day] = await database.query<{ times: number }>({
    text: `SELECT coalesce(sum(times), 0)::bigint AS times FROM refused WHERE at > clock_timestamp() - interval '1 day'`,
    values: [],
  })
  const items = rows.slice(0, query.limit).map((row) => ({ ...row, at: isoAlways(row.at) }))
  const last = items.at(-1)
  return {
    items,
    next: rows.length > query.limit && last ? String(last.id) : null,
    lastDay: day?.times ?? 0,
  }
}
