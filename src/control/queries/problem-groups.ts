import type { Database } from '../../journal/database.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { ProblemGroupsQuery, ProblemGroups } from '../schema/problem.ts'

/** Problems that are gathered, those that were seen last. */
const mostProblems = 500
/** Open runs of each problem that are looked at for their flows. */
export const runsForFlows = 200

// Problems on problems_by_last_seen, their runs on runs_open_by_problem. $1 most problems, $2 most runs of each.
const seen = `
WITH chosen AS MATERIALIZED (
  SELECT p.* FROM problems p WHERE p.state IN ('open', 'acknowledged') ORDER BY p.last_seen DESC LIMIT $1::int
), seen AS (
  SELECT p.fp, p.system, p.since, p.last_seen, needs_person(p) AS person, r.flow, coalesce(r.open, 0) AS open
  FROM chosen p LEFT JOIN LATERAL (
    SELECT o.flow, count(*) AS open FROM (
      SELECT r.flow FROM runs r WHERE r.fp = p.fp AND r.fp IS NOT NULL AND r.state < 10 LIMIT $2::int
    ) o GROUP BY o.flow
  ) r ON true
)
SELECT (SELECT count(*) FROM chosen)::int AS all, g.name, g.label, count(DISTINCT p.fp)::int AS problems,
       (count(DISTINCT p.fp) FILTER (WHERE p.person))::int AS person, sum(p.open)::int AS open,
       min(p.since) AS since, max(p.last_seen) AS last_seen
FROM seen p`

const order = 'GROUP BY g.name, g.label ORDER BY person DESC, problems DESC, g.name NULLS LAST'

const texts = {
  system: `${seen} CROSS JOIN LATERAL (
    SELECT p.system AS name, coalesce((SELECT s.settings ->> 'label' FROM systems s WHERE s.name = p.system), p.system) AS label) g ${order}`,
  flow: `${seen} LEFT JOIN (SELECT f.id, f.name, f.name AS label FROM flows f) g ON g.id = p.flow ${order}`,
} as const

interface GroupRow {
  readonly all: number
  readonly name: string | null
  readonly label: string | null
  readonly problems: number
  readonly person: number
  readonly open: number
  readonly since: DatabaseTime
  readonly last_seen: DatabaseTime
}

/** Problems that are not over, gathered by the system that they are of, or by the flows of their runs. */
export async function listProblemGroups(
  database: Database,
  { by }: ProblemGroupsQuery,
): Promise<ProblemGroups> {
  const rows = await database.query<GroupRow>({ text: texts[by], values: [mostProblems, runsForFlows] })
  return {
    items: rows.map(({ name, label, problems, person, open, since, last_seen }) => ({
      ...{ name, label, problems, person, open },
      since: isoAlways(since),
      lastSeen: isoAlways(last_seen),
    })),
    complete: (rows[0]?.all ?? 0) < mostProblems,
  }
}
