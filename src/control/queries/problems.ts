import type { Database } from '../../journal/database.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Problem, ProblemPage, ProblemsQuery } from '../schema/overview.ts'
import { maxCounted } from './open-counts.ts'

// Open runs are counted on runs_open_by_problem. $1 states, $2-$3 before (last seen, fingerprint), $4 limit, $5 most.
const text = `
SELECT p.fp AS fingerprint, p.system, p.code, p.title, p.state, p.first_seen, p.last_seen, p.last_seen::text AS place,
       p.owner, p.note, c.open, c.parked
FROM (
  SELECT * FROM problems
  WHERE state = ANY ($1::text[]) AND ($2::text IS NULL OR (last_seen, fp) < ($2::timestamptz, $3::text))
  ORDER BY last_seen DESC, fp DESC LIMIT $4::int
) p
CROSS JOIN LATERAL (
  SELECT count(*) AS open, count(*) FILTER (WHERE o.state = 4) AS parked
  FROM (SELECT r.state FROM runs r WHERE r.fp = p.fp AND r.fp IS NOT NULL AND r.state < 10 LIMIT $5::int) o
) c
ORDER BY p.last_seen DESC, p.fp DESC`

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
    text,
    values: [states, place?.at ?? null, place?.fingerprint ?? null, query.limit + 1, maxCounted],
  })
  const page = rows.slice(0, query.limit)
  const last = page.at(-1)
  return {
    items: page.map(problemOf),
    next: rows.length > query.limit && last ? cursorOf(last) : null,
  }
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
