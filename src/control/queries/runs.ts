import type { Database } from '../../journal/database.ts'
import { explainRun } from '../explain.ts'
import type { Run, RunPage, RunsQuery } from '../schema/run.ts'
import { stateCodes, stateWord } from '../state-word.ts'
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
