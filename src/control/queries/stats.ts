import type { Database } from '../../journal/database.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Stats, StatsQuery } from '../schema/overview.ts'

/** Lengths of a slice, in minutes, and how many make a picture. */
const lengths = [1, 2, 5, 10, 15, 30, 60, 120]
const mostSlices = 120

// Ranges of primary keys: (hour, ...) for whole hours of long slices, (minute, ...) for the rest. $1 end or null for now,
// $2 minutes, $3 slice.
const text = `
WITH bounds AS (
  SELECT date_bin($3::int * interval '1 min', b.until - $2::int * interval '1 min', 'epoch') AS since,
         date_bin('1 hour', b.until, 'epoch') AS whole, b.until
  FROM (SELECT coalesce($1::timestamptz, clock_timestamp()) AS until) b
), span AS (
  SELECT b.since, b.until, CASE WHEN $3::int >= 60 THEN greatest(b.since, b.whole) ELSE b.since END AS whole FROM bounds b
), counted AS (
  SELECT h.hour AS at, h.flow, h.system, h.outcome, h.count, h.total_ms, h.max_ms
  FROM stats_hours h WHERE h.hour >= (SELECT since FROM span) AND h.hour < (SELECT whole FROM span)
  UNION ALL
  SELECT s.minute, s.flow, s.system, s.outcome, s.count, s.total_ms, s.max_ms
  FROM stats s WHERE s.minute >= (SELECT whole FROM span) AND s.minute < (SELECT until FROM span)
), sliced AS (
  SELECT date_bin($3::int * interval '1 min', c.at, 'epoch') AS at, c.flow, c.system, c.outcome,
         sum(c.count)::bigint AS count, sum(c.total_ms)::bigint AS total_ms, max(c.max_ms) AS max_ms
  FROM counted c GROUP BY 1, 2, 3, 4
)
SELECT span.since, c.at, f.name AS flow, y.name AS system, c.outcome, c.count, c.total_ms, c.max_ms
FROM span LEFT JOIN (sliced c JOIN flows f ON f.id = c.flow JOIN systems y ON y.id = c.system) ON true
ORDER BY c.at, f.name, y.name, c.outcome`

interface StatsRow {
  since: DatabaseTime
  at: DatabaseTime
  flow: string
  system: string
  outcome: string
  count: number
  total_ms: number
  max_ms: number
}

/** What attempts came to in a stretch of time, in at most about 120 slices of equal length; workers write every 10 s. */
export async function readStats(database: Database, query: StatsQuery): Promise<Stats> {
  const sliceMinutes = lengths.find((length) => query.minutes <= length * mostSlices) ?? 120
  const rows = await database.query<StatsRow>({
    text,
    values: [query.until ?? null, query.minutes, sliceMinutes],
  })
  return {
    from: isoAlways(rows[0]?.since ?? null),
    sliceMinutes,
    slices: rows
      .filter((row) => row.at !== null)
      .map((row) => ({
        at: isoAlways(row.at),
        flow: row.flow,
        system: row.system,
        outcome: row.outcome,
        count: row.count,
        meanMs: row.count === 0 ? 0 : Math.round((row.total_ms / row.count) * 10) / 10,
        maxMs: row.max_ms,
      })),
  }
}
