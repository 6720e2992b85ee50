import type { Database } from '../../journal/database.ts'
import type { ParkedCause } from '../explain-people.ts'
import { runId } from '../sentence.ts'
import { maxCounted } from './open-counts.ts'
import type { NounOf } from './waiting.ts'
import { nounOfTypes } from './waiting.ts'

// runs_open_by_state finds them, up to $1; with "AND r.state < 10" as well they are taken for a few, and sorted. Causes that
// people ignore are left out, of which there are few (problems_by_since). The oldest run of each that is told is the first of
// runs_open_by_problem.
const text = `
WITH parked AS MATERIALIZED (
  SELECT r.fp, r.flow, r.system, count(*) AS runs, count(*) FILTER (WHERE r.holds) AS holding
  FROM (SELECT r.fp, r.flow, r.system, r.holds FROM runs r WHERE r.state = 4 LIMIT $1::int) r
  GROUP BY r.fp, r.flow, r.system
), causes AS (
  SELECT p.fp, sum(p.runs)::bigint AS runs, array_agg(p.flow) AS flows FROM parked p GROUP BY p.fp
), told AS (
  SELECT c.fp, c.runs, c.flows, (sum(c.runs) OVER ())::bigint AS parked
  FROM causes c
  WHERE NOT EXISTS (SELECT FROM problems o WHERE o.fp = c.fp AND o.state = 'ignored')
  ORDER BY c.runs DESC, c.fp LIMIT $2::int
)
SELECT held.systems, c.fp AS fingerprint, c.runs, problem_title(o) AS title, c.parked, f.name AS flow, x.gen AS generation, x.seq, x.message, e.key,
       ARRAY(SELECT DISTINCT t FROM flows g, unnest(g.types) t WHERE g.id = ANY (c.flows)) AS types, e.type
FROM (
  SELECT coalesce(jsonb_object_agg(s.name, h.lanes), '{}') AS systems
  FROM (SELECT p.system, sum(p.holding) AS lanes FROM parked p GROUP BY p.system) h JOIN systems s ON s.id = h.system
) held
LEFT JOIN (
  told c
  LEFT JOIN problems o ON o.fp = c.fp
  JOIN LATERAL (
    (SELECT r.flow, r.seq, r.gen, r.message FROM runs r
     WHERE r.fp = c.fp AND r.fp IS NOT NULL AND r.state = 4 AND r.state < 10 ORDER BY r.seq LIMIT 1)
    UNION ALL
    (SELECT r.flow, r.seq, r.gen, r.message FROM (SELECT * FROM runs r WHERE r.state = 4 LIMIT $1::int) r
     WHERE c.fp IS NULL AND r.fp IS NULL ORDER BY r.seq LIMIT 1)
  ) x ON true
  JOIN flows f ON f.id = x.flow
  LEFT JOIN events e ON e.seq = x.seq
) ON true
ORDER BY c.runs DESC, c.fp`

/** Without any cause, one row that has only `systems`. */
interface CauseRow {
  systems: Readonly<Record<string, number>>
  fingerprint: string | null
  runs: number | null
  title: string | null
  parked: number
  flow: string
  generation: number
  seq: number
  message: string | null
  key: string | null
  types: string[]
  type: string | null
}

/** Runs that need a person. */
export interface Parked {
  /** The causes with the most of them. */
  readonly causes: readonly ParkedCause[]
  /** How many there are in all, up to `maxCounted`. */
  readonly parked: number
  /** How many of those hold the lane of a system, by its name. */
  readonly holding: ReadonlyMap<string, number>
}

/** What needs a person, by cause and by system; at most so many causes. */
export async function parkedCauses(database: Database, nounOf: NounOf, limit: number): Promise<Parked> {
  const rows = await database.query<CauseRow>({
    name: 'parked-causes',
    text,
    values: [maxCounted, limit],
  })
  return {
    causes: rows.flatMap((row) => (row.runs === null ? [] : [causeOf({ ...row, runs: row.runs }, nounOf)])),
    parked: rows[0]?.parked ?? 0,
    holding: new Map(Object.entries(rows[0]?.systems ?? {})),
  }
}

// As above, without the causes.
const holdingText = `
SELECT s.name AS system, h.lanes
FROM (
  SELECT r.system, count(*) FILTER (WHERE r.holds) AS lanes
  FROM (SELECT r.system, r.holds FROM runs r WHERE r.state = 4 LIMIT $1::int) r
  GROUP BY r.system
) h
JOIN systems s ON s.id = h.system`

/** How many of the runs that need a person hold the lane of a system, by its name. */
export async function parkedHolding(database: Database): Promise<Parked['holding']> {
  const rows = await database.query<{ system: string; lanes: number }>({
    name: 'parked-holding',
    text: holdingText,
    values: [maxCounted],
  })
  return new Map(rows.map(({ system, lanes }) => [system, lanes]))
}

function causeOf(row: CauseRow & { readonly runs: number }, nounOf: NounOf): ParkedCause {
  const { fingerprint, runs, flow, seq, generation, key, message, type } = row
  return {
    fingerprint,
    title: row.title ?? message ?? 'no reason was given',
    runs,
    noun: nounOfTypes(runs === 1 && type !== null ? [type] : row.types, nounOf),
    only: runs === 1 ? { id: runId({ flow, seq, generation }), key, message } : null,
  }
}
