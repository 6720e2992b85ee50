import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import { iso, isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { AwaitedPage, AwaitedQuery, Expectation } from '../schema/expectation.ts'
import { maxCounted } from './open-counts.ts'

// Counted up to $1 by expected_due and expected_overdue; the first of each is the first of its index.
const list = `
SELECT x.name, x.declaration ->> 'expected' AS expected, x.declaration ->> 'after' AS after, x.declaration ->> 'within' AS within,
       x.met, x.cancelled, x.unread, x.position, o.open, l.overdue,
       coalesce(late.opened_at, next.opened_at) AS oldest_at, next.due_at AS next_due_at
FROM expectations x
CROSS JOIN LATERAL (
  SELECT count(*) AS open FROM (SELECT FROM expected e WHERE e.expectation = x.id AND e.state = 1 LIMIT $1::int) c
) o
CROSS JOIN LATERAL (
  SELECT count(*) AS overdue FROM (SELECT FROM expected e WHERE e.expectation = x.id AND e.state = 2 LIMIT $1::int) c
) l
LEFT JOIN LATERAL (
  SELECT e.opened_at FROM expected e WHERE e.expectation = x.id AND e.state = 2 ORDER BY e.due_at, e.seq LIMIT 1
) late ON true
LEFT JOIN LATERAL (
  SELECT e.opened_at, e.due_at FROM expected e WHERE e.expectation = x.id AND e.state = 1 ORDER BY e.due_at, e.seq LIMIT 1
) next ON true
WHERE x.removed_at IS NULL
ORDER BY x.name`

interface ExpectationRow extends Omit<Expectation, 'oldestAt' | 'nextDueAt'> {
  oldest_at: DatabaseTime
  next_due_at: DatabaseTime
}

/** The expectations in force, by name. */
export async function listExpectations(database: Database): Promise<Expectation[]> {
  const rows = await database.query<ExpectationRow>({ text: list, values: [maxCounted] })
  return rows.map(({ oldest_at, next_due_at, ...row }) => ({
    ...row,
    oldestAt: iso(oldest_at),
    nextDueAt: iso(next_due_at),
  }))
}

/** How many events are due and not there, over all expectations, up to 10,000. */
export async function overdueCount(database: Database): Promise<number> {
  const [row] = await database.query<{ count: number }>({
    name: 'overdue',
    text: `SELECT count(*) FROM (
             SELECT FROM expectations x CROSS JOIN LATERAL (
               SELECT FROM expected e WHERE e.expectation = x.id AND e.state = 2 LIMIT $1::int) e
             WHERE x.removed_at IS NULL LIMIT $1::int) c`,
    values: [maxCounted],
  })
  return row?.count ?? 0
}

// $1 name, $2 states, $3-$5 after (overdue first: state, due, seq), $6 limit. Both parts go by their own partial index.
const page = `
SELECT e.seq, e.key, e.state, e.opened_at, e.due_at, e.due_at::text AS place,
       CASE e.state WHEN 2 THEN expected_fp(e.expectation, e.key) END AS problem
FROM expectations x
CROSS JOIN LATERAL (
  (SELECT * FROM expected e WHERE e.expectation = x.id AND e.state = 2
     AND ($3::int IS NULL OR $3 = 2 AND (e.due_at, e.seq) > ($4::timestamptz, $5::bigint))
   ORDER BY e.due_at, e.seq LIMIT $6::int)
  UNION ALL
  (SELECT * FROM expected e WHERE e.expectation = x.id AND e.state = 1
     AND ($3::int IS NULL OR $3 = 2 OR (e.due_at, e.seq) > ($4::timestamptz, $5::bigint))
   ORDER BY e.due_at, e.seq LIMIT $6::int)
) e
WHERE x.name = $1 AND x.removed_at IS NULL AND e.state = ANY ($2::int[])
ORDER BY e.state DESC, e.due_at, e.seq LIMIT $6::int`

const states = { open: 1, overdue: 2 } as const

interface AwaitedRow {
  seq: number
  key: string
  state: number
  opened_at: DatabaseTime
  due_at: DatabaseTime
  place: string
  problem: string | null
}

/** One page of what an expectation awaits: overdue first, then by when it is due. Throws `request.not-found`. */
export async function listAwaited(
  database: Database,
  name: string,
  { state, cursor, limit }: AwaitedQuery,
): Promise<AwaitedPage> {
  const place = cursor === undefined ? undefined : placeOf(cursor)
  const rows = await database.query<AwaitedRow>({
    text: page,
    values: [
      name,
      state === undefined ? [1, 2] : [states[state]],
      place?.state ?? null,
      place?.due ?? null,
      place?.seq ?? null,
      limit + 1,
    ],
  })
  if (rows.length === 0) await checkThere(database, name)
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return {
    items: shown.map((row) => ({
      seq: row.seq,
      key: row.key,
      state: row.state === states.overdue ? 'overdue' : 'open',
      openedAt: isoAlways(row.opened_at),
      dueAt: isoAlways(row.due_at),
      problem: row.problem,
    })),
    next: rows.length > limit && last ? cursorOf(last) : null,
  }
}

async function checkThere(database: Database, name: string): Promise<void> {
  const [row] = await database.query<{ there: boolean }>({
    text: 'SELECT EXISTS (SELECT FROM expectations WHERE name = $1 AND removed_at IS NULL) AS there',
    values: [name],
  })
  if (!row?.there) throw new BusbarError('request.not-found', `there is no expectation ${name}`)
}

/** Microseconds and all, as the database writes the moment. */
function cursorOf({ state, place, seq }: AwaitedRow): string {
  return Buffer.from(`${state} ${seq} ${place}`).toString('base64url')
}

function placeOf(cursor: string): { state: number; due: string; seq: number } {
  const [state, seq, ...due] = Buffer.from(cursor, 'base64url').toString().split(' ')
  return { state: Number(state), seq: Number(seq), due: due.join(' ') }
}
