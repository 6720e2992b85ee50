import type { Database } from '../../journal/database.ts'
import { BusbarError } from '../../errors.ts'
import type { ProblemRunPage, ProblemRunsQuery } from '../schema/problem.ts'
import { openStates, stateCodes } from '../state-word.ts'
import type { RunAddress } from './run-facts.ts'
import { runRecords } from './run-facts.ts'
import { runOf } from './runs.ts'

// One range for each state, of runs_open_by_problem, or of runs_open_by_system where the problem is that a system is cut
// off. $1 problem, $2 system, $3 states, $4-$6 after (seq, flow, gen), $7 limit.
const text = `
SELECT r.flow, r.seq, r.gen FROM unnest($3::smallint[]) AS w (state)
CROSS JOIN LATERAL (
  (SELECT r.flow, r.seq, r.gen FROM runs r
   WHERE r.fp = $1 AND r.fp IS NOT NULL AND r.state = w.state AND r.state < 10 AND r.seq >= $4::bigint
     AND (r.seq, r.flow, r.gen) > ($4::bigint, $5::smallint, $6::smallint)
   ORDER BY r.seq LIMIT $7::int + 20)
  UNION ALL
  (SELECT r.flow, r.seq, r.gen FROM runs r
   WHERE r.system = (SELECT s.id FROM systems s WHERE s.name = $2) AND r.state = w.state AND r.state < 10 AND r.state <> 4 AND r.seq >= $4::bigint
     AND (r.seq, r.flow, r.gen) > ($4::bigint, $5::smallint, $6::smallint)
   ORDER BY r.seq LIMIT $7::int + 20)
) r
ORDER BY r.seq, r.flow, r.gen LIMIT $7::int`

// The step in trouble by the primary key, what waits behind by runs_open_by_lane.
const more = `
SELECT coalesce(t.step, CASE WHEN jsonb_array_length(f.declaration -> 'steps') = 1 THEN f.declaration #>> '{steps,0,name}' END) AS step,
       (SELECT count(*) FROM (
          SELECT FROM runs o WHERE o.grp = r.grp AND o.key = r.key AND o.state < 10 AND (o.lord, o.seq, o.ord) > (r.lord, r.seq, r.ord) LIMIT 100
        ) b) AS behind
FROM unnest($1::smallint[], $2::bigint[], $3::smallint[]) WITH ORDINALITY AS a (flow, seq, gen, place)
JOIN runs r ON r.flow = a.flow AND r.seq = a.seq AND r.gen = a.gen
JOIN flows f ON f.id = r.flow
JOIN events e ON e.seq = r.seq
LEFT JOIN LATERAL (
  SELECT s.step FROM steps s WHERE s.flow = r.flow AND s.seq = r.seq AND s.gen = r.gen AND s.state < 10
  ORDER BY s.code IS NULL, s.state DESC, s.step LIMIT 1
) t ON true
ORDER BY a.place`

/** One page of the open runs of a problem, oldest event first. Throws `request.not-found` when there is no such problem. */
export async function listProblemRuns(
  database: Database,
  { fingerprint, state, cursor, limit }: ProblemRunsQuery & { readonly fingerprint: string },
): Promise<ProblemRunPage> {
  const [problem] = await database.query<{ system: string }>({
    text: 'SELECT system FROM problems WHERE fp = $1',
    values: [fingerprint],
  })
  if (!problem) throw new BusbarError('request.not-found', `there is no problem ${fingerprint}`)
  const isSystem = fingerprint === `system:${problem.system}`
  const [seq = 0, flow = 0, gen = 0] = cursor?.split('-').map(Number) ?? []
  const states = state === undefined ? openStates : stateCodes(state)
  const found = await database.query<RunAddress>({
    text,
    values: [
      isSystem ? null : fingerprint,
      isSystem ? problem.system : null,
      states,
      seq,
      Math.min(flow, 32_767),
      Math.min(gen, 32_767),
      limit + 1,
    ],
  })
  const page = found.slice(0, limit)
  const last = page.at(-1)
  return {
    items: await itemsOf(database, page),
    next: found.length > limit && last ? `${last.seq}-${last.flow}-${last.gen}` : null,
  }
}

async function itemsOf(database: Database, page: readonly RunAddress[]): Promise<ProblemRunPage['items']> {
  if (page.length === 0) return []
  const values = [page.map(({ flow }) => flow), page.map(({ seq }) => seq), page.map(({ gen }) => gen)]
  const records = await runRecords(database, page)
  const told = await database.query<{ step: string | null; behind: number }>({ text: more, values })
  return records.map((record, index) => ({
    ...runOf(record),
    step: told[index]?.step ?? null,
    behind: told[index]?.behind ?? 0,
  }))
}
