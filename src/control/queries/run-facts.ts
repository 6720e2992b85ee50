import type { Database } from '../../journal/database.ts'
import type { RunFacts } from '../explain.ts'
import { iso, isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { SystemColumns } from './system-facts.ts'
import { systemColumns, systemFacts } from './system-facts.ts'

/** A run's address in the tables. */
export interface RunAddress {
  readonly flow: number
  readonly seq: number
  readonly gen: number
}

/** A run with its event's attributes and all that explains it. */
export interface RunRecord extends RunFacts {
  /** Its flow in the table `flows`. */
  readonly flowId: number
  readonly type: string
  readonly source: string
  readonly eventId: string
  readonly receivedAt: string
  readonly tries: number
  readonly status: number | null
  readonly problem: string | null
  readonly laneKey: string | null
  readonly laneNextAt: string | null
  readonly laneReason: string | null
}

/**
 * Everything about a run that its state alone does not say, for a run `r` (possibly without a row) of flow `f` and
 * event `e`. Each join is one probe of a primary key or of runs_open_by_lane. A plain success has neither group nor key
 * in its row: the flow and the event know them.
 */
const factColumns = `
  e.seq, f.id AS flow_id, f.name AS flow, coalesce(r.gen, 0) AS generation, r.state, coalesce(r.grp, f.grp) AS "group",
  e.key, e.type, e.source, e.id AS event_id, e.received_at, clock_timestamp() AS now_at,
  r.first_at, r.ended_at, r.next_at, coalesce(r.tries, 0) AS tries, coalesce(r.attempts, 0) AS attempts,
  r.ms, r.status, r.code, r.message, r.reason, r.fp, r.key AS lane_key,
  l.next_at AS lane_next_at, l.awaits, l.reason AS lane_reason,
  h.flow AS head_flow, h.seq AS head_seq, h.gen AS head_gen, h.state AS head_state, h.next_at AS head_next_at, h.reason AS head_reason,
  ${systemColumns.trim()},
  coalesce(g.paused, false) AS group_paused,
  (SELECT w.id FROM workers w WHERE w.id = g.owner AND NOT w.dead AND w.lease_until >= clock_timestamp()) AS owner,
  p.position`

const factJoins = `
  LEFT JOIN lane_groups g ON g.grp = coalesce(r.grp, f.grp) AND g.part = e.khash % g.parts
  LEFT JOIN positions p ON p.flow = f.id AND p.part = g.part
  LEFT JOIN systems s ON CASE WHEN r.system IS NULL THEN s.name = f.declaration #>> '{steps,0,system}' ELSE s.id = r.system END
  LEFT JOIN lanes l ON r.state < 10 AND l.grp = r.grp AND l.key = r.key
  LEFT JOIN LATERAL (
    SELECT hf.name AS flow, o.seq, o.gen, o.state, o.next_at, o.reason
    FROM runs o JOIN flows hf ON hf.id = o.flow                     -- runs_open_by_lane
    WHERE r.state < 10 AND o.grp = r.grp AND o.key = r.key AND o.state < 10 AND o.holds
    ORDER BY o.lord, o.seq, o.ord LIMIT 1
  ) h ON true`

const byAddressText = `
SELECT ${factColumns}
FROM unnest($1::smallint[], $2::bigint[], $3::smallint[]) WITH ORDINALITY AS a (flow, seq, gen, place)
JOIN runs r ON r.flow = a.flow AND r.seq = a.seq AND r.gen = a.gen
JOIN flows f ON f.id = r.flow
JOIN events e ON e.seq = r.seq
${factJoins}
ORDER BY a.place`

/** The records of these runs, in the order given; those that are gone are left out. */
export async function runRecords(database: Database, runs: readonly RunAddress[]): Promise<RunRecord[]> {
  if (runs.length === 0) return []
  const rows = await database.query<FactRow>({
    text: byAddressText,
    values: [runs.map((run) => run.flow), runs.map((run) => run.seq), runs.map((run) => run.gen)],
  })
  return rows.map(runRecord)
}

// A flow subscribes to an event when it counts its type from before it; without a row and above the flow's position the
// event is pending. Rows of flows that no longer subscribe are shown all the same.
const byEventsText = `
SELECT ${factColumns}
FROM unnest($1::bigint[]) WITH ORDINALITY AS a (seq, place)
JOIN events e ON e.seq = a.seq
CROSS JOIN flows f
LEFT JOIN LATERAL (SELECT * FROM runs o WHERE o.flow = f.id AND o.seq = e.seq OFFSET 0) r ON true   -- a probe, whatever young statistics say
${factJoins}
WHERE r.flow IS NOT NULL
   OR (NOT f.removed AND e.type = ANY (f.types) AND e.seq > f.from_seq
       AND e.seq > f.type_after[array_position(f.types, e.type)] AND e.seq > coalesce(p.position, 0))
ORDER BY a.place, f.ord, f.name, generation`

/** What each flow made of these events, by seq; pending ones (`state` null) included. */
export async function eventRuns(
  database: Database,
  seqs: readonly number[],
): Promise<ReadonlyMap<number, readonly RunRecord[]>> {
  const runs = new Map<number, RunRecord[]>(seqs.map((seq) => [seq, []]))
  if (seqs.length === 0) return runs
  const rows = await database.query<FactRow>({ name: 'event-runs', text: byEventsText, values: [seqs] })
  for (const row of rows) runs.get(row.seq)?.push(runRecord(row))
  return runs
}

interface FactRow extends SystemColumns {
  seq: number
  flow_id: number
  flow: string
  generation: number
  state: number | null
  group: string
  key: string | null
  type: string
  source: string
  event_id: string
  received_at: DatabaseTime
  first_at: DatabaseTime
  ended_at: DatabaseTime
  next_at: DatabaseTime
  tries: number
  attempts: number
  ms: number | null
  status: number | null
  code: string | null
  message: string | null
  reason: string | null
  fp: string | null
  lane_key: string | null
  lane_next_at: DatabaseTime
  awaits: string | null
  lane_reason: string | null
  head_flow: string | null
  head_seq: number
  head_gen: number
  head_state: number
  head_next_at: DatabaseTime
  head_reason: string | null
  group_paused: boolean
  owner: string | null
  position: number | null
}

function runRecord(row: FactRow): RunRecord {
  return {
    flowId: row.flow_id,
    flow: row.flow,
    seq: row.seq,
    generation: row.generation,
    state: row.state,
    group: row.group,
    key: row.key,
    type: row.type,
    source: row.source,
    eventId: row.event_id,
    receivedAt: isoAlways(row.received_at),
    nowAt: isoAlways(row.now_at),
    firstAt: iso(row.first_at),
    endedAt: iso(row.ended_at),
    nextAt: iso(row.next_at),
    tries: row.tries,
    attempts: row.attempts,
    ms: row.ms,
    status: row.status,
    code: row.code,
    message: row.message,
    reason: row.reason,
    problem: row.fp,
    laneKey: row.lane_key,
    laneNextAt: iso(row.lane_next_at),
    awaits: row.awaits,
    laneReason: row.lane_reason,
    head: headOf(row),
    system: systemFacts(row),
    groupPaused: row.group_paused,
    owner: row.owner,
    position: row.position,
  }
}

function headOf(row: FactRow): RunRecord['head'] {
  if (row.head_flow === null) return null
  return {
    flow: row.head_flow,
    seq: row.head_seq,
    generation: row.head_gen,
    state: row.head_state,
    nextAt: iso(row.head_next_at),
    reason: row.head_reason,
  }
}
