import type { Database } from '../journal/database.ts'

/** What an event of a world must be followed by, as a test sees it. */
export interface WorldExpected {
  readonly expectation: string
  /** The event that opened it. */
  readonly seq: number
  /** The object. */
  readonly key: string
  readonly state: 'open' | 'overdue' | 'late' | 'cancelled'
  readonly dueAt: Date
  /** The expected event, where it came late. */
  readonly metSeq: number | null
}

/** A problem as a test sees it. */
export interface WorldProblem {
  readonly system: string
  readonly code: string
  readonly title: string
  readonly state: 'open' | 'acknowledged' | 'resolved' | 'ignored'
}

/** What is awaited, in log order. */
export function expectedOf(database: Database): Promise<WorldExpected[]> {
  return database.query<WorldExpected>({
    text: `SELECT x.name AS expectation, e.seq, e.key, e.due_at AS "dueAt", e.met_seq AS "metSeq",
                  CASE e.state WHEN 1 THEN 'open' WHEN 2 THEN 'overdue' WHEN 10 THEN 'late' ELSE 'cancelled' END AS state
           FROM expected e JOIN expectations x ON x.id = e.expectation ORDER BY e.seq, x.name`,
  })
}

/** All problems, first seen first. */
export function problemsOf(database: Database): Promise<WorldProblem[]> {
  return database.query<WorldProblem>({
    text: 'SELECT system, code, title, state FROM problems ORDER BY first_seen, fp',
  })
}
