import type { Redaction } from '../../define/redaction.ts'
import type { Database } from '../../journal/database.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import { shownAudit, shownRun } from '../redact.ts'
import type { ProblemDetail } from '../schema/problem.ts'
import type { RunRef } from '../schema/run.ts'
import type { AuditEntry } from '../schema/overview.ts'
import { findProblem } from './problems.ts'
import { findRun } from './run-detail.ts'

// Ranges of runs_open_by_problem: the oldest run of each state, of those the oldest.
const exampleText = `
SELECT f.name AS flow, r.seq, r.gen AS generation
FROM unnest(ARRAY[4, 2, 1, 3]::smallint[]) AS w (state)
CROSS JOIN LATERAL (
  SELECT * FROM runs r WHERE r.fp = $1 AND r.fp IS NOT NULL AND r.state = w.state AND r.state < 10 ORDER BY r.seq LIMIT 1
) r
JOIN flows f ON f.id = r.flow
ORDER BY r.seq LIMIT 1`

const flowsText = `
SELECT f.name AS flow, count(*) AS runs
FROM (SELECT r.flow FROM runs r WHERE r.fp = $1 AND r.fp IS NOT NULL AND r.state < 10 LIMIT 10000) o JOIN flows f ON f.id = o.flow
GROUP BY f.name ORDER BY runs DESC, f.name`

// Of at most 200 of its lanes, by runs_open_by_lane.
const behindText = `
SELECT count(*) AS behind FROM (
  SELECT FROM (SELECT DISTINCT r.grp, r.key FROM (
    SELECT r.grp, r.key FROM runs r WHERE r.fp = $1 AND r.fp IS NOT NULL AND r.state < 10 LIMIT 200) r) k
  JOIN runs o ON o.grp = k.grp AND o.key = k.key AND o.state < 10 WHERE o.state = 1 LIMIT 1000
) b`

/** A problem with what a person needs who has to solve it; undefined when there is none. Bounded queries, one after another. */
export async function findProblemDetail(
  database: Database,
  fingerprint: string,
  redaction: Redaction,
): Promise<ProblemDetail | undefined> {
  const problem = await findProblem(database, fingerprint)
  if (!problem) return undefined
  const values = [fingerprint]
  const [waits] = await database.query<{ behind: number }>({ text: behindText, values })
  const [act] = await database.query<NonNullable<ProblemDetail['bulkAct']>>({
    text: `SELECT id, verb, state FROM bulk_acts WHERE fp = $1 AND state <> 'planned' ORDER BY id DESC LIMIT 1`, // bulk_acts_by_problem
    values,
  })
  return {
    ...problem,
    example: await exampleOf(database, fingerprint, redaction),
    flows: await database.query<ProblemDetail['flows'][number]>({ text: flowsText, values }),
    behind: waits?.behind ?? 0,
    earlier: await earlierOf(database, fingerprint),
    history: await historyOf(database, fingerprint, redaction),
    bulkAct: act ?? null,
  }
}

/** What was sent and answered last, as it may be shown. */
async function exampleOf(
  database: Database,
  fingerprint: string,
  redaction: Redaction,
): Promise<ProblemDetail['example']> {
  const [ref] = await database.query<RunRef>({ text: exampleText, values: [fingerprint] })
  const found = ref && (await findRun(database, ref))
  if (!found) return null
  const { flow, seq, generation, key, message, history } = shownRun(found, redaction)
  const last = history.at(-1)
  return {
    ...{ flow, seq, generation, key, message },
    step: last?.step ?? null,
    attemptAt: last?.at ?? null,
    ms: last?.ms ?? null,
    request: last?.request ?? null,
    response: last?.response ?? null,
  }
}

async function earlierOf(database: Database, fingerprint: string): Promise<ProblemDetail['earlier']> {
  const rows = await database.query<{ since: DatabaseTime; until: DatabaseTime }>({
    text: 'SELECT since, until FROM problem_times WHERE fp = $1 ORDER BY since DESC LIMIT 10',
    values: [fingerprint],
  })
  return rows.map(({ since, until }) => ({ since: isoAlways(since), until: isoAlways(until) }))
}

/** What was done about the problem itself, and by acts on all its runs; on audit_by_object (0028). */
async function historyOf(
  database: Database,
  fingerprint: string,
  redaction: Redaction,
): Promise<AuditEntry[]> {
  const rows = await database.query<Omit<AuditEntry, 'at'> & { at: DatabaseTime }>({
    text: `SELECT a.id, a.at, a.actor, a.verb, a.object, a.reason, a.before, a.after
           FROM (SELECT 'problem ' || $1::text AS object
                 UNION ALL (SELECT 'bulk act ' || b.id FROM bulk_acts b WHERE b.fp = $1 ORDER BY b.id DESC LIMIT 10)) o
           JOIN audit a ON a.object = o.object ORDER BY a.id DESC LIMIT 50`,
    values: [fingerprint],
  })
  return rows.map((row) => shownAudit({ ...row, at: isoAlways(row.at) }, redaction))
}
