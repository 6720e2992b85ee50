import type { Database } from '../../journal/database.ts'
import { explainBulk } from '../explain-bulk.ts'
import type { DatabaseTime } from '../moment.ts'
import { iso, isoAlways } from '../moment.ts'
import type {
  BulkAct,
  BulkActsQuery,
  BulkDetail,
  BulkItemsQuery,
  BulkPage,
  BulkPlan,
} from '../schema/bulk.ts'
import { stateWord } from '../state-word.ts'
import type { Behind } from './bulk-behind.ts'
import { behindOf, headJoin } from './bulk-behind.ts'

interface BulkRow {
  readonly id: number
  readonly verb: BulkAct['verb']
  readonly fp: string | null
  readonly title: string | null
  readonly selection: Record<string, unknown>
  readonly state: BulkAct['state']
  readonly total: number
  readonly plan: BulkPlan
  readonly max_errors: number
  readonly ramp: number[]
  readonly stage: number
  readonly stage_failed: number
  readonly stages: readonly { ran: number; failed: number; ms: number }[]
  readonly taken: number
  readonly open: number
  readonly held: number
  readonly succeeded: number
  readonly failed: number
  readonly moved: number
  readonly why: string | null
  readonly created_by: string
  readonly created_at: DatabaseTime
  readonly reason: string | null
  readonly started_at: DatabaseTime
  readonly ended_at: DatabaseTime
  readonly ran_ms: number | null
}

// Held ones are among the at most 200 of bulk_items_open, and those that were held before.
const columns = `
  b.*, problem_title(p) AS title, (extract(epoch FROM coalesce(b.ended_at, clock_timestamp()) - b.started_at) * 1000)::double precision AS ran_ms,
  (SELECT count(*) FROM bulk_items i WHERE i.act = b.id AND i.outcome = 'held') AS held`

/** The act; undefined when there is none. */
export async function findBulkAct(database: Database, id: number): Promise<BulkAct | undefined> {
  const [row] = await database.query<BulkRow>({
    text: `SELECT ${columns} FROM bulk_acts b LEFT JOIN problems p ON p.fp = b.fp WHERE b.id = $1::bigint`,
    values: [id],
  })
  return row && actOf(row, (await behindOf(database, [id])).get(id))
}

/** One page of acts on many runs, newest first, on the primary key or bulk_acts_by_problem. */
export async function listBulkActs(database: Database, query: BulkActsQuery): Promise<BulkPage> {
  const rows = await database.query<BulkRow>({
    name: 'bulk-acts',
    text: `SELECT ${columns} FROM bulk_acts b LEFT JOIN problems p ON p.fp = b.fp
           WHERE b.id < $1::bigint AND ($3::text IS NULL OR b.fp = $3) ORDER BY b.id DESC LIMIT $2::int`,
    values: [query.before ?? Number.MAX_SAFE_INTEGER, query.limit + 1, query.problem ?? null],
  })
  const shown = rows.slice(0, query.limit)
  const behind = await behindOf(
    database,
    shown.filter(({ open }) => open > 0).map(({ id }) => id),
  )
  const items = shown.map((row) => actOf(row, behind.get(row.id)))
  const last = items.at(-1)
  return { items, next: rows.length > query.limit && last ? String(last.id) : null }
}

interface ItemRow extends Omit<BulkDetail['items'][number], 'state' | 'behind' | 'begunAt' | 'endedAt'> {
  state: number | null
  head_flow: string | null
  head_seq: number
  head_gen: number
  head_state: number
  begun_at: DatabaseTime
  ended_at: DatabaseTime
}

// Ranges of the primary key, of bulk_items_left, or of bulk_items_by_outcome; $5 in which direction.
const itemsText = (filter: string, direction: 'ASC' | 'DESC') => `
SELECT i.place, f.name AS flow, i.seq, i.gen AS generation, e.key, coalesce(i.outcome, 'left') AS outcome, r.state,
       CASE WHEN r.state < 10 AND i.outcome IN ('failed', 'held') THEN coalesce(r.message, r.reason) WHEN r.state > 10 THEN r.reason END AS message,
       CASE i.outcome WHEN 'failed' THEN i.fp END AS problem, CASE WHEN i.outcome <> 'moved' THEN r.ms END AS ms, i.begun_at, i.ended_at,
       hf.name AS head_flow, h.seq AS head_seq, h.gen AS head_gen, h.state AS head_state
FROM (
  SELECT * FROM bulk_items i WHERE i.act = $1::bigint AND i.place ${direction === 'ASC' ? '>' : '<'} $2::int AND ${filter}
  ORDER BY i.place ${direction} LIMIT $3::int
) i
JOIN flows f ON f.id = i.flow LEFT JOIN events e ON e.seq = i.seq
LEFT JOIN runs r ON r.flow = i.flow AND r.seq = i.seq AND r.gen = i.gen
${headJoin}
ORDER BY i.place ${direction}`

/** The act with a page of its runs; undefined when there is none. */
export async function findBulkDetail(
  database: Database,
  id: number,
  query: BulkItemsQuery,
): Promise<BulkDetail | undefined> {
  const found = await findBulkAct(database, id)
  if (!found) return undefined
  const { outcome, order, limit } = query
  const latest = order === 'latest'
  const filter =
    outcome === undefined
      ? latest
        ? 'i.outcome IS NOT NULL'
        : 'true'
      : outcome === 'left'
        ? 'i.outcome IS NULL'
        : 'i.outcome = $4'
  const rows = await database.query<ItemRow>({
    text: itemsText(filter, latest ? 'DESC' : 'ASC'),
    values: [
      id,
      Math.min(query.after ?? (latest ? 2_147_483_647 : 0), 2_147_483_647),
      limit + 1,
      ...(filter.endsWith('$4') ? [outcome] : []),
    ],
  })
  const items = rows.slice(0, limit).map(itemOf)
  const last = items.at(-1)
  return { ...found, items, next: rows.length > limit && last ? String(last.place) : null }
}

function itemOf(row: ItemRow): BulkDetail['items'][number] {
  const { state, begun_at, ended_at, head_flow, head_seq, head_gen, head_state, ...item } = row
  return {
    ...item,
    state: state === null ? null : stateWord(state),
    behind:
      head_flow === null
        ? null
        : { flow: head_flow, seq: head_seq, generation: head_gen, state: stateWord(head_state) },
    begunAt: iso(begun_at),
    endedAt: iso(ended_at),
  }
}

function actOf(row: BulkRow, behind: Behind | undefined): BulkAct {
  const { id, verb, fp, selection, state, total, plan, ramp, stage, reason } = row
  const counts = {
    left: total - row.taken,
    underWay: row.open - row.held,
    behind: behind?.count ?? 0,
    held: row.held,
    succeeded: row.succeeded,
    failed: row.failed,
    moved: row.moved,
  }
  const stages = stagesOf(row)
  return {
    ...{ id, verb, selection, state, total, counts, ramp, stage, stages, plan, reason },
    problem: fp === null ? null : { fingerprint: fp, title: row.title ?? fp },
    why: explainBulk({ verb, state, total, counts, stage, stages }, { stopped: row.why, behind }),
    maxErrors: row.max_errors,
    leftMs: leftMsOf(row),
    createdBy: row.created_by,
    createdAt: isoAlways(row.created_at),
    startedAt: iso(row.started_at),
    endedAt: iso(row.ended_at),
  }
}

/** As watch_bulk judges them. */
function stagesOf(row: BulkRow): BulkAct['stages'] {
  const sizes = sizesOf(row)
  let begin = 0
  return sizes.map((size, index) => {
    const told = row.stages[index]
    const isNow = index === row.stage - 1 && !told
    const through = told ? size : isNow ? Math.max(0, row.taken - row.open - begin) : 0
    begin += size
    return {
      size,
      state: told
        ? 'done'
        : !isNow || row.state === 'planned'
          ? 'next'
          : row.state === 'running'
            ? 'running'
            : 'stopped',
      through,
      failed: told ? told.failed : isNow ? row.stage_failed : 0,
      ms: told?.ms ?? null,
      maxFailed: index === 0 && sizes.length > 1 ? 0 : Math.floor(row.max_errors * size),
    }
  })
}

function sizesOf({ ramp, total }: BulkRow): number[] {
  const sizes: number[] = []
  let left = total
  for (const size of [...ramp, total]) {
    if (left <= 0) break
    sizes.push(Math.min(size, left))
    left -= size
  }
  return sizes
}

/** At the speed of so far; the first few say little. */
function leftMsOf({ state, total, taken, open, ran_ms: ranMs }: BulkRow): number | null {
  const through = taken - open
  if (state !== 'running' || ranMs === null || through < 5) return null
  return Math.round((ranMs / through) * (total - through))
}
