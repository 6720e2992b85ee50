import type { Database } from '../../journal/database.ts'
import { openStates, stateWord } from '../state-word.ts'

/** Counts stop here. */
export const maxCounted = 10_000

/** Open runs by state. */
export interface OpenCounts {
  readonly waiting: number
  readonly retrying: number
  readonly running: number
  readonly parked: number
}

/** No open run. */
export const noneOpen: OpenCounts = { waiting: 0, retrying: 0, running: 0, parked: 0 }

// One range of runs_open_by_state (state, flow, seq) per flow and state.
const byFlow = `
SELECT f.name AS flow, w.state, c.count
FROM flows f
CROSS JOIN unnest($1::smallint[]) AS w (state)
CROSS JOIN LATERAL (
  SELECT count(*) FROM (
    SELECT FROM runs r WHERE r.state = w.state AND r.state < 10 AND r.flow = f.id LIMIT $2::int
  ) counted
) c
WHERE c.count > 0`

/** Open runs of each flow that has any, by state, each counted up to `maxCounted`. */
export async function openByFlow(database: Database): Promise<ReadonlyMap<string, OpenCounts>> {
  const rows = await database.query<{ flow: string; state: number; count: number }>({
    name: 'open-by-flow',
    text: byFlow,
    values: [openStates, maxCounted],
  })
  const counts = new Map<string, OpenCounts>()
  for (const { flow, state, count } of rows)
    counts.set(flow, { ...(counts.get(flow) ?? noneOpen), [stateWord(state)]: count })
  return counts
}

// One range of runs_open_by_state (state, flow, seq) per state.
const byState = `
SELECT w.state, c.count
FROM unnest($1::smallint[]) AS w (state)
CROSS JOIN LATERAL (
  SELECT count(*) FROM (SELECT FROM runs r WHERE r.state = w.state AND r.state < 10 LIMIT $2::int) counted
) c`

/** Open runs of all flows together, each state up to `maxCounted`. */
export async function openByState(database: Database): Promise<OpenCounts> {
  const rows = await database.query<{ state: number; count: number }>({
    name: 'open-by-state',
    text: byState,
    values: [openStates, maxCounted],
  })
  return { ...noneOpen, ...Object.fromEntries(rows.map(({ state, count }) => [stateWord(state), count])) }
}

/** Of all states. */
export function totalOf({ waiting, retrying, running, parked }: OpenCounts): number {
  return waiting + retrying + running + parked
}
