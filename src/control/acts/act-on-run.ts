import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import { explainRun } from '../explain.ts'
import { missingRun, recordOf } from '../queries/missing-run.ts'
import type { ActResult, RunRef } from '../schema/run.ts'
import { plain, runId } from '../sentence.ts'
import { stateWord } from '../state-word.ts'

/** What a person does to a run. */
export interface RunAct {
  readonly verb: 'retry' | 'skip' | 'compensate'
  readonly run: RunRef
  /** Stands in the audit trail. */
  readonly actor: string
  readonly reason: string | null
  /** Retry although the effect may have happened and cannot be looked up: it may happen twice. Default false. */
  readonly mayDouble?: boolean
}

interface ActRow {
  readonly result: 'done' | 'refused' | 'ended' | 'absent'
  readonly state_before: number | null
  readonly state_after: number | null
}

const text = `
SELECT a.result, a.state_before, a.state_after
FROM flows f
CROSS JOIN LATERAL act_on_runs($2, ARRAY[f.id], ARRAY[$3::bigint], ARRAY[$4::smallint], $5, $6, $7) a
WHERE f.name = $1`

/**
 * Retries a run (waits no longer, tries counted anew when it was parked; same idempotency keys), skips it for good, or has
 * it undone (one of several steps, also when it has succeeded), in one transaction with its audit row. Throws `act.refused` with the reason when the run's state does not allow it, and
 * `request.not-found` when there is no such run.
 */
export async function actOnRun(database: Database, act: RunAct): Promise<ActResult> {
  const { verb, run, actor, reason, mayDouble = false } = act
  const [row] = await database.query<ActRow>({
    text,
    values: [run.flow, verb, run.seq, run.generation, mayDouble, actor, reason],
  })
  if (row?.result !== 'done') throw await refusal(database, act)
  return { ...run, before: stateWord(row.state_before), after: stateWord(row.state_after) }
}

const verbs = { retry: 'retried', skip: 'skipped', compensate: 'compensated' } as const

/** Why the act does not fit: what the run says of itself, now. */
async function refusal(database: Database, { verb, run }: RunAct): Promise<BusbarError> {
  const name = runId(run)
  const record = await recordOf(database, run)
  if (!record) return missingRun(database, run)
  const state = stateWord(record.state)
  const why = plain(explainRun(record).why, (at) => at)
  const ended = record.state !== null && record.state >= 10
  const refused = ended
    ? `run ${name} has ended and cannot be ${verbs[verb]}: ${why}`
    : `run ${name} cannot be ${verbs[verb]} while it is ${state}: ${why}`
  return new BusbarError('act.refused', refused, { details: { run: name, state } })
}
