import type { Database } from '../../journal/database.ts'
import type { DatabaseTime } from '../moment.ts'
import { iso, isoAlways } from '../moment.ts'
import type { Sentence } from '../schema/common.ts'
import type { Replay, ReplayDetail, ReplayItemsQuery, ReplayPage, ReplaysQuery } from '../schema/replay.ts'
import { link, say } from '../sentence.ts'
import { stateWord } from '../state-word.ts'

/** What a row of `replays` says, with what became of its open and failed items since: both are few, and found by index. */
const columns = `
  r.*, f.name AS flow_name, f.grp AS "group", o.held, x.recovered,
  (SELECT bool_or(g.paused) FROM lane_groups g WHERE g.grp = f.grp) AS paused,
  (SELECT min(p.position) FROM positions p JOIN flows pf ON pf.id = p.flow WHERE pf.grp = f.grp AND NOT pf.removed) AS position`
const joins = `
  JOIN flows f ON f.id = r.flow
  CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE i.outcome = 'held') AS held FROM replay_items i
    WHERE i.replay = r.id AND i.outcome IN ('fed', 'held')
  ) o
  CROSS JOIN LATERAL (
    SELECT count(*) AS recovered FROM replay_items i JOIN runs n ON n.flow = r.flow AND n.seq = i.seq AND n.gen = i.gen AND n.state = 10
    WHERE r.failed > 0 AND i.replay = r.id AND i.outcome = 'failed'
  ) x`

interface ReplayRow {
  id: number
  flow_name: string
  group: string
  selection: Record<string, unknown>
  keys: 'same' | 'new'
  state: Replay['state']
  head: number
  total: number
  plan: Omit<Replay['plan'], 'states'> & { readonly states: Readonly<Record<string, number>> }
  rate: number
  max_errors: number
  ramp: number[]
  stage: number
  stage_end: number
  taken: number
  fed: number
  succeeded: number
  failed: number
  ended: number
  held: number
  recovered: number
  why: string | null
  created_by: string
  created_at: DatabaseTime
  reason: string
  started_at: DatabaseTime
  ended_at: DatabaseTime
  paused: boolean | null
  position: number | null
}

/** The replay with this id; undefined when there is none. */
export async function findReplay(database: Database, id: number): Promise<Replay | undefined> {
  const [row] = await database.query<ReplayRow>({
    text: `SELECT ${columns} FROM replays r ${joins} WHERE r.id = $1::bigint`,
    values: [id],
  })
  return row && replayOf(row)
}

/** One page of replays, newest first. */
export async function listReplays(database: Database, query: ReplaysQuery): Promise<ReplayPage> {
  const rows = await database.query<ReplayRow>({
    name: 'replays',
    text: `SELECT ${columns} FROM replays r ${joins} WHERE r.id < $1::bigint ORDER BY r.id DESC LIMIT $2::int`,
    values: [query.before ?? Number.MAX_SAFE_INTEGER, query.limit + 1],
  })
  const items = rows.slice(0, query.limit).map(replayOf)
  const last = items.at(-1)
  return { items, next: rows.length > query.limit && last ? String(last.id) : null }
}

interface ItemRow {
  place: number
  seq: number
  key: string | null
  outcome: ReplayDetail['items'][number]['outcome']
  gen: number | null
  state: number | null
  message: string | null
}

/** The replay with a page of its items; undefined when there is none. */
export async function findReplayDetail(
  database: Database,
  id: number,
  query: ReplayItemsQuery,
): Promise<ReplayDetail | undefined> {
  const replay = await findReplay(database, id)
  if (!replay) return undefined
  const rows = await database.query<ItemRow>({
    text: `SELECT i.place, i.seq, e.key, coalesce(i.outcome, 'left') AS outcome, i.gen, r.state,
                  CASE WHEN r.state < 10 THEN r.message END AS message
           FROM replay_items i JOIN replays p ON p.id = i.replay
           LEFT JOIN events e ON e.seq = i.seq
           LEFT JOIN runs r ON r.flow = p.flow AND r.seq = i.seq AND r.gen = i.gen
           WHERE i.replay = $1::bigint AND i.place > $2::bigint AND ($3::text IS NULL OR coalesce(i.outcome, 'left') = $3)
           ORDER BY i.place LIMIT $4::int`,
    values: [id, query.after, query.outcome ?? null, query.limit + 1],
  })
  const items = rows.slice(0, query.limit).map(({ gen, state, ...row }) => ({
    ...row,
    generation: gen,
    state: state === null ? null : stateWord(state),
  }))
  const last = items.at(-1)
  return { ...replay, items, next: rows.length > query.limit && last ? String(last.place) : null }
}

function replayOf(row: ReplayRow): Replay {
  const underWay = row.fed - row.succeeded - row.failed - row.ended
  const { states, ...plan } = row.plan
  return {
    id: row.id,
    flow: row.flow_name,
    state: row.state,
    why: whyOf(row),
    keys: row.keys,
    selection: row.selection,
    rate: row.rate,
    maxErrors: row.max_errors,
    ramp: row.ramp,
    stage: row.stage,
    stageEnd: row.stage_end,
    total: row.total,
    counts: {
      left: row.state === 'cancelled' ? 0 : row.total - row.taken,
      underWay,
      held: row.held,
      succeeded: row.succeeded,
      failed: row.failed,
      recovered: row.recovered,
      ended: row.ended,
      passedOver: row.taken - row.fed,
    },
    head: row.head,
    createdBy: row.created_by,
    createdAt: isoAlways(row.created_at),
    reason: row.reason,
    startedAt: iso(row.started_at),
    endedAt: iso(row.ended_at),
    plan: { ...plan, states: inWords(states) },
  }
}

/** Codes as the database counts them; 0 stands for none. */
function inWords(states: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(states).map(([code, count]) => [code === '0' ? 'none' : stateWord(Number(code)), count]),
  )
}

function whyOf(row: ReplayRow): Sentence {
  switch (row.state) {
    case 'planned':
      return say`nothing is done before somebody starts it`
    case 'running':
      return whyRunning(row)
    case 'paused':
      return say`is paused; what was begun goes on`
    case 'stopped':
      return say`has stopped by itself: ${row.why ?? ''}`
    case 'cancelled':
      return say`was cancelled`
    case 'done':
      return row.held > 0 ? say`is through; ${row.held} of its runs wait for something else` : say`is through`
  }
}

function whyRunning(row: ReplayRow): Sentence {
  if (row.paused) return say`lane group ${link('group', row.group)} is paused`
  if ((row.position ?? 0) < row.head)
    return say`begins when ${link('flow', row.flow_name)} has come to ${row.head} in the log; it is at ${row.position ?? 0}`
  if (row.taken >= row.stage_end && row.stage_end < row.total)
    return say`waits until the runs of stage ${row.stage} are through`
  return say`goes on, stage ${row.stage} up to ${row.stage_end} of ${row.total}`
}
