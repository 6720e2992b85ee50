import type { Database } from '../../journal/database.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Histogram } from '../percentile.ts'
import { addHistograms, percentile } from '../percentile.ts'
import type { CallFigures } from '../schema/system.ts'

/** The calls of one system lately. */
export interface RecentFigures {
  readonly recent: CallFigures
  /** Calls in the fullest of the last two minutes. */
  readonly perMinute: number
}

interface MinuteRow {
  name: string
  minute: DatabaseTime
  calls: number
  failed: number
  hist: Histogram
}

// A short range of the primary key (system, minute, worker) for each system.
const recentText = `
SELECT s.name, m.minute, m.calls, m.failed, m.hist
FROM systems s
JOIN system_minutes m ON m.system = s.id AND m.minute > clock_timestamp() - interval '6 min'
WHERE $1::text IS NULL OR s.name = $1`

/** How each system answered in the last five minutes, the present one included. */
export async function recentFigures(
  database: Database,
  name: string | null = null,
): Promise<ReadonlyMap<string, RecentFigures>> {
  const rows = await database.query<MinuteRow>({ name: 'recent-calls', text: recentText, values: [name] })
  const systems = Map.groupBy(rows, (row) => row.name)
  return new Map(
    [...systems].map(([system, own]) => [system, { recent: figuresOf(own), perMinute: fullest(own) }]),
  )
}

/** No call at all. */
export const noFigures: RecentFigures = {
  recent: { calls: 0, failed: 0, p50: null, p95: null },
  perMinute: 0,
}

/** Rows together. */
export function figuresOf(rows: readonly Pick<MinuteRow, 'calls' | 'failed' | 'hist'>[]): CallFigures {
  const hist = rows.reduce<Histogram>((sum, row) => addHistograms(sum, row.hist), [])
  return {
    calls: rows.reduce((sum, { calls }) => sum + calls, 0),
    failed: rows.reduce((sum, { failed }) => sum + failed, 0),
    p50: percentile(hist, 0.5),
    p95: percentile(hist, 0.95),
  }
}

function fullest(rows: readonly MinuteRow[]): number {
  const from = Date.now() - 120_000
  const minutes = Map.groupBy(
    rows.filter(({ minute }) => Date.parse(isoAlways(minute)) >= from),
    ({ minute }) => isoAlways(minute),
  )
  return Math.max(0, ...[...minutes.values()].map((own) => own.reduce((sum, { calls }) => sum + calls, 0)))
}

// A day of the primary key for each system: 1,440 rows a worker.
const dayText = `
SELECT s.name, h.hours_ago, h.mean
FROM systems s
CROSS JOIN LATERAL (
  SELECT floor(extract(epoch FROM clock_timestamp() - m.minute) / 3600)::int AS hours_ago,
         sum(m.total_ms)::double precision / nullif(sum(m.calls), 0) AS mean
  FROM system_minutes m WHERE m.system = s.id AND m.minute > clock_timestamp() - interval '24 h' GROUP BY 1
) h
WHERE $1::text IS NULL OR s.name = $1`

/** Mean latency of each system by hour, oldest first, for 24 hours; null where there was no call. */
export async function dayOfMeans(
  database: Database,
  name: string | null = null,
): Promise<ReadonlyMap<string, readonly (number | null)[]>> {
  const rows = await database.query<{ name: string; hours_ago: number; mean: number | null }>({
    name: 'day-of-means',
    text: dayText,
    values: [name],
  })
  const days = new Map<string, (number | null)[]>()
  for (const { name: system, hours_ago, mean } of rows) {
    const day = days.get(system) ?? emptyDay()
    days.set(system, day)
    if (hours_ago >= 0 && hours_ago < 24)
      day[23 - hours_ago] = mean === null ? null : Math.round(mean * 10) / 10
  }
  return days
}

/** A day without calls. */
export function emptyDay(): (number | null)[] {
  return Array.from({ length: 24 }, () => null)
}
