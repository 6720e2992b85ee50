import type { Database } from '../../journal/database.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Charts } from '../schema/now.ts'

/** Most slices of a picture: as many bisections of the log. */
const mostSlices = 120
const lengths = [1, 2, 3, 4, 5, 6, 10, 12, 15]

// The edges of the slices, rising, and where in the log each lies; the last is the end of the log. $1 hours, $2 minutes a slice.
const acceptedText = `
WITH edges AS (
  SELECT array_agg(at ORDER BY at) AS at FROM generate_series(
    date_bin($2::int * interval '1 min', clock_timestamp() - $1::int * interval '1 h', 'epoch') + $2::int * interval '1 min',
    clock_timestamp(), $2::int * interval '1 min') AS at
)
SELECT e.at, seqs_at(e.at) AS seqs, (SELECT coalesce(max(seq), 0) + 1 FROM events) AS head, clock_timestamp() AS now_at FROM edges e`

// Ranges of the primary keys (flow, minute, worker) and (system, minute, worker), one for each flow and system. $1 since, $2 slice.
const finishedText = `
SELECT date_bin($2::int * interval '1 min', m.minute, 'epoch') AS at, sum(m.finished)::int AS finished, sum(m.parked)::int AS parked
FROM flows f JOIN run_minutes m ON m.flow = f.id AND m.minute >= $1::timestamptz GROUP BY 1`
const failedText = `
SELECT s.name AS system, coalesce(s.settings ->> 'label', s.name) AS label,
       date_bin($2::int * interval '1 min', m.minute, 'epoch') AS at, sum(m.failed)::int AS failed
FROM systems s JOIN system_minutes m ON m.system = s.id AND m.minute >= $1::timestamptz AND m.failed > 0 GROUP BY 1, 2, 3 ORDER BY 1`

// The newest of each kind and system by system_changes_by_kind (system, kind, id).
const marksText = `
SELECT * FROM (
  SELECT c.id, c.at, s.name AS system, coalesce(s.settings ->> 'label', s.name) AS label, c.kind, c.reason
  FROM systems s CROSS JOIN unnest(ARRAY['cut-off', 'connected']) AS k (kind)
  CROSS JOIN LATERAL (
    SELECT * FROM system_changes c WHERE c.system = s.id AND c.kind = k.kind ORDER BY c.id DESC LIMIT 20
  ) c
  WHERE c.at >= $1::timestamptz ORDER BY c.id DESC LIMIT 20
) newest ORDER BY id`

/** The last hours in slices of equal length: accepted, finished, failed, and when systems were cut off. */
export async function readCharts(database: Database, hours: number): Promise<Charts> {
  const sliceMinutes = lengths.find((length) => hours * 60 <= length * mostSlices) ?? 15
  const [accepted] = await database.query<{
    at: DatabaseTime[]
    seqs: number[]
    head: number
    now_at: DatabaseTime
  }>({ name: 'accepted-slices', text: acceptedText, values: [hours, sliceMinutes] })
  const edges = (accepted?.at ?? []).map(isoAlways)
  const seqs = (accepted?.seqs ?? []).map(Number)
  const from = edges[0] ?? isoAlways(accepted?.now_at ?? null)
  const values = [from, sliceMinutes]
  const finished = await database.query<{ at: DatabaseTime; finished: number; parked: number }>({
    name: 'finished-slices',
    text: finishedText,
    values,
  })
  const ended = new Map(finished.map((row) => [isoAlways(row.at), row]))
  return {
    from,
    until: isoAlways(accepted?.now_at ?? null),
    sliceMinutes,
    slices: edges.map((at, place) => ({
      at,
      accepted: Math.max(0, (seqs[place + 1] ?? Number(accepted?.head ?? 0)) - (seqs[place] ?? 0)),
      finished: ended.get(at)?.finished ?? 0,
      parked: ended.get(at)?.parked ?? 0,
    })),
    failed: await failedBySystem(database, values, edges),
    marks: await marks(database, from),
  }
}

async function failedBySystem(
  database: Database,
  values: readonly unknown[],
  edges: readonly string[],
): Promise<Charts['failed']> {
  const rows = await database.query<{ system: string; label: string; at: DatabaseTime; failed: number }>({
    name: 'failed-slices',
    text: failedText,
    values: [...values],
  })
  const systems = Map.groupBy(rows, ({ system }) => system)
  return [...systems].map(([system, own]) => {
    const counts = new Map(own.map(({ at, failed }) => [isoAlways(at), failed]))
    return { system, label: own[0]?.label ?? system, counts: edges.map((at) => counts.get(at) ?? 0) }
  })
}

async function marks(database: Database, from: string): Promise<Charts['marks']> {
  const rows = await database.query<Omit<Charts['marks'][number], 'at'> & { at: DatabaseTime }>({
    name: 'cut-off-marks',
    text: marksText,
    values: [from],
  })
  return rows.map(({ at, system, label, kind, reason }) => ({
    at: isoAlways(at),
    system,
    label,
    kind,
    reason,
  }))
}
