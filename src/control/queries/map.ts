import type { Database } from '../../journal/database.ts'
import { iso, isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { MapOfFlows } from '../schema/now.ts'
import { backlogs } from './backlog.ts'
import { listFlows } from './flows.ts'
import { listSystems } from './systems.ts'
import type { NounOf } from './waiting.ts'
import { nounOfTypes } from './waiting.ts'

/** Events that are looked at for their sources, the newest ones. */
const mostLooked = 5_000

// The end of the log, a range of its primary key. $1 minutes, $2 most events.
const sourceText = `
WITH span AS (
  SELECT seq_at(clock_timestamp() - $1::int * interval '1 min') AS since, (SELECT coalesce(max(seq), 0) + 1 FROM events) AS head
), looked AS MATERIALIZED (
  SELECT e.source, e.type, e.received_at FROM events e
  WHERE e.seq >= (SELECT greatest(since, head - $2::int) FROM span) ORDER BY e.seq DESC LIMIT $2::int
)
SELECT l.source, l.type, count(*)::int AS count, max(l.received_at) AS newest_at,
       (SELECT count(*) FROM looked)::int AS looked, (SELECT head - since FROM span) AS events
FROM looked l GROUP BY l.source, l.type ORDER BY l.source, l.type LIMIT 500`

// Short ranges of primary keys: (flow, minute, worker) for runs, (minute, flow, system, outcome, worker) for attempts.
const runText = `
SELECT f.name AS flow, sum(m.finished)::int AS finished FROM flows f
JOIN run_minutes m ON m.flow = f.id AND m.minute > clock_timestamp() - ($1::int + 1) * interval '1 min'
WHERE NOT f.removed GROUP BY 1`
const callText = `
SELECT f.name AS flow, s.name AS system, sum(t.count)::int AS count, (sum(t.count) FILTER (WHERE t.outcome <> 'succeeded'))::int AS failed
FROM stats t JOIN flows f ON f.id = t.flow JOIN systems s ON s.id = t.system
WHERE t.minute > clock_timestamp() - ($1::int + 1) * interval '1 min' GROUP BY 1, 2`

interface SourceRow {
  source: string
  type: string
  count: number
  newest_at: DatabaseTime
  looked: number
  events: number
}

/** Where events come from and go to, with the rates of the last minutes. */
export async function readMap(database: Database, minutes: number, nounOf: NounOf): Promise<MapOfFlows> {
  const rate = (count: number) => Math.round((count / minutes) * 100) / 100
  const behind = await backlogs(database)
  const systems = await listSystems(database, { nounOf, behind })
  const standings = new Map(systems.map(({ name, standing }) => [name, standing]))
  const flows = await listFlows(database, behind)
  const ended = await perFlow(database, minutes)
  const calls = await callsOf(database, minutes)
  const rows = await database.query<SourceRow>({ text: sourceText, values: [minutes, mostLooked] })
  const [now] = await database.query<{ at: DatabaseTime; paused: string[] }>({
    text: 'SELECT clock_timestamp() AS at, ARRAY(SELECT DISTINCT grp FROM lane_groups WHERE paused) AS paused',
  })
  return {
    at: isoAlways(now?.at ?? null),
    minutes,
    perMinute: rate(Number(rows[0]?.events ?? 0)),
    sources: sourcesOf(rows, rate),
    flows: flows.map(({ flow: name, group, types, pending, exact, oldestPendingAt, open, deployed }) => ({
      name,
      group,
      types,
      perMinute: rate(ended.get(name) ?? 0),
      pending,
      exact,
      oldestPendingAt,
      open,
      deployed,
      paused: now?.paused.includes(group) ?? false,
      noun: nounOfTypes(types, nounOf),
    })),
    systems,
    calls: flows.flatMap(({ flow, steps }) =>
      [...new Set(steps.flatMap(({ system }) => system ?? []))].map((system) => {
        const made = calls.get(`${flow} ${system}`)
        return {
          flow,
          system,
          perMinute: rate(made?.count ?? 0),
          failedPerMinute: rate(made?.failed ?? 0),
          standing: standings.get(system) ?? 'connected',
        }
      }),
    ),
  }
}

/** What was looked at stands for all of the stretch. */
function sourcesOf(rows: readonly SourceRow[], rate: (count: number) => number): MapOfFlows['sources'] {
  const share = rows[0] ? Number(rows[0].events) / Math.max(1, rows[0].looked) : 1
  const perMinute = (count: number) => rate(count * Math.max(1, share))
  return [...Map.groupBy(rows, ({ source }) => source)].map(([source, own]) => ({
    source,
    perMinute: perMinute(own.reduce((sum, { count }) => sum + count, 0)),
    newestAt:
      own
        .map(({ newest_at }) => iso(newest_at))
        .sort()
        .at(-1) ?? null,
    types: own.map(({ type, count }) => ({ type, perMinute: perMinute(count) })),
  }))
}

async function perFlow(database: Database, minutes: number): Promise<ReadonlyMap<string, number>> {
  const rows = await database.query<{ flow: string; finished: number }>({ text: runText, values: [minutes] })
  return new Map(rows.map(({ flow, finished }) => [flow, finished]))
}

async function callsOf(
  database: Database,
  minutes: number,
): Promise<ReadonlyMap<string, { count: number; failed: number | null }>> {
  const rows = await database.query<{ flow: string; system: string; count: number; failed: number | null }>({
    text: callText,
    values: [minutes],
  })
  return new Map(rows.map((row) => [`${row.flow} ${row.system}`, row]))
}
