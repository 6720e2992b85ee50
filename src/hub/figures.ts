import type { Database } from '../journal/database.ts'
import type { JournalFigures } from '../telemetry/metrics.ts'

/** Most events counted behind a position; beyond, the distance in the log is shown, which may count events of other types. */
const maxCounted = 10_000

// Pending: per flow a scan of the log bounded by $1; of a group, the largest of its flows. Index: primary keys only.
const groupsText = `
SELECT f.grp AS "group", max(b.pending)::float8 AS pending,
       coalesce(extract(epoch FROM max(clock_timestamp() - o.received_at)), 0)::float8 AS "oldestSeconds"
FROM flows f
CROSS JOIN LATERAL (SELECT coalesce(min(p.position), f.from_seq) AS at FROM positions p WHERE p.flow = f.id) p
CROSS JOIN (SELECT coalesce(max(seq), 0) AS seq FROM events) h
CROSS JOIN LATERAL (
  SELECT CASE WHEN h.seq - p.at > $1::bigint THEN h.seq - p.at
         ELSE (SELECT count(*) FROM events e WHERE e.seq > p.at AND e.seq <= h.seq AND e.type = ANY (f.types)
               AND e.seq > f.type_after[array_position(f.types, e.type)]) END AS pending
) b
LEFT JOIN LATERAL (
  SELECT e.received_at FROM events e WHERE b.pending > 0 AND e.seq > p.at ORDER BY e.seq LIMIT 1
) o ON true
WHERE NOT f.removed GROUP BY f.grp`

const systemsText = 'SELECT name AS system, breaker FROM systems'

// runs_open_by_state
const parkedText = `
SELECT f.name AS flow, count(*)::float8 AS count FROM runs r JOIN flows f ON f.id = r.flow WHERE r.state = 4 GROUP BY f.name`

/** What the journal says for the metrics: three queries by index. */
export async function journalFigures(database: Database): Promise<JournalFigures> {
  const [groups, systems, parked] = await Promise.all([
    database.query<JournalFigures['groups'][number]>({ text: groupsText, values: [maxCounted] }),
    database.query<JournalFigures['systems'][number]>({ text: systemsText }),
    database.query<JournalFigures['parked'][number]>({ text: parkedText }),
  ])
  return { groups, systems, parked }
}
