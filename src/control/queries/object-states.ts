import type { Database } from '../../journal/database.ts'
import { stateWord } from '../state-word.ts'
import type { ObjectSummary } from '../schema/object.ts'
import { worstState } from '../explain-object.ts'

/** How an object stands by its open runs. */
export interface ObjectStanding {
  readonly state: ObjectSummary['state']
  /** Open runs, counted up to 100 in each lane group. */
  readonly open: number
}

// One range of runs_open_by_lane (grp, key, …) for each key and lane group. A flow without order has a lane for each event:
// its runs are looked for by the newest events of the key, on events_by_key and the primary key of runs.
const text = `
SELECT k.key, r.state, sum(r.n)::int AS n
FROM unnest($1::text[]) AS k (key)
CROSS JOIN LATERAL (
  SELECT o.state, count(*) AS n FROM (SELECT DISTINCT f.grp FROM flows f) g CROSS JOIN LATERAL (
    SELECT r.state FROM runs r WHERE r.grp = g.grp AND r.key = k.key AND r.state < 10 LIMIT 100
  ) o GROUP BY o.state
  UNION ALL
  SELECT r.state, count(*) AS n
  FROM (SELECT e.seq FROM events e WHERE e.key = k.key ORDER BY e.seq DESC LIMIT 20) e
  CROSS JOIN (SELECT f.id FROM flows f WHERE f.declaration ->> 'ordering' = 'none') f
  JOIN runs r ON r.flow = f.id AND r.seq = e.seq AND r.state < 10 GROUP BY r.state
) r
GROUP BY k.key, r.state`

/** How these objects stand, by key; those without an open run are left out. */
export async function objectStates(
  database: Database,
  keys: readonly string[],
): Promise<ReadonlyMap<string, ObjectStanding>> {
  if (keys.length === 0) return new Map()
  const rows = await database.query<{ key: string; state: number; n: number }>({ text, values: [keys] })
  return new Map(
    [...Map.groupBy(rows, ({ key }) => key)].map(([key, own]): [string, ObjectStanding] => [
      key,
      {
        state: worstState(own.map(({ state }) => stateWord(state))),
        open: own.reduce((sum, { n }) => sum + n, 0),
      },
    ]),
  )
}
