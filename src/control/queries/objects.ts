import type { Database, Statement } from '../../journal/database.ts'
import { runState } from '../../journal/port.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { ObjectPage, ObjectsQuery } from '../schema/object.ts'
import { objectStates } from './object-states.ts'
import { openStates } from '../state-word.ts'
import { afterPrefix } from './prefix.ts'

/** Most rows that one page looks at. */
const maxScan = 1_000

/*
 * Each answers the newest event of each object of the page, the place where a next page goes on after it, and the floor: what
 * lies at or below it was not looked at.
 */

// Keys one after another on events_by_key (key, seq), two probes each. $1 prefix, $2 after it, $3 place or null, $4 limit.
const byPrefix = `
WITH RECURSIVE keys AS (
  (SELECT e.key FROM events e WHERE e.key >= $1::text AND e.key < $1 || $2::text AND e.key > coalesce($3::text, '')
   ORDER BY e.key LIMIT 1)
  UNION ALL
  SELECT n.key FROM keys k CROSS JOIN LATERAL (
    SELECT e.key FROM events e WHERE e.key > k.key AND e.key < $1 || $2::text ORDER BY e.key LIMIT 1
  ) n
)
SELECT NULL::bigint AS floor, k.key, l.seq, l.type, l.source, l.received_at, k.key AS place
FROM (SELECT key FROM keys LIMIT $4::int) k CROSS JOIN LATERAL (
  SELECT e.seq, e.type, e.source, e.received_at FROM events e WHERE e.key = k.key ORDER BY e.seq DESC LIMIT 1
) l
ORDER BY k.key`

// The primary key of events backwards; an object stands where its newest event is, which a probe of events_by_key tells.
// $1 place, $2 limit, $3 scan.
const byTime = `
WITH scanned AS MATERIALIZED (
  SELECT e.seq, e.key, e.type, e.source, e.received_at FROM events e
  WHERE e.seq < $1::bigint ORDER BY e.seq DESC LIMIT $3::int
)
SELECT f.floor, p.*, p.seq::text AS place
FROM (SELECT CASE WHEN count(*) >= $3::int THEN min(seq) END AS floor FROM scanned) f
LEFT JOIN LATERAL (
  SELECT s.key, s.seq, s.type, s.source, s.received_at FROM scanned s
  WHERE s.key IS NOT NULL AND NOT EXISTS (SELECT FROM events n WHERE n.key = s.key AND n.seq > s.seq)
  ORDER BY s.seq DESC LIMIT $2::int
) p ON true
ORDER BY p.seq DESC`

// One range of runs_open_by_state (state, flow, seq) for each flow and state, the newest runs first; an object stands where
// its newest run of these is. $1 place, $2 limit, $3 scan, $4 states.
const byState = `
WITH scanned AS MATERIALIZED (
  SELECT r.seq FROM flows f CROSS JOIN unnest($4::smallint[]) AS w (state) CROSS JOIN LATERAL (
    SELECT r.seq FROM runs r WHERE r.state = w.state AND r.state < 10 AND r.flow = f.id AND r.seq < $1::bigint
    ORDER BY r.seq DESC LIMIT $3::int
  ) r ORDER BY r.seq DESC LIMIT $3::int
)
SELECT f.floor, p.key, l.seq, l.type, l.source, l.received_at, p.seq::text AS place
FROM (SELECT CASE WHEN count(*) >= $3::int THEN min(seq) END AS floor FROM scanned) f
LEFT JOIN LATERAL (
  SELECT e.key, max(s.seq) AS seq FROM scanned s JOIN events e ON e.seq = s.seq
  WHERE e.key IS NOT NULL GROUP BY e.key ORDER BY max(s.seq) DESC LIMIT $2::int
) p ON true
LEFT JOIN LATERAL (
  SELECT e.seq, e.type, e.source, e.received_at FROM events e WHERE e.key = p.key ORDER BY e.seq DESC LIMIT 1
) l ON true
ORDER BY p.seq DESC`

interface Row {
  readonly floor: number | null
  readonly key: string | null
  readonly seq: number
  readonly type: string
  readonly source: string
  readonly received_at: DatabaseTime
  readonly place: string
}

/**
 * One page of objects: by key where a prefix is given, else those that were seen last first, or by their newest open run; in
 * that last order an object may come again on a later page, by an older run.
 */
export async function listObjects(database: Database, query: ObjectsQuery): Promise<ObjectPage> {
  const rows = await database.query<Row>(statementOf(query))
  const found = rows.filter((row): row is Row & { key: string } => row.key !== null)
  const shown = found.slice(0, query.limit)
  const states = await objectStates(
    database,
    shown.map(({ key }) => key),
  )
  const items = shown.map(({ key, seq, type, source, received_at }) => ({
    key,
    ...(states.get(key) ?? { state: 'done' as const, open: 0 }),
    seq,
    type,
    source,
    lastSeen: isoAlways(received_at),
  }))
  const floor = rows[0]?.floor ?? null
  const more = found.length > query.limit ? shown.at(-1)?.place : floor === null ? undefined : String(floor)
  return { items, next: more === undefined ? null : Buffer.from(more).toString('base64url') }
}

const states = {
  open: openStates,
  parked: [runState.parked],
  retrying: [runState.retrying],
  waiting: [runState.waiting],
} as const

function statementOf({ prefix, state, cursor, limit }: ObjectsQuery): Statement {
  const place = cursor === undefined ? null : Buffer.from(cursor, 'base64url').toString()
  if (prefix !== undefined && prefix !== '')
    return { text: byPrefix, values: [prefix, afterPrefix, place, limit + 1] }
  const before = /^\d{1,15}$/.test(place ?? '') ? Number(place) : Number.MAX_SAFE_INTEGER
  if (state === undefined) return { text: byTime, values: [before, limit + 1, maxScan] }
  return { text: byState, values: [before, limit + 1, maxScan, states[state]] }
}
