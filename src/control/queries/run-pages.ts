import type { Database, Statement } from '../../journal/database.ts'
import type { RunAddress } from './run-facts.ts'

/** Which runs, newest event first, strictly before a place in that order. */
export interface RunFilter {
  readonly flow: string | undefined
  readonly states: readonly number[] | undefined
  /** Id in the table `systems`. */
  readonly system: number | undefined
  readonly key: string | undefined
  readonly problem: string | undefined
  /** Runs of events with at least this seq. */
  readonly fromSeq: number
  readonly before: RunAddress
  readonly limit: number
}

/** A page of addresses. `rest`: where to go on, undefined when everything has been seen. */
export interface AddressPage {
  readonly runs: readonly RunAddress[]
  readonly rest: RunAddress | undefined
}

/** The place before which all runs stand. */
export const runsEnd: RunAddress = { flow: 32_767, seq: Number.MAX_SAFE_INTEGER, gen: 32_767 }

/** Most rows that one page looks at in each index range, so that a rare state among millions of runs costs a bounded scan. */
const maxScan = 2_000

/*
 * Each statement scans a few index ranges, newest first, at most $8 rows of each. Where a range was cut off, nothing at
 * or below its lowest row is complete: the page ends above the highest of these floors, and its reader goes on there.
 * $1 flow, $2 states, $3 system, $4 from seq, $5-$7 before (seq, flow, gen), $8 scan, $9 limit, $10 problem, $11 key.
 */
const floorOfRanges = `
floors AS (
  SELECT max(b.low) AS floor FROM (SELECT min(seq) AS low, count(*) AS n FROM scanned GROUP BY range) b WHERE b.n >= $8::int
)`

const pageAboveFloor = `
SELECT b.floor, p.flow, p.seq, p.gen
FROM floors b LEFT JOIN LATERAL (
  SELECT s.flow, s.seq, s.gen FROM scanned s
  WHERE (b.floor IS NULL OR s.seq > b.floor)
    AND (s.seq, s.flow, s.gen) < ($5::bigint, $6::smallint, $7::smallint)
    AND ($1::text IS NULL OR s.flow = (SELECT f.id FROM flows f WHERE f.name = $1))
    AND ($2::smallint[] IS NULL OR s.state = ANY ($2))
    AND ($3::smallint IS NULL OR s.system = $3)
    AND ($10::text IS NULL OR s.fp = $10 AND s.state < 10)
  ORDER BY s.seq DESC, s.flow DESC, s.gen DESC LIMIT $9::int
) p ON true
ORDER BY p.seq DESC, p.flow DESC, p.gen DESC`

const columns = 'r.flow, r.seq, r.gen, r.state, r.system, r.fp'

// One range per flow, on the primary key (flow, seq, gen).
const byFlow = `
WITH scanned AS MATERIALIZED (
  SELECT r.*, f.id::int AS range FROM flows f CROSS JOIN LATERAL (
    SELECT ${columns} FROM runs r
    WHERE r.flow = f.id AND r.seq >= $4::bigint AND r.seq <= $5::bigint
    ORDER BY r.seq DESC, r.gen DESC LIMIT $8::int
  ) r WHERE $1::text IS NULL OR f.name = $1
), ${floorOfRanges} ${pageAboveFloor}`

// One range per flow and open state, on runs_open_by_state (state, flow, seq).
const byOpenState = `
WITH scanned AS MATERIALIZED (
  SELECT r.*, f.id::int * 16 + w.state AS range
  FROM flows f CROSS JOIN unnest($2::smallint[]) AS w (state) CROSS JOIN LATERAL (
    SELECT ${columns} FROM runs r
    WHERE r.state = w.state AND r.state < 10 AND r.flow = f.id AND r.seq >= $4::bigint AND r.seq <= $5::bigint
    ORDER BY r.seq DESC LIMIT $8::int
  ) r WHERE $1::text IS NULL OR f.name = $1
), ${floorOfRanges} ${pageAboveFloor}`

// One range, on runs_open_by_problem.
const byProblem = `
WITH scanned AS MATERIALIZED (
  SELECT ${columns}, 0 AS range FROM runs r
  WHERE r.fp = $10::text AND r.fp IS NOT NULL AND r.state < 10 AND r.seq >= $4::bigint AND r.seq <= $5::bigint
  ORDER BY r.seq DESC LIMIT $8::int
), ${floorOfRanges} ${pageAboveFloor}`

// One range of events, on events_by_key (key, seq), then a probe of the primary key per flow.
const byKey = `
WITH keyed AS MATERIALIZED (
  SELECT e.seq FROM events e
  WHERE e.key = $11::text AND e.seq >= $4::bigint AND e.seq <= $5::bigint
  ORDER BY e.seq DESC LIMIT $8::int
), scanned AS MATERIALIZED (
  SELECT ${columns} FROM keyed k CROSS JOIN flows f JOIN runs r ON r.flow = f.id AND r.seq = k.seq
), floors AS (
  SELECT CASE WHEN count(*) >= $8::int THEN min(k.seq) END AS floor FROM keyed k
) ${pageAboveFloor}`

/** One page of runs. It may hold fewer than asked, even none, and still have a rest: scans are bounded. */
export async function runPage(database: Database, filter: RunFilter): Promise<AddressPage> {
  const rows = await database.query<{ floor: number | null } & Partial<RunAddress>>(pageStatement(filter))
  const runs = rows.filter((row): row is { floor: number | null } & RunAddress => typeof row.seq === 'number')
  const page = runs.slice(0, filter.limit).map(({ flow, seq, gen }) => ({ flow, seq, gen }))
  if (runs.length > filter.limit) return { runs: page, rest: page.at(-1) }
  const floor = rows[0]?.floor ?? null
  return { runs: page, rest: floor === null ? undefined : { flow: 0, seq: floor + 1, gen: 0 } }
}

/** The narrowest index that the filter allows; what it does not cover is looked at row by row, up to the scan's bound. */
function pageStatement(filter: RunFilter): Statement {
  const { states, key, problem, before } = filter
  const open = states?.every((state) => state < 10) ?? false
  const text = key !== undefined ? byKey : problem !== undefined ? byProblem : open ? byOpenState : byFlow
  const covered =
    filter.system === undefined && (text === byOpenState || (text === byFlow && states === undefined))
  const values: unknown[] = [
    filter.flow ?? null,
    states ?? null,
    filter.system ?? null,
    filter.fromSeq,
    before.seq,
    before.flow,
    before.gen,
    covered ? filter.limit + 50 : maxScan,
    filter.limit + 1,
    problem ?? null,
  ]
  return { text, values: text === byKey ? [...values, key] : values }
}

/** The seq bound of a moment: events received at or after it have at least this seq. */
export async function seqAt(database: Database, moment: string): Promise<number> {
  const [row] = await database.query<{ seq: number }>({ text: 'SELECT seq_at($1) AS seq', values: [moment] })
  return row?.seq ?? 0
}

/** The id of a system, undefined when there is none of this name. */
export async function systemId(database: Database, name: string): Promise<number | undefined> {
  const [row] = await database.query<{ id: number }>({
    text: 'SELECT id FROM systems WHERE name = $1',
    values: [name],
  })
  return row?.id
}
