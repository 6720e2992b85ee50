import type { Database } from '../../journal/database.ts'
import { iso } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'

/** How far one partition of a flow is behind the log. */
export interface Backlog {
  readonly flow: string
  readonly group: string
  readonly part: number
  readonly position: number
  readonly head: number
  /** Matching events above the position that have no run yet; an estimate unless `exact`. */
  readonly pending: number
  readonly exact: boolean
  /** The different objects among them, each event without a key being one; estimated like `pending`. */
  readonly objects: number
  /** When the oldest of them was accepted; null: none was found within the scan. */
  readonly oldestAt: string | null
  readonly oldestMs: number | null
}

/** Most events that are looked at behind one position: beyond, the share of matching ones is taken for the rest. */
const maxScan = 2_000
/** Many flows and partitions that are behind share so many (12,000 take 17 ms), each at least so many. */
const maxScanned = 12_000
const minScan = 100

/*
 * Per flow and partition, a range of the log and a range of its runs, both on primary keys and at most so many rows long. The
 * runs of the range are fetched as a set, not looked up one by one: what has a row is not pending, although the position,
 * which is written four times a second, may stand before it.
 */
const text = `
WITH head AS MATERIALIZED (SELECT coalesce(max(seq), 0) AS seq FROM events),
most AS MATERIALIZED (
  SELECT least($1::int, greatest($2::int, $3::int / greatest(1, count(*)))) AS scan
  FROM flows f JOIN positions p ON p.flow = f.id WHERE NOT f.removed AND p.position < (SELECT h.seq FROM head h)
)
SELECT f.name AS flow, f.grp AS "group", p.part, p.position, h.seq AS head, (SELECT m.scan FROM most m) AS most,
       w.scanned, w.last, w.pending, w.objects, w.oldest_at,
       (extract(epoch FROM clock_timestamp() - w.oldest_at) * 1000)::double precision AS oldest_ms
FROM flows f
JOIN positions p ON p.flow = f.id
JOIN lane_groups g ON g.grp = f.grp AND g.part = p.part
CROSS JOIN head h
CROSS JOIN LATERAL (
  WITH stretch AS MATERIALIZED (
    SELECT e.seq, e.received_at, e.key,
           e.type = ANY (f.types) AND e.khash % g.parts = p.part AND e.seq > f.from_seq
           AND e.seq > f.type_after[array_position(f.types, e.type)] AS mine
    FROM events e WHERE e.seq > p.position AND e.seq <= h.seq ORDER BY e.seq LIMIT (SELECT m.scan FROM most m)
  ), had AS MATERIALIZED (
    SELECT r.seq FROM runs r
    WHERE r.flow = f.id AND r.seq > p.position AND r.seq <= (SELECT max(s.seq) FROM stretch s) AND r.gen = 0
  )
  SELECT count(*) AS scanned, max(s.seq) AS last,
         count(*) FILTER (WHERE s.mine AND had.seq IS NULL) AS pending,
         count(DISTINCT s.key) FILTER (WHERE s.mine AND had.seq IS NULL)
           + count(*) FILTER (WHERE s.mine AND had.seq IS NULL AND s.key IS NULL) AS objects,
         min(s.received_at) FILTER (WHERE s.mine AND had.seq IS NULL) AS oldest_at
  FROM stretch s LEFT JOIN had ON had.seq = s.seq
) w
WHERE NOT f.removed
ORDER BY f.grp, f.ord, f.name, p.part`

interface BacklogRow {
  flow: string
  group: string
  part: number
  position: number
  head: number
  most: number
  scanned: number
  last: number | null
  pending: number
  objects: number
  oldest_at: DatabaseTime
  oldest_ms: number | null
}

/** How far every flow that is in force is behind the log; one bounded scan for each. */
export async function backlogs(database: Database): Promise<Backlog[]> {
  const rows = await database.query<BacklogRow>({
    name: 'backlogs',
    text,
    values: [maxScan, minScan, maxScanned],
  })
  return rows.map((row) => ({
    flow: row.flow,
    group: row.group,
    part: row.part,
    position: row.position,
    head: row.head,
    ...estimate(row),
    oldestAt: iso(row.oldest_at),
    oldestMs: row.oldest_ms === null ? null : Math.max(0, Math.round(row.oldest_ms)),
  }))
}

/** What lies beyond the scan is taken to match as often as what was scanned. */
function estimate(row: BacklogRow): Pick<Backlog, 'pending' | 'objects' | 'exact'> {
  const { scanned, most, last, pending, objects, head } = row
  if (scanned < most || last === null || last >= head) return { pending, objects, exact: true }
  const beyond = (seen: number) => seen + Math.round((seen / scanned) * (head - last))
  return { pending: beyond(pending), objects: beyond(objects), exact: false }
}

/** Several partitions or flows taken together. */
export function together(backlogs: readonly Backlog[]): {
  readonly pending: number
  readonly exact: boolean
  readonly oldestPendingAt: string | null
  readonly oldestPendingMs: number | null
  readonly position: number
} {
  const [oldest] = backlogs
    .flatMap(({ oldestAt: at, oldestMs: ms }) => (at === null || ms === null ? [] : { at, ms }))
    .sort((one, other) => other.ms - one.ms)
  return {
    pending: backlogs.reduce((sum, { pending }) => sum + pending, 0),
    exact: backlogs.every(({ exact }) => exact),
    oldestPendingAt: oldest?.at ?? null,
    oldestPendingMs: oldest?.ms ?? null,
    position: backlogs.length === 0 ? 0 : Math.min(...backlogs.map(({ position }) => position)),
  }
}
