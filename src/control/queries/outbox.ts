import type { Redaction } from '../../define/redaction.ts'
import type { Database } from '../../journal/database.ts'
import type { DatabaseTime } from '../moment.ts'
import { iso, isoAlways } from '../moment.ts'
import { shownText } from '../redact.ts'
import type { Outbox, OutboxQuery, RejectedRow } from '../schema/outbox.ts'
import { maxCounted } from './open-counts.ts'

/** How the outbox stands. */
export type OutboxFacts = Pick<Outbox, 'waiting' | 'exact' | 'oldestAt' | 'oldestMs' | 'rejectedCount'>

/** How much of the data a list shows, in characters. */
const shownCharacters = 500
/** How much is read for it: what must not be shown is taken out of whole JSON, where it is not larger. */
const readCharacters = 16_384

/**
 * outbox_pkey from both ends and outbox_rejected_pkey: up to 10,001 rows are counted. Where there are more, ids are as
 * good as a count: only calls that were rolled back have left gaps.
 */
const facts = `
SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT $1::int + 1) w) AS counted,
       (SELECT count(*) FROM (SELECT FROM outbox_rejected LIMIT $1::int) r) AS rejected,
       first.id AS first, first.at, extract(epoch FROM clock_timestamp() - first.at)::float8 * 1000 AS age,
       (SELECT id FROM outbox ORDER BY id DESC LIMIT 1) AS last
FROM (SELECT) one LEFT JOIN LATERAL (SELECT id, at FROM outbox ORDER BY id LIMIT 1) first ON true`

/** What waits, how long the oldest has waited, what is set aside. Bounded, however full the outbox is. */
export async function outboxFacts(database: Database): Promise<OutboxFacts> {
  const [row] = await database.query<{
    counted: number
    rejected: number
    first: number | null
    last: number | null
    at: DatabaseTime
    age: number | null
  }>({ name: 'outbox-facts', text: facts, values: [maxCounted] })
  const counted = row?.counted ?? 0
  const exact = counted <= maxCounted
  return {
    waiting: exact ? counted : Math.max(counted, (row?.last ?? 0) - (row?.first ?? 0) + 1),
    exact,
    oldestAt: iso(row?.at ?? null),
    oldestMs: row?.age == null ? null : Math.max(0, row.age),
    rejectedCount: row?.rejected ?? 0,
  }
}

interface Row extends Omit<RejectedRow, 'publishedAt' | 'rejectedAt'> {
  readonly at: DatabaseTime
  readonly rejected_at: DatabaseTime
}

const columns = `id, source, event_id AS "eventId", type, key, at, rejected_at, code, message, fp AS problem,
  octet_length(data) AS bytes`

/** How the outbox stands, with one page of rejected rows, newest first. */
export async function readOutbox(
  database: Database,
  query: OutboxQuery,
  redaction: Redaction,
): Promise<Outbox> {
  const rows = await database.query<Row>({
    text: `SELECT ${columns}, left(data, ${readCharacters}) AS data FROM outbox_rejected
           WHERE id < $1::bigint AND ($2::text IS NULL OR type = $2) AND ($3::text IS NULL OR code = $3)
           ORDER BY id DESC LIMIT $4::int`,
    values: [
      query.cursor ?? Number.MAX_SAFE_INTEGER,
      query.type ?? null,
      query.code ?? null,
      query.limit + 1,
    ],
  })
  const items = rows.slice(0, query.limit).map((row) => {
    const rejected = rejectedOf(row)
    return { ...rejected, data: shownText(redaction, row.type, row.data).slice(0, shownCharacters) }
  })
  const last = items.at(-1)
  return {
    ...(await outboxFacts(database)),
    rejected: { items, next: rows.length > query.limit && last ? String(last.id) : null },
  }
}

/** One rejected row with all of its data as they are, not as they may be shown; undefined when there is none. */
export async function findRejected(database: Database, id: number): Promise<RejectedRow | undefined> {
  const [row] = await database.query<Row>({
    text: `SELECT ${columns}, data FROM outbox_rejected WHERE id = $1::bigint`,
    values: [id],
  })
  return row && rejectedOf(row)
}

function rejectedOf({ at, rejected_at, ...row }: Row): RejectedRow {
  return { ...row, publishedAt: isoAlways(at), rejectedAt: isoAlways(rejected_at) }
}
