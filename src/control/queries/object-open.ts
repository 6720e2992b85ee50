import type { Database } from '../../journal/database.ts'
import { explainRun } from '../explain.ts'
import type { OpenFact } from '../explain-object.ts'
import { iso } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { ExpectedEvent } from '../schema/object.ts'
import { stateWord } from '../state-word.ts'
import { eventRuns, runRecords } from './run-facts.ts'
import type { RunAddress, RunRecord } from './run-facts.ts'

/** Most open runs of an object that are told of. */
const maxOpen = 100

// runs_open_by_lane (grp, key, lord, seq, ord): one range for each lane group. A run without order has a lane of its own,
// and is found among the runs of the newest events.
const openText = `
SELECT r.flow, r.seq, r.gen FROM (SELECT DISTINCT f.grp FROM flows f) g CROSS JOIN LATERAL (
  SELECT r.flow, r.seq, r.gen FROM runs r
  WHERE r.grp = g.grp AND r.key = $1::text AND r.state < 10 ORDER BY r.lord, r.seq, r.ord LIMIT ${maxOpen}
) r ORDER BY r.seq LIMIT ${maxOpen}`

// The primary key of attempts begins with the run; the newest step that has failed or waits.
const whereText = `
SELECT a.place,
       (SELECT max(t.at) FROM attempts t WHERE t.flow = a.flow AND t.seq = a.seq AND t.gen = a.gen) AS tried_at,
       (SELECT s.step FROM steps s WHERE s.flow = a.flow AND s.seq = a.seq AND s.gen = a.gen AND s.state < 10
        ORDER BY s.state DESC, s.first_at LIMIT 1) AS step
FROM unnest($1::smallint[], $2::bigint[], $3::smallint[]) WITH ORDINALITY AS a (flow, seq, gen, place)
ORDER BY a.place`

/** A run that is not over, with all that explains it. */
export type OpenRunFact = OpenFact & {
  readonly record: RunRecord
  readonly step: string | null
  readonly problem: string | null
}

/** The runs of an object that are not over, first in the log first; those of its newest events may be pending. */
export async function openRuns(
  database: Database,
  { key, newest }: { readonly key: string; readonly newest: readonly number[] },
): Promise<OpenRunFact[]> {
  const addresses = await database.query<RunAddress>({ text: openText, values: [key] })
  const held = await runRecords(database, addresses)
  const recent = [...(await eventRuns(database, newest)).values()].flat()
  const known = new Set(held.map(nameOf))
  const records = [
    ...held,
    ...recent.filter((run) => (run.state === null || run.state < 10) && !known.has(nameOf(run))),
  ].sort((one, other) => one.seq - other.seq)
  const rows = await database.query<{ tried_at: DatabaseTime; step: string | null }>({
    text: whereText,
    values: [
      records.map(({ flowId }) => flowId),
      records.map(({ seq }) => seq),
      records.map(({ generation }) => generation),
    ],
  })
  return records.map((record, index) => ({
    record,
    flow: record.flow,
    seq: record.seq,
    generation: record.generation,
    state: stateWord(record.state),
    system: record.system?.name ?? null,
    step: rows[index]?.step ?? null,
    problem: record.problem,
    message: record.message,
    triedAt: iso(rows[index]?.tried_at ?? null),
    ...explainRun(record),
  }))
}

function nameOf({ flow, seq, generation }: RunRecord): string {
  return `${flow}/${seq}/${generation}`
}

// expected_by_key (expectation, key), one range for each expectation.
const expectedText = `
SELECT x.name, x.declaration ->> 'expected' AS expected, x.declaration ->> 'after' AS after, e.seq, e.state, e.opened_at, e.due_at,
       CASE e.state WHEN 2 THEN expected_fp(x.id, e.key) END AS problem
FROM expectations x CROSS JOIN LATERAL (
  SELECT e.seq, e.key, e.state, e.opened_at, e.due_at FROM expected e
  WHERE e.expectation = x.id AND e.key = $1::text AND e.state < 10 ORDER BY e.due_at LIMIT ${maxOpen}
) e
WHERE x.removed_at IS NULL
ORDER BY e.due_at, e.seq LIMIT ${maxOpen}`

interface ExpectedRow extends Omit<ExpectedEvent, 'state' | 'openedAt' | 'dueAt'> {
  readonly state: number
  readonly opened_at: DatabaseTime
  readonly due_at: DatabaseTime
}

/** What must follow events of an object and has not come, first due first. */
export async function expectedOf(database: Database, key: string): Promise<ExpectedEvent[]> {
  const rows = await database.query<ExpectedRow>({ text: expectedText, values: [key] })
  return rows.map(({ state, opened_at, due_at, ...row }) => ({
    ...row,
    state: state === 2 ? 'overdue' : 'open',
    openedAt: iso(opened_at) ?? '',
    dueAt: iso(due_at) ?? '',
  }))
}
