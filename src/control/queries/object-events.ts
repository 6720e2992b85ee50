import type { Database } from '../../journal/database.ts'
import type { DatabaseTime } from '../moment.ts'

/** A name under which events speak of an object: its key, or an id that it has in a system (only events from there count). */
export interface ObjectName {
  readonly key: string
  readonly system: string | null
}

/** An event of an object, and the write of ours that it tells of, if it is an echo. */
export interface ObjectEvent {
  readonly seq: number
  readonly source: string
  readonly id: string
  readonly type: string
  readonly key: string
  readonly received_at: DatabaseTime
  readonly echo_flow: string | null
  readonly echo_seq: number
  readonly echo_gen: number
  readonly echo_step: string
  readonly echo_system: string
}

/** Most events with one external id that are looked at for those from its system. */
const maxScan = 1_000
/** Events are counted up to here. */
export const maxEvents = 1_000

// A range of events_by_key (key, seq) for each name, backwards, then the primary key of echo_verdicts for each event.
// $1 keys, $2 systems, $3 before, $4 limit.
const pageText = `
SELECT e.*, f.name AS echo_flow, v.of_seq AS echo_seq, v.gen AS echo_gen, v.step AS echo_step, v.system AS echo_system
FROM (
  SELECT e.* FROM unnest($1::text[], $2::text[]) AS o (key, system) CROSS JOIN LATERAL (
    SELECT s.* FROM (
      SELECT e.seq, e.source, e.id, e.type, e.key, e.received_at FROM events e
      WHERE e.key = o.key AND e.seq < $3::bigint ORDER BY e.seq DESC LIMIT CASE WHEN o.system IS NULL THEN $4::int ELSE ${maxScan} END
    ) s
    WHERE o.system IS NULL OR s.source = o.system OR right(s.source, length(o.system) + 1) IN ('/' || o.system, ':' || o.system)
    ORDER BY s.seq DESC LIMIT $4::int
  ) e ORDER BY e.seq DESC LIMIT $4::int
) e
LEFT JOIN echo_verdicts v ON v.seq = e.seq
LEFT JOIN flows f ON f.id = v.flow
ORDER BY e.seq DESC`

/** The newest events under these names that stand before a place in the log, newest first. */
export async function objectEvents(
  database: Database,
  {
    names,
    before,
    limit,
  }: { readonly names: readonly ObjectName[]; readonly before: number; readonly limit: number },
): Promise<ObjectEvent[]> {
  const rows = await database.query<ObjectEvent>({
    text: pageText,
    values: [names.map(({ key }) => key), names.map(({ system }) => system), before, limit],
  })
  return rows.filter(({ seq }, index) => rows[index - 1]?.seq !== seq)
}

/** How many events have this key, up to `maxEvents`, and when the first and the last of them came. */
export async function eventsInAll(
  database: Database,
  key: string,
): Promise<{ readonly events: number; readonly first_at: DatabaseTime; readonly last_at: DatabaseTime }> {
  const [row] = await database.query<{ events: number; first_at: DatabaseTime; last_at: DatabaseTime }>({
    text: `SELECT (SELECT count(*) FROM (SELECT FROM events e WHERE e.key = $1 LIMIT ${maxEvents}) c) AS events,
                  (SELECT e.received_at FROM events e WHERE e.key = $1 ORDER BY e.seq LIMIT 1) AS first_at,
                  (SELECT e.received_at FROM events e WHERE e.key = $1 ORDER BY e.seq DESC LIMIT 1) AS last_at`,
    values: [key],
  })
  return row ?? { events: 0, first_at: null, last_at: null }
}
