import type { Database } from '../../journal/database.ts'
import { latencyBounds } from '../../journal/port.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Histogram } from '../percentile.ts'
import type { SystemHistory } from '../schema/system.ts'
import { figuresOf } from './system-figures.ts'

/** Most slices of a picture. */
const mostSlices = 96
const lengths = [1, 2, 5, 10, 15, 30, 60, 120, 240, 480]

// A range of the primary key (system, minute, worker); counters are added by place. $3 minutes a slice.
const places = Array.from(
  { length: latencyBounds.length + 1 },
  (_, index) => `coalesce(sum(m.hist[${index + 1}]), 0)`,
)
const sliceText = `
SELECT date_bin($3::int * interval '1 min', m.minute, 'epoch') AS at, sum(m.calls)::int AS calls, sum(m.failed)::int AS failed,
       ARRAY[${places.join(', ')}]::int[] AS hist
FROM system_minutes m JOIN systems s ON s.id = m.system
WHERE s.name = $1 AND m.minute > clock_timestamp() - $2::int * interval '1 h'
GROUP BY 1 ORDER BY 1`

// The newest of each kind by system_changes_by_kind (system, kind, id), which are few.
const changeText = `
SELECT n.at, n.kind, n.reason FROM (
SELECT c.id, c.at, c.kind, c.reason
FROM systems s
CROSS JOIN unnest(ARRAY['cut-off', 'tried', 'connected', 'slowed', 'paused', 'resumed', 'maintenance']) AS k (kind)
CROSS JOIN LATERAL (
  SELECT * FROM system_changes c WHERE c.system = s.id AND c.kind = k.kind ORDER BY c.id DESC LIMIT 200
) c
WHERE s.name = $1 AND c.at > clock_timestamp() - $2::int * interval '1 h'
ORDER BY c.kind = 'tried', c.id DESC LIMIT 200 -- tries give way to what says when it was cut off
) n ORDER BY n.id DESC`

const beforeText = `
SELECT c.kind FROM systems s
CROSS JOIN unnest(ARRAY['cut-off', 'connected', 'paused', 'resumed']) AS k (kind)
CROSS JOIN LATERAL (
  SELECT * FROM system_changes c
  WHERE c.system = s.id AND c.kind = k.kind AND c.at <= clock_timestamp() - $2::int * interval '1 h' ORDER BY c.id DESC LIMIT 1
) c
WHERE s.name = $1 ORDER BY c.id DESC LIMIT 1`

interface SliceRow {
  at: DatabaseTime
  calls: number
  failed: number
  hist: Histogram
}

/** How a system stood and answered in the last hours; undefined when there is none of this name. */
export async function systemHistory(
  database: Database,
  name: string,
  hours: number,
): Promise<SystemHistory | undefined> {
  const [now] = await database.query<{ at: DatabaseTime }>({
    text: 'SELECT clock_timestamp() AS at FROM systems WHERE name = $1',
    values: [name],
  })
  if (!now) return undefined
  const sliceMinutes = lengths.find((length) => hours * 60 <= length * mostSlices) ?? 480
  const slices = await database.query<SliceRow>({ text: sliceText, values: [name, hours, sliceMinutes] })
  const changes = await database.query<{
    at: DatabaseTime
    kind: SystemHistory['changes'][number]['kind']
    reason: string | null
  }>({ text: changeText, values: [name, hours] })
  const [before] = await database.query<{ kind: string; at: DatabaseTime }>({
    text: beforeText,
    values: [name, hours],
  })
  const until = isoAlways(now.at)
  return {
    from: new Date(Date.parse(until) - hours * 3_600_000).toISOString(),
    until,
    sliceMinutes,
    slices: slices.map((row) => ({ at: isoAlways(row.at), ...figuresOf([row]) })),
    standingBefore: standingOf(before?.kind),
    changes: changes.map(({ at, kind, reason }) => ({ at: isoAlways(at), kind, reason })),
  }
}

function standingOf(kind: string | undefined): SystemHistory['standingBefore'] {
  if (kind === undefined) return null
  return kind === 'cut-off' || kind === 'paused' ? kind : 'connected'
}
