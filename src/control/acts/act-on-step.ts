import { BusbarError } from '../../errors.ts'
import type { Redaction } from '../../define/redaction.ts'
import type { Database } from '../../journal/database.ts'
import type { RegisteredStep } from '../../journal/port.ts'
import { parseExactly } from '../exact-json.ts'
import { missingRun, recordOf } from '../queries/missing-run.ts'
import type { StepActResult } from '../schema/act.ts'
import type { RunRef } from '../schema/run.ts'
import { runId } from '../sentence.ts'
import { stateWord } from '../state-word.ts'

/** What a person does to one step of a run. */
export interface StepAct {
  readonly act: StepActResult['act']
  readonly run: RunRef
  readonly step: string
  /** The edited data, the result, or the approval. */
  readonly data?: unknown
  /** Stands in the audit trail. */
  readonly actor: string
  readonly reason: string | null
}

/** As for results that steps give themselves. */
const maxDataBytes = 65_536

/**
 * Edits a step's data and tries it again under a new idempotency key, says what it gave, leaves it out, approves or refuses
 * what it waits for, or what failed because nobody did in time or somebody refused it; in one transaction with its audit
 * row, and the run goes on. While the run is being undone, a result says what there is to undo, and a step that is left out
 * stays as it is. Throws `act.refused` with the reason,
 * `request.invalid` for data that cannot be kept or a step that the flow does not have, and `request.not-found`.
 */
export async function actOnStep(
  database: Database,
  redaction: Redaction,
  act: StepAct,
): Promise<StepActResult> {
  const { run, step, actor, reason } = act
  await checkStep(database, act)
  const known = await knownStep(database, act)
  const data = dataText({ ...act, data: restored(redaction, act, known) })
  const [row] = await database.query<{ result: string }>({
    text: `SELECT act_on_step(f.id, $2::bigint, $3::smallint, $4, $5, $6, $7, $8, $9::jsonb) AS result
           FROM flows f WHERE f.name = $1`,
    values: [
      ...[run.flow, run.seq, run.generation, step, act.act, data, actor, reason],
      JSON.stringify(auditedData(redaction, { known, data, act })),
    ],
  })
  if (row?.result !== 'done') throw await refusal(database, act, row?.result)
  const record = await recordOf(database, run)
  return { ...run, step, act: act.act, state: stateWord(record?.state ?? null) }
}

/** What the step has now, and the event's data, JSON texts. */
interface KnownStep {
  readonly type: string
  readonly data: string
  readonly input: string | null
  readonly result: string | null
}

async function knownStep(database: Database, { run, step }: StepAct): Promise<KnownStep | undefined> {
  const [known] = await database.query<KnownStep>({
    text: `SELECT e.type, e.data, s.input, s.result
           FROM events e JOIN flows f ON f.name = $1
           LEFT JOIN steps s ON s.flow = f.id AND s.seq = e.seq AND s.gen = $3::smallint AND s.step = $4
           WHERE e.seq = $2::bigint`,
    values: [run.flow, run.seq, run.generation, step],
  })
  return known
}

/** What is hidden in edited data stays as it was; a result has nothing that could be put back. */
function restored(redaction: Redaction, { act, data }: StepAct, known: KnownStep | undefined): unknown {
  if (!known || (act !== 'edit' && act !== 'result')) return data
  const original = act === 'edit' ? parseExactly(known.input ?? known.data) : undefined
  return redaction.restore(known.type, data, original)
}

/** The data of the act and what they replace, as the audit trail keeps them: without what must not be shown. */
function auditedData(
  redaction: Redaction,
  { known, data, act }: { known: KnownStep | undefined; data: string | null; act: StepAct },
) {
  if (!known) return {}
  const { type, input, result } = known
  const conceal = redaction.conceal(type, JSON.parse(known.data))
  const shown = (text: string | null, isInput: boolean) => {
    if (text === null) return null
    const value = parseExactly(text)
    return JSON.stringify(isInput ? redaction.data(type, value) : redaction.concealIn(value, conceal))
  }
  return {
    seen: { input, result },
    input: shown(input, true),
    result: shown(result, false),
    data: shown(data, act.act === 'edit'),
  }
}

/** Every digit as it came: see `parseExactly`. */
function dataText({ act, data }: StepAct): string | null {
  if (act === 'skip' || act === 'refuse') return null
  const text = JSON.stringify(data ?? null)
  const bytes = Buffer.byteLength(text)
  if (bytes > maxDataBytes)
    throw new BusbarError(
      'request.invalid',
      `the ${act} has ${bytes} bytes; at most ${maxDataBytes} are kept`,
    )
  return text.toWellFormed()
}

async function checkStep(database: Database, { run, step, act }: StepAct): Promise<void> {
  const [flow] = await database.query<{ steps: readonly RegisteredStep[] | null }>({
    text: `SELECT declaration -> 'steps' AS steps FROM flows WHERE name = $1`,
    values: [run.flow],
  })
  if (!flow) throw await missingRun(database, run)
  const steps = flow.steps ?? []
  const declared = steps.find(({ name }) => name === step)
  if (!declared) {
    const names = steps.map(({ name }) => name).join(', ')
    throw new BusbarError('request.invalid', `flow ${run.flow} has no step ${step}; its steps are ${names}`)
  }
  const decides = act === 'approve' || act === 'refuse'
  const isApproval = declared.kind === 'approve'
  if (decides !== isApproval && (decides || act !== 'skip'))
    throw new BusbarError(
      'act.refused',
      decides
        ? `step ${step} is no approval: there is nothing to ${act}`
        : `step ${step} is an approval: approve it or refuse it`,
    )
}

/** Why the act does not fit, in words. */
async function refusal(database: Database, act: StepAct, result: string | undefined): Promise<BusbarError> {
  const { run, step } = act
  const name = runId(run)
  const record = await recordOf(database, run)
  if (!record || result === undefined) return missingRun(database, run)
  const state = stateWord(record.state)
  const why = stepRefusal(result, { run, step, state })
  return new BusbarError('act.refused', `run ${name}: ${why}`, { details: { run: name, state } })
}

/** Why `act_on_step` refuses an act, in words. */
export function stepRefusal(
  result: string,
  { run, step, state }: { readonly run: RunRef; readonly step: string; readonly state: string },
): string {
  const words: Readonly<Record<string, string>> = {
    absent: `event ${run.seq} has not been reached by flow ${run.flow} yet`,
    ended: `it has ended: it is ${state}`,
    running: 'it is being worked on just now; try again in a moment',
    compensating: 'what it has done is being undone, so nothing of it goes forward any more',
    'not-waiting': `step ${step} does not wait for a decision now`,
    'done-already': `step ${step} is done, or left out, already`,
    'result-known': `what step ${step} gave is known, and is being undone: retry its undo, or skip the step to leave it as it is`,
    'in-doubt': `nobody knows whether the last request of step ${step} has had its effect, so another one might double it: supply its result if it is there, or retry with mayDouble`,
  }
  return words[result] ?? result
}
