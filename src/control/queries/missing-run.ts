import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import { explainRun } from '../explain.ts'
import type { RunRef } from '../schema/run.ts'
import { plain, runId } from '../sentence.ts'
import { eventRuns } from './run-facts.ts'
import type { RunRecord } from './run-facts.ts'

/** What is known of a run, also of one that its flow has not reached (`state` null); undefined when there is no such run. */
export async function recordOf(database: Database, run: RunRef): Promise<RunRecord | undefined> {
  const records = (await eventRuns(database, [run.seq])).get(run.seq)
  return records?.find((one) => one.flow === run.flow && one.generation === run.generation)
}

/** Why there is no run to show: `request.not-found`, in words that tell an unreached one from one that will never be. */
export async function missingRun(database: Database, run: RunRef): Promise<BusbarError> {
  const name = runId(run)
  const record = await recordOf(database, run)
  const message = record
    ? `run ${name} is pending: ${plain(explainRun(record).why, (at) => at)}`
    : `there is no run ${name}: no such flow or event, or the flow does not take it`
  return new BusbarError('request.not-found', message, {
    details: { run: name, ...(record && { state: 'pending' }) },
  })
}
