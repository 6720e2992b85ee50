import type { Database } from '../../journal/database.ts'
import type { ParkedCause } from '../explain-people.ts'
import { runId } from '../sentence.ts'
import { maxCounted } from './open-counts.ts'
import type { NounOf } from './waiting.ts'
import { nounOfTypes } from './waiting.ts'

// runs_open_by_state finds them, up to $1; the problems by their key. Rows of causes that people ignore are left out.
const text = `
WITH parked AS MATERIALIZED (
  SELECT r.flow, r.seq, r.gen, r.fp, r.message FROM runs r WHERE r.state = 4 AND r.state < 10 LIMIT $1::int
), causes AS (
  SELECT p.fp, count(*) AS runs, min(p.seq) AS seq, array_agg(DISTINCT p.flow) AS flows
  FROM parked p GROUP BY p.fp
)
SELECT c.fp AS fingerprint, c.runs, problem_title(o) AS title, sum(c.runs) OVER () AS parked, f.name AS flow, x.gen AS generation, x.seq, x.message, e.key,
       ARRAY(SELECT DISTINCT t FROM flows g, unnest(g.types) t WHERE g.id = ANY (c.flows)) AS types, e.type
FROM causes c
LEFT JOIN problems o ON o.fp = c.fp
JOIN LATERAL (SELECT * FROM parked p WHERE p.fp IS NOT DISTINCT FROM c.fp AND p.seq = c.seq LIMIT 1) x ON true
JOIN flows f ON f.id = x.flow
LEFT JOIN events e ON e.seq = x.seq
WHERE o.state IS DISTINCT FROM 'ignored'
ORDER BY c.runs DESC, c.fp LIMIT $2::int`

interface CauseRow {
  fingerprint: string | null
  runs: number
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

/** The causes with the most runs that need a person, and how many there are in all, up to `maxCounted`. */
export async function parkedCauses(
  database: Database,
  nounOf: NounOf,
  limit: number,
): Promise<{ readonly causes: readonly ParkedCause[]; readonly parked: number }> {
  const rows = await database.query<CauseRow>({
    name: 'parked-causes',
    text,
    values: [maxCounted, limit],
  })
  return { causes: rows.map((row) => causeOf(row, nounOf)), parked: rows[0]?.parked ?? 0 }
}

function causeOf(row: CauseRow, nounOf: NounOf): ParkedCause {
  const { fingerprint, runs, flow, seq, generation, key, message, type } = row
  return {
    fingerprint,
    title: row.title ?? message ?? 'no reason was given',
    runs,
    noun: nounOfTypes(runs === 1 && type !== null ? [type] : row.types, nounOf),
    only: runs === 1 ? { id: runId({ flow, seq, generation }), key, message } : null,
  }
}
