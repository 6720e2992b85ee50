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

// Lanes by lanes_due (grp, system, next_at), those that are due first; the head of each by runs_open_by_lane. The oldest
// event is the first in the log. $1 a name or null, $2 most lanes of each system.
const oldestText = `
SELECT s.name AS system, e.received_at AS oldest_at
FROM systems s
CROSS JOIN LATERAL (
  SELECT min(head.seq) AS seq
  FROM (
    SELECT l.grp, l.key
    FROM (SELECT DISTINCT g.grp FROM lane_groups g) g
    CROSS JOIN LATERAL (
      SELECT l.grp, l.key FROM lanes l WHERE l.grp = g.grp AND l.system = s.id ORDER BY l.next_at LIMIT $2::int
    ) l LIMIT $2::int
  ) held
  CROSS JOIN LATERAL (
    SELECT r.seq, r.state FROM runs r WHERE r.grp = held.grp AND r.key = held.key AND r.state < 10
    ORDER BY r.lord, r.seq, r.ord LIMIT 1
  ) head
  WHERE head.state <> 4
) first
JOIN events e ON e.seq = first.seq
WHERE $1::text IS NULL OR s.name = $1`

interface FlowRow {
  name: string
  types: string[]
  first: string | null
  systems: (string | null)[]
}

/** Who waits is the sum of several counts, each of which the caller may know already. */
export interface WaitingAsk {
  readonly nounOf: NounOf
  /** The systems, and how many lanes stand at each: up to `maxCounted`. */
  readonly lanes: ReadonlyMap<string, number>
  /** Those of them that wait for a person. */
  readonly parked: ReadonlyMap<string, number>
  readonly behind: readonly Backlog[]
  /** Only this system. */
  readonly name: string | null
}

/**
 * What waits for each system: lanes whose next step needs it, and what has not been reached of flows that begin with it.
 * Of pending events the objects are counted where the whole backlog was looked at.
 */
export async function waitingBySystem(
  database: Database,
  { nounOf, lanes, parked, behind, name }: WaitingAsk,
): Promise<ReadonlyMap<string, Waiting>> {
  const oldest = await database.query<{ system: string; oldest_at: DatabaseTime }>({
    name: 'waiting-oldest',
    text: oldestText,
    values: [name, mostLooked],
  })
  const flows = await database.query<FlowRow>({
    name: 'first-systems',
    text: `SELECT name, types, declaration #>> '{steps,0,system}' AS first,
                  ARRAY(SELECT s ->> 'system' FROM jsonb_array_elements(declaration -> 'steps') s) AS systems
           FROM flows WHERE NOT removed`,
  })
  const oldestAt = new Map(oldest.map((row) => [row.system, iso(row.oldest_at)]))
  const all = new Map<string, Waiting>()
  for (const [system, held] of lanes) {
    const calling = flows.filter(({ systems }) => systems.includes(system))
    const starting = new Set(calling.filter(({ first }) => first === system).map((flow) => flow.name))
    all.set(
      system,
      together({
        lanes: Math.max(0, held - (parked.get(system) ?? 0)),
        oldestAt: oldestAt.get(system) ?? null,
        pending: behind.filter(({ flow }) => starting.has(flow)),
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
  lanes,
  oldestAt: laneAt,
  pending,
  noun,
}: {
  readonly lanes: number
  readonly oldestAt: string | null
  readonly pending: readonly Backlog[]
  readonly noun: string
}): Waiting {
  // Several flows may wait for the same system with the same object: the longest queue is counted.
  const flows = Map.groupBy(pending, ({ flow }) => flow)
  const queued = [...flows.values()].map((own) => own.reduce((sum, { objects }) => sum + objects, 0))
  const moments = [laneAt, ...pending.map(({ oldestAt }) => oldestAt)]
  const [oldestAt = null] = moments.filter((at) => at !== null).sort()
  return {
    count: lanes + Math.max(0, ...queued),
    noun,
    exact: lanes < maxCounted && pending.every(({ exact }) => exact),
    oldestAt,
  }
}
