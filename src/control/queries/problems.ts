import type { Database } from '../../journal/database.ts'
import { explainProblem } from '../explain-problem.ts'
import { iso, isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Problem, ProblemPage, ProblemsQuery } from '../schema/problem.ts'
import { mostListedRuns } from '../schema/problem.ts'
import type { Backlog } from './backlog.ts'
import { backlogs } from './backlog.ts'
import { maxCounted } from './open-counts.ts'
import { runsForFlows } from './problem-groups.ts'
import { systemColumns, systemFacts } from './system-facts.ts'
import type { SystemColumns } from './system-facts.ts'

/*
 * Open runs are counted on runs_open_by_problem, rejected rows of the outbox on outbox_rejected_by_problem, runs that need
 * a system which is cut off on runs_open_by_system (as listProblemRuns lists them), each problem's up to $1. A rejected row needs a person as a parked run does. The
 * trend is a range of the primary key of problem_levels.
 */
const withCounts = `
SELECT p.fp AS fingerprint, p.system, p.code, problem_title(p) AS title, p.state, p.first_seen, p.since, p.last_seen, p.resolved_at, p.back_at,
       p.back_from, p.times, p.owner, p.note, p.runbook, p.ignored_until, clock_timestamp() AS now_at, needs_person(p) AS person,
       p.last_seen::text AS last_place, p.since::text AS since_place, c.open, c.parked, c.objects, c.next_at, l.trend,
       coalesce(s.settings ->> 'label', s.name, p.system) AS label,${systemColumns}
FROM chosen p
LEFT JOIN systems s ON s.name = p.system
CROSS JOIN LATERAL (
  SELECT coalesce(sum(q.open), 0)::int AS open, coalesce(sum(q.parked), 0)::int AS parked, count(*) AS objects, min(q.next_at) AS next_at
  FROM (SELECT o.grp, o.key, count(*) AS open, count(*) FILTER (WHERE o.state = 4) AS parked, min(o.next_at) FILTER (WHERE o.state = 2) AS next_at FROM (
    (SELECT r.state, r.grp, r.key, r.next_at FROM runs r WHERE r.fp = p.fp AND r.fp IS NOT NULL AND r.state < 10 LIMIT $1::int)
    UNION ALL
    (SELECT 4::smallint, 'outbox', b.id::text, NULL FROM outbox_rejected b WHERE b.fp = p.fp LIMIT $1::int)
    UNION ALL
    (SELECT r.state, r.grp, r.key, NULL FROM unnest(ARRAY[1, 2, 3]::smallint[]) AS w (state)
     JOIN runs r ON r.system = s.id AND r.state = w.state AND r.state < 10 WHERE p.fp = 'system:' || p.system LIMIT $1::int)
  ) o GROUP BY o.grp, o.key) q                             -- count(DISTINCT) sorts: three times as long
) c
CROSS JOIN LATERAL (
  SELECT coalesce(jsonb_object_agg(h.slice, h.open), '{}') AS trend
  FROM (SELECT floor(extract(epoch FROM clock_timestamp() - v.at) / 1800)::int AS slice, max(v.open) AS open
        FROM problem_levels v WHERE v.fp = p.fp AND v.at > clock_timestamp() - interval '24 h' GROUP BY 1) h
) l`

// $2 states, $3-$4 the place before (moment, fingerprint), $5 limit, $6 system, $7 owner, $8 needs a person, $9 flow.
const filter = `
  state = ANY ($2::text[]) AND ($6::text IS NULL OR p.system = $6) AND ($7::text IS NULL OR p.owner = $7)
  AND ($8::boolean IS NULL OR needs_person(p) = $8)
  AND ($9::text IS NULL OR (SELECT f.id FROM flows f WHERE f.name = $9) IN (
    SELECT r.flow FROM runs r WHERE r.fp = p.fp AND r.fp IS NOT NULL AND r.state < 10 LIMIT ${runsForFlows}))`

// problems_by_last_seen
const byLastSeen = `
WITH chosen AS MATERIALIZED (
  SELECT p.* FROM problems p WHERE ${filter} AND ($3::text IS NULL OR (p.last_seen, p.fp) < ($3::timestamptz, $4::text))
  ORDER BY p.last_seen DESC, p.fp DESC LIMIT $5::int
) ${withCounts} ORDER BY p.last_seen DESC, p.fp DESC`

// problems_by_since
const bySince = `
WITH chosen AS MATERIALIZED (
  SELECT p.* FROM problems p WHERE ${filter} AND ($3::text IS NULL OR (p.since, p.fp) > ($3::timestamptz, $4::text))
  ORDER BY p.since, p.fp LIMIT $5::int
) ${withCounts} ORDER BY p.since, p.fp`

const one = `WITH chosen AS MATERIALIZED (SELECT * FROM problems WHERE fp = $2::text) ${withCounts}`

/** Half hours of a day. */
const slices = 48

interface ProblemRow extends SystemColumns {
  fingerprint: string
  system: string
  code: string
  title: string
  state: Problem['state']
  first_seen: DatabaseTime
  since: DatabaseTime
  last_seen: DatabaseTime
  resolved_at: DatabaseTime
  back_at: DatabaseTime
  back_from: Problem['backFrom']
  times: number
  owner: string | null
  note: string | null
  runbook: string | null
  ignored_until: DatabaseTime
  label: string
  person: boolean
  last_place: string
  since_place: string
  open: number
  parked: number
  objects: number
  next_at: DatabaseTime
  trend: Readonly<Record<string, number>>
}

/**
 * One page of problems with their open runs counted by index, not stored, and how many there are of each kind; `behind`,
 * where the caller knows it already.
 */
export async function listProblems(
  database: Database,
  query: ProblemsQuery & { readonly behind?: readonly Backlog[] },
): Promise<ProblemPage> {
  const states = query.state === 'unresolved' ? ['open', 'acknowledged'] : [query.state]
  const place = query.cursor === undefined ? undefined : placeOf(query.cursor)
  const { needs } = query
  const rows = await database.query<ProblemRow>({
    ...(query.sort === 'since'
      ? { name: 'problems-by-since', text: bySince }
      : { name: 'problems-by-last-seen', text: byLastSeen }),
    values: [
      mostListedRuns,
      states,
      place?.at ?? null,
      place?.fingerprint ?? null,
      query.limit + 1,
      query.system ?? null,
      query.owner ?? null,
      needs === undefined ? null : needs === 'person',
      query.flow ?? null,
    ],
  })
  const shown = rows.slice(0, query.limit)
  const last = shown.at(-1)
  const pending = await pendingOf(database, shown, query.behind)
  return {
    items: shown.map((row) => problemOf(row, mostListedRuns, pending)),
    next: rows.length > query.limit && last ? cursorOf(last, query.sort) : null,
    counts: await countKinds(database),
  }
}

/** The problem with its open runs counted; undefined when there is none. */
export async function findProblem(database: Database, fingerprint: string): Promise<Problem | undefined> {
  const [row] = await database.query<ProblemRow>({ text: one, values: [maxCounted, fingerprint] })
  return row && problemOf(row, maxCounted, await pendingOf(database, [row]))
}

/** How many of each tab there are, each counted up to 1,000 on problems_by_last_seen. */
async function countKinds(database: Database): Promise<ProblemPage['counts']> {
  const [row] = await database.query<ProblemPage['counts']>({
    name: 'problem-kinds',
    text: `SELECT count(*) FILTER (WHERE o.person) AS person, count(*) FILTER (WHERE NOT o.person) AS busbar,
             (SELECT count(*) FROM (SELECT FROM problems WHERE state = 'acknowledged' LIMIT 1000) p) AS acknowledged,
             (SELECT count(*) FROM (SELECT FROM problems WHERE state = 'ignored' LIMIT 1000) p) AS ignored,
             (SELECT count(*) FROM (SELECT FROM problems WHERE state = 'resolved' LIMIT 1000) p) AS resolved
           FROM (SELECT needs_person(p) AS person FROM problems p WHERE p.state = 'open' LIMIT 1000) o`,
  })
  return row ?? { person: 0, busbar: 0, acknowledged: 0, ignored: 0, resolved: 0 }
}

/** What flows have not reached that begin with a system which is cut off, by system. Asked only where there is one. */
async function pendingOf(
  database: Database,
  rows: readonly ProblemRow[],
  behind?: readonly Backlog[],
): Promise<ReadonlyMap<string, number>> {
  const pending = new Map<string, number>()
  if (!rows.some((row) => isSystem(row) && row.state !== 'resolved')) return pending
  const firsts = await database.query<{ flow: string; system: string | null }>({
    text: `SELECT name AS flow, declaration #>> '{steps,0,system}' AS system FROM flows WHERE NOT removed`,
  })
  const systemOf = new Map(firsts.map(({ flow, system }) => [flow, system]))
  for (const { flow, pending: waits } of behind ?? (await backlogs(database))) {
    const system = systemOf.get(flow)
    if (system) pending.set(system, (pending.get(system) ?? 0) + waits)
  }
  return pending
}

function isSystem({ fingerprint, system }: ProblemRow): boolean {
  return fingerprint === `system:${system}`
}

function problemOf(row: ProblemRow, countedTo: number, pending: ReadonlyMap<string, number>): Problem {
  const { fingerprint, system, code, title, state, times, owner, note, runbook, person } = row
  const told = {
    ...{ fingerprint, system, code, title, state, times, owner, note, runbook, countedTo },
    open: Math.min(row.open, countedTo),
    parked: Math.min(row.parked, countedTo),
    objects: Math.min(row.objects, countedTo),
    pending: isSystem(row) && state !== 'resolved' ? (pending.get(system) ?? 0) : 0,
    systemLabel: row.label,
    firstSeen: isoAlways(row.first_seen),
    since: isoAlways(row.since),
    lastSeen: isoAlways(row.last_seen),
    resolvedAt: iso(row.resolved_at),
    backAt: iso(row.back_at),
    backFrom: row.back_from,
    ignoredUntil: iso(row.ignored_until),
    trend: Array.from({ length: slices }, (_, index) => row.trend[slices - 1 - index] ?? 0),
  }
  const facts = { nowAt: isoAlways(row.now_at), nextAt: iso(row.next_at), person, system: systemFacts(row) }
  return { ...told, ...explainProblem({ ...told, ...facts }) }
}

/** Microseconds and all, as the database writes the moment. */
function cursorOf(row: ProblemRow, sort: ProblemsQuery['sort']): string {
  const place = sort === 'since' ? row.since_place : row.last_place
  return Buffer.from(`${place} ${row.fingerprint}`).toString('base64url')
}

function placeOf(cursor: string): { at: string; fingerprint: string } {
  const [date = '', time = '', ...rest] = Buffer.from(cursor, 'base64url').toString().split(' ')
  return { at: `${date} ${time}`, fingerprint: rest.join(' ') }
}
