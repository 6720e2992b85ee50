import type { Database } from '../../journal/database.ts'
import { iso } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Waiting } from '../schema/system.ts'
import type { Backlog } from './backlog.ts'
import { maxCounted } from './open-counts.ts'

/** What people call the object that an event of this type is about. */
export type NounOf = (type: string) => string | undefined

/** One word for all of these types; `event` where they have none, or several. */
export function nounOfTypes(types: readonly string[], nounOf: NounOf): string {
  const nouns = new Set(types.map((type) => nounOf(type) ?? 'event'))
  return nouns.size === 1 ? ([...nouns][0] ?? 'event') : 'event'
}

/** Oldest events are looked for behind so many lanes of a system. */
const mostLooked = 200

// Lanes by lanes_due (grp, system, next_at), less those that wait for a person: parked runs by runs_open_by_state. The head
// of each by runs_open_by_lane. $1 most lanes, $2 most looked at.
const laneText = `
WITH parked AS MATERIALIZED (
  SELECT p.system, count(*) AS lanes FROM (
    SELECT r.system FROM runs r WHERE r.state = 4 AND r.state < 10 AND r.holds LIMIT $1::int
  ) p GROUP BY p.system
)
SELECT s.name AS system, greatest(0, count(*) - coalesce((SELECT p.lanes FROM parked p WHERE p.system = s.id), 0)) AS lanes,
       min(e.received_at) FILTER (WHERE head.state <> 4) AS oldest_at
FROM systems s
CROSS JOIN LATERAL (
  SELECT l.grp, l.key, row_number() OVER () AS place
  FROM (SELECT DISTINCT g.grp FROM lane_groups g) g
  JOIN lanes l ON l.grp = g.grp AND l.system = s.id LIMIT $1::int
) held
LEFT JOIN LATERAL (
  SELECT r.seq, r.state FROM runs r WHERE held.place <= $2::int AND r.grp = held.grp AND r.key = held.key AND r.state < 10
  ORDER BY r.lord, r.seq, r.ord LIMIT 1
) head ON true
LEFT JOIN events e ON e.seq = head.seq
GROUP BY s.id, s.name`

interface FlowRow {
  name: string
  types: string[]
  first: string | null
  systems: (string | null)[]
}

/**
 * What waits for each system: lanes whose next step needs it, and what has not been reached of flows that begin with it.
 * Of pending events the objects are counted where the whole backlog was looked at.
 */
export async function waitingBySystem(
  database: Database,
  behind: readonly Backlog[],
  nounOf: NounOf,
): Promise<ReadonlyMap<string, Waiting>> {
  const lanes = await database.query<{ system: string; lanes: number; oldest_at: DatabaseTime }>({
    name: 'waiting-lanes',
    text: laneText,
    values: [maxCounted, mostLooked],
  })
  const flows = await database.query<FlowRow>({
    name: 'first-systems',
    text: `SELECT name, types, declaration #>> '{steps,0,system}' AS first,
                  ARRAY(SELECT s ->> 'system' FROM jsonb_array_elements(declaration -> 'steps') s) AS systems
           FROM flows WHERE NOT removed`,
  })
  const byLanes = new Map(lanes.map((row) => [row.system, row]))
  const names = new Set([...byLanes.keys(), ...flows.flatMap(({ systems }) => systems)])
  const all = new Map<string, Waiting>()
  for (const name of names) {
    if (name === null) continue
    const calling = flows.filter(({ systems }) => systems.includes(name))
    const starting = new Set(calling.filter(({ first }) => first === name).map((flow) => flow.name))
    const pending = behind.filter(({ flow }) => starting.has(flow))
    const row = byLanes.get(name)
    all.set(
      name,
      together({
        row,
        pending,
        noun: nounOfTypes(
          calling.flatMap(({ types }) => types),
          nounOf,
        ),
      }),
    )
  }
  return all
}

function together({
  row,
  pending,
  noun,
}: {
  readonly row: { readonly lanes: number; readonly oldest_at: DatabaseTime } | undefined
  readonly pending: readonly Backlog[]
  readonly noun: string
}): Waiting {
  const lanes = row?.lanes ?? 0
  // Several flows may wait for the same system with the same object: the longest queue is counted.
  const flows = Map.groupBy(pending, ({ flow }) => flow)
  const queued = [...flows.values()].map((own) => own.reduce((sum, { objects }) => sum + objects, 0))
  const moments = [iso(row?.oldest_at ?? null), ...pending.map(({ oldestAt }) => oldestAt)]
  const [oldestAt = null] = moments.filter((at) => at !== null).sort()
  return {
    count: lanes + Math.max(0, ...queued),
    noun,
    exact: lanes < maxCounted && pending.every(({ exact }) => exact),
    oldestAt,
  }
}
