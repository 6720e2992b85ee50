import type { Database } from '../../journal/database.ts'
import type { RegisteredStep } from '../../journal/port.ts'
import { explainRun } from '../explain.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Attempt, Lane, Run, RunDetail, RunPage, RunRef, RunsQuery } from '../schema/run.ts'
import { stateCodes, stateWord } from '../state-word.ts'
import { eventContent } from './events.ts'
import { stepsOf } from './steps.ts'
import { runRecords } from './run-facts.ts'
import type { RunAddress, RunRecord } from './run-facts.ts'
import { runPage, runsEnd, seqAt, systemId } from './run-pages.ts'

/** One page of runs, newest event first; see `RunPage`. A filter by a system that nobody declared finds nothing. */
export async function listRuns(database: Database, query: RunsQuery): Promise<RunPage> {
  const { runs, next } = await listAddresses(database, query)
  const records = await runRecords(database, runs)
  return { items: records.map(runOf), next }
}

/** The same page, addresses only: what acts on many runs need. */
export async function listAddresses(
  database: Database,
  query: RunsQuery,
): Promise<{ readonly runs: readonly RunAddress[]; readonly next: string | null }> {
  const system = query.system === undefined ? undefined : await systemId(database, query.system)
  if (query.system !== undefined && system === undefined) return { runs: [], next: null }
  const page = await runPage(database, {
    flow: query.flow,
    states: stateCodes(query.state),
    system,
    key: query.key,
    problem: query.problem,
    fromSeq: query.from === undefined ? 0 : await seqAt(database, query.from),
    before: await startOf(database, query),
    limit: query.limit,
  })
  return { runs: page.runs, next: page.rest === undefined ? null : cursorOf(page.rest) }
}

/** The cursor, or the end of the time asked for, whichever comes first in a list that starts with the newest. */
async function startOf(database: Database, query: RunsQuery): Promise<RunAddress> {
  const cursor = query.cursor === undefined ? runsEnd : parseCursor(query.cursor)
  if (query.to === undefined) return cursor
  const seq = await seqAt(database, query.to)
  return seq < cursor.seq ? { flow: 0, seq, gen: 0 } : cursor
}

function cursorOf({ seq, flow, gen }: RunAddress): string {
  return `${seq}-${flow}-${gen}`
}

function parseCursor(cursor: string): RunAddress {
  const [seq = 0, flow = 0, gen = 0] = cursor.split('-').map(Number)
  return {
    flow: Math.min(flow, runsEnd.flow),
    seq: Math.min(seq, runsEnd.seq),
    gen: Math.min(gen, runsEnd.gen),
  }
}

/** The run whole; undefined when it has no row: there is no such flow or event, or the flow has not reached it. */
export async function findRun(database: Database, ref: RunRef): Promise<RunDetail | undefined> {
  const [flow] = await database.query<FlowRow>({
    text: `SELECT id, declaration -> 'steps' AS steps FROM flows WHERE name = $1`,
    values: [ref.flow],
  })
  if (!flow) return undefined
  const address = { flow: flow.id, seq: ref.seq, gen: ref.generation }
  const [record] = await runRecords(database, [address])
  const event = record && (await eventContent(database, ref.seq))
  if (!record || !event) return undefined
  return {
    ...runOf(record),
    event,
    steps: await stepsOf(database, { record, declared: flow.steps ?? [], address }),
    history: await attemptsOf(database, address),
    lane: await laneOf(database, record, address),
  }
}

interface FlowRow {
  readonly id: number
  readonly steps: readonly RegisteredStep[] | null
}

/** A run as lists show it. */
export function runOf(record: RunRecord): Run {
  const { flow, seq, generation, group, key, type, source, eventId, receivedAt } = record
  return {
    flow,
    seq,
    generation,
    state: stateWord(record.state),
    group,
    key,
    type,
    source,
    eventId,
    receivedAt,
    system: record.system?.name ?? null,
    tries: record.tries,
    attempts: record.attempts,
    firstAt: record.firstAt,
    endedAt: record.endedAt,
    nextAt: record.nextAt,
    ms: record.ms,
    status: record.status,
    code: record.code,
    message: record.message,
    problem: record.problem,
    reason: record.reason,
    ...explainRun(record),
  }
}

type AttemptRow = Omit<Attempt, 'at'> & { readonly at: DatabaseTime }

/** The newest 200 attempts, oldest first. The primary key begins with the run. */
async function attemptsOf(database: Database, run: RunAddress): Promise<Attempt[]> {
  const rows = await database.query<AttemptRow>({
    text: `SELECT step, no AS number, kind, outcome, at, ms, status, code, message, request, response, worker
           FROM attempts WHERE flow = $1 AND seq = $2 AND gen = $3 ORDER BY no DESC, at DESC LIMIT 200`,
    values: [run.flow, run.seq, run.gen],
  })
  return rows.map((row) => ({ ...row, at: isoAlways(row.at) })).reverse()
}

/** The lane of an open run, and how many open runs stand before this one in it (runs_open_by_lane). */
async function laneOf(database: Database, record: RunRecord, run: RunAddress): Promise<Lane | null> {
  if (record.laneKey === null || record.state === null || record.state >= 10) return null
  const [row] = await database.query<{ before: number }>({
    text: `SELECT count(*) AS before FROM (
             SELECT FROM runs o JOIN runs r ON r.flow = $1 AND r.seq = $2 AND r.gen = $3
             WHERE o.grp = r.grp AND o.key = r.key AND o.state < 10 AND o.holds
               AND (o.lord, o.seq, o.ord) < (r.lord, r.seq, r.ord) LIMIT 1000
           ) w`,
    values: [run.flow, run.seq, run.gen],
  })
  const { head } = record
  return {
    group: record.group,
    key: record.laneKey,
    head: head && {
      flow: head.flow,
      seq: head.seq,
      generation: head.generation,
      state: stateWord(head.state),
    },
    nextAt: record.laneNextAt,
    awaits: record.awaits,
    reason: record.laneReason,
    before: row?.before ?? 0,
  }
}
