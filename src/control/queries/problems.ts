import type { Database } from '../../journal/database.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Problem, ProblemPage, ProblemsQuery } from '../schema/overview.ts'
import { maxCounted } from './open-counts.ts'

// Open runs are counted on runs_open_by_problem, rejected rows of the outbox on outbox_rejected_by_problem, each problem's
// up to $1. A rejected row needs a person as a parked run does.
const withCounts = `
SELECT p.fp AS fingerprint, p.system, p.code, p.title, p.state, p.first_seen, p.last_seen, p.last_seen::text AS place,
       p.owner, p.note, c.open, c.parked
FROM chosen p
CROSS JOIN LATERAL (
  SELECT count(*) AS open, count(*) FILTER (WHERE o.state = 4) AS parked
  FROM (
    (SELECT r.state FROM runs r WHERE r.fp = p.fp AND r.fp IS NOT NULL AND r.state < 10 LIMIT $1::int)
    UNION ALL
    (SELECT 4::smallint FROM outbox_rejected b WHERE b.fp = p.fp LIMIT $1::int)
  ) o
) c
ORDER BY p.last_seen DESC, p.fp DESC`

// $2 states, $3-$4 before (last seen, fingerprint), $5 limit.
const page = `
WITH chosen AS MATERIALIZED (
  SELECT * FROM problems
  WHERE state = ANY ($2::text[]) AND ($3::text IS NULL OR (last_seen, fp) < ($3::timestamptz, $4::text))
  ORDER BY last_seen DESC, fp DESC LIMIT $5::int
) ${withCounts}`

const one = `WITH chosen AS MATERIALIZED (SELECT * FROM problems WHERE fp = $2::text) ${withCounts}`

interface ProblemRow extends Omit<Problem, 'firstSeen' | 'lastSeen'> {
  first_seen: DatabaseTime
  last_seen: DatabaseTime
  place: string
}

/** One page of problems, last seen first, with their open runs counted by index, not stored. */
export async function listProblems(database: Database, query: ProblemsQuery): Promise<ProblemPage> {
  const states = query.state === 'unresolved' ? ['open', 'acknowledged'] : [query.state]
  const place = query.cursor === undefined ? undefined : placeOf(query.cursor)
  const rows = await database.query<ProblemRow>({
    text: page,
    values: [maxCounted, states, place?.at ?? null, place?.fingerprint ?? null, query.limit + 1],
  })
  const shown = rows.slice(0, query.limit)
  const last = shown.at(-1)
  return {
    items: shown.map(problemOf),
    next: rows.length > query.limit && last ? cursorOf(last) : null,
  }
}

/** The problem with its open runs counted; undefined when there is none. */
export async function findProblem(database: Database, fingerprint: string): Promise<Problem | undefined> {
  const [row] = await database.query<ProblemRow>({ text: one, values: [maxCounted, fingerprint] })
  return row && problemOf(row)
}

function problemOf({ first_seen, last_seen, place: _, ...row }: ProblemRow): Problem {
  return { ...row, firstSeen: isoAlways(first_seen), lastSeen: isoAlways(last_seen) }
}

/** Microseconds and all, as the database writes the moment. */
function cursorOf({ place, fingerprint }: ProblemRow): string {
  return Buffer.from(`${place} ${fingerprint}`).toString('base64url')
}

function placeOf(cursor: string): { at: string; fingerprint: string } {
  const [date = '', time = '', ...rest] = Buffer.from(cursor, 'base64url').toString().split(' ')
  return { at: `${date} ${time}`, fingerprint: rest.join(' ') }
}
