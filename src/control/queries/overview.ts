import type { Database } from '../../journal/database.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Sentence } from '../schema/common.ts'
import type { AuditPage, AuditQuery, ProblemPage, ProblemsQuery, Stats, Status } from '../schema/overview.ts'
import { count, link, say } from '../sentence.ts'
import { flowStatuses } from './flows.ts'
import { listSystems } from './systems.ts'

type OpenCounts = Status['open']

// runs_open_by_state, each state counted up to 10,000.
const openText = `
SELECT s.state, (SELECT count(*)::int FROM (SELECT FROM runs r WHERE r.state = s.state AND r.state < 10 LIMIT 10000) c) AS count
FROM unnest(ARRAY[1, 2, 3, 4]::smallint[]) AS s (state)`

/** What is true now, in words and in numbers. */
export async function status(database: Database): Promise<Status> {
  const [flows, systems, open, workers, paused] = await Promise.all([
    flowStatuses(database),
    listSystems(database),
    openCounts(database),
    database.query<{ live: number; late: number }>({
      text: `SELECT count(*) FILTER (WHERE lease_until >= clock_timestamp())::int AS live,
                    count(*) FILTER (WHERE lease_until < clock_timestamp())::int AS late
             FROM workers WHERE NOT dead`,
    }),
    database.query<{ grp: string }>({
      text: 'SELECT DISTINCT grp FROM lane_groups WHERE paused ORDER BY grp',
    }),
  ])
  const facts = {
    head: flows[0]?.head ?? 0,
    flows: flows.map(({ head: _head, oldestPendingMs: _ms, ...flow }) => flow),
    open,
    oldestPendingMs: flows.reduce<number | null>(
      (oldest, flow) =>
        flow.oldestPendingMs === null ? oldest : Math.max(oldest ?? 0, flow.oldestPendingMs),
      null,
    ),
    systems: systems.map(({ name, standing, changedAt, until }) => ({
      name,
      standing,
      since: changedAt,
      until,
    })),
    workers: workers[0] ?? { live: 0, late: 0 },
    pausedGroups: paused.map(({ grp }) => grp),
  }
  return { ...facts, ...judged(facts) }
}

async function openCounts(database: Database): Promise<OpenCounts> {
  const rows = await database.query<{ state: number; count: number }>({ text: openText })
  const of = (state: number) => rows.find((row) => row.state === state)?.count ?? 0
  return { waiting: of(1), retrying: of(2), running: of(3), parked: of(4) }
}

/** Whether anybody must do something, in a sentence. */
function judged(facts: Omit<Status, 'sentence' | 'ok'>): { ok: boolean; sentence: Sentence } {
  const { open, systems, workers, pausedGroups } = facts
  const parts: Sentence[] = []
  if (workers.live === 0 && facts.flows.length > 0) parts.push(say`no worker is live: start one`)
  if (open.parked > 0) parts.push(say`${count(open.parked, 'run', 9_999)} parked, waiting for a person`)
  for (const system of systems)
    if (system.standing !== 'connected')
      parts.push(say`${link('system', system.name)} is ${system.standing.replace('-', ' ')}`)
  for (const group of pausedGroups) parts.push(say`lane group ${link('group', group)} is paused`)
  if (parts.length === 0)
    return { ok: true, sentence: say`All is well: nothing is parked, every system is connected.` }
  return { ok: false, sentence: parts.flatMap((part, index) => (index === 0 ? part : say`; ${part}`)) }
}

/** Counters in slices of one minute, or of ten where the time is long. */
export async function stats(database: Database, query: { readonly minutes: number }): Promise<Stats> {
  const sliceMinutes = query.minutes > 360 ? 10 : 1
  const rows = await database.query<{
    at: DatabaseTime
    flow: string
    system: string
    outcome: string
    count: number
    total_ms: number
    max_ms: number
  }>({
    text: `SELECT date_bin($2::interval, t.minute, timestamptz '2000-01-01') AS at, f.name AS flow, s.name AS system, t.outcome,
                  sum(t.count)::float8 AS count, sum(t.total_ms)::float8 AS total_ms, max(t.max_ms)::int AS max_ms
           FROM stats t JOIN flows f ON f.id = t.flow JOIN systems s ON s.id = t.system
           WHERE t.minute > clock_timestamp() - make_interval(mins => $1::int)
           GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`,
    values: [query.minutes, `${sliceMinutes} minutes`],
  })
  return {
    from: new Date(Date.now() - query.minutes * 60_000).toISOString(),
    sliceMinutes,
    slices: rows.map(({ at, flow, system, outcome, count: calls, total_ms, max_ms }) => ({
      at: isoAlways(at),
      flow,
      system,
      outcome,
      count: calls,
      meanMs: total_ms / Math.max(1, calls),
      maxMs: max_ms,
    })),
  }
}

/** Problems, last seen first; open runs are counted by index, up to 10,000 each. */
export async function listProblems(database: Database, query: ProblemsQuery): Promise<ProblemPage> {
  const states = query.state === 'unresolved' ? ['open', 'acknowledged'] : [query.state]
  const rows = await database.query<
    Omit<ProblemPage['items'][number], 'firstSeen' | 'lastSeen'> & {
      first_seen: DatabaseTime
      last_seen: DatabaseTime
    }
  >({
    text: `SELECT p.fp AS fingerprint, p.system, p.code, p.title, p.state, p.first_seen, p.last_seen, p.owner, p.note,
                  (SELECT count(*)::int FROM (SELECT FROM runs r WHERE r.fp = p.fp AND r.state < 10 LIMIT 10000) c) AS open,
                  (SELECT count(*)::int FROM (SELECT FROM runs r WHERE r.fp = p.fp AND r.state = 4 LIMIT 10000) c) AS parked
           FROM problems p
           WHERE p.state = ANY ($1::text[]) AND ($2::text IS NULL OR (p.last_seen, p.fp) < (split_part($2, ' ', 1)::timestamptz, split_part($2, ' ', 2)))
           ORDER BY p.last_seen DESC, p.fp DESC LIMIT $3::int + 1`,
    values: [states, query.cursor ?? null, query.limit],
  })
  const items = rows.slice(0, query.limit).map(({ first_seen, last_seen, ...row }) => ({
    ...row,
    firstSeen: isoAlways(first_seen),
    lastSeen: isoAlways(last_seen),
  }))
  const last = rows.length > query.limit ? items.at(-1) : undefined
  return { items, next: last ? `${last.lastSeen} ${last.fingerprint}` : null }
}

/** The audit trail, newest first. */
export async function listAudit(database: Database, query: AuditQuery): Promise<AuditPage> {
  const rows = await database.query<Omit<AuditPage['items'][number], 'at'> & { at: DatabaseTime }>({
    text: `SELECT id, at, actor, verb, object, reason, before, after FROM audit
           WHERE id < $1::bigint ORDER BY id DESC LIMIT $2::int + 1`,
    values: [query.before ?? Number.MAX_SAFE_INTEGER, query.limit],
  })
  const items = rows.slice(0, query.limit).map((row) => ({ ...row, at: isoAlways(row.at) }))
  return { items, next: rows.length > query.limit ? String(items.at(-1)?.id) : null }
}
