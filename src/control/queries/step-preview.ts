import type { Redaction } from '../../define/redaction.ts'
import { redacted } from '../../define/secrets.ts'
import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import type { StoredEvent } from '../../journal/port.ts'
import { stepRefusal } from '../acts/act-on-step.ts'
import { bodyDifferences, compareRequests } from '../compare-requests.ts'
import { parseExactly } from '../exact-json.ts'
import { explainTry } from '../explain-try.ts'
import type { FlowCode, RunToPreview, StepToSend } from '../flow-code.ts'
import { iso } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { PreviewedStep } from '../schema/replay.ts'
import type { RunRef } from '../schema/run.ts'
import type { StepPreview } from '../schema/step-preview.ts'
import { stateWord } from '../state-word.ts'
import { missingRun, recordOf } from './missing-run.ts'
import { declaredStep } from './steps.ts'
import type { RegisteredStep } from '../../journal/port.ts'

/** A step, and what it would be given. */
export interface StepToPreview {
  readonly run: RunRef
  readonly step: string
  /** Left out: what it has now. */
  readonly data?: unknown
  readonly code: FlowCode | undefined
}

interface Row extends Omit<StoredEvent, 'receivedAt'> {
  readonly received_at: number
  readonly state: number
  readonly key_gen: number
  readonly compensating: boolean
  readonly steps: readonly RegisteredStep[] | null
  readonly results: Readonly<Record<string, string | null>> | null
  readonly input: string | null
  readonly key_no: number
  readonly request: string | null
  readonly sent_at: DatabaseTime
  readonly refusal: string | null
  readonly behind: number
}

// Primary keys, and runs_open_by_lane for those behind it. What is asked of an edit is what act_on_step itself asks.
const text = `
SELECT e.seq, e.source, e.id, e.type, e.key, e.khash, extract(epoch FROM e.received_at)::double precision * 1000 AS received_at,
       e.data, e.ext, r.state, coalesce(r.key_gen, r.gen) AS key_gen, r.compensating, f.declaration -> 'steps' AS steps,
       (SELECT jsonb_object_agg(d.step, d.result) FROM steps d
        WHERE d.flow = r.flow AND d.seq = r.seq AND d.gen = r.gen AND d.state = 10) AS results,
       s.input, coalesce(s.key_no, 0) AS key_no, a.request, a.at AS sent_at,
       step_act_refusal(r, s, 'edit',
         s.maybe_at IS NOT NULL OR NOT x.has_steps AND r.maybe_at IS NOT NULL
           OR (s.state IS NULL OR s.state IN (1, 2)) AND may_be_under_way(r, $4)) AS refusal,
       (SELECT count(*) FROM (SELECT FROM runs o WHERE o.grp = r.grp AND o.key = r.key AND o.state < 10
          AND (o.lord, o.seq, o.ord) > (r.lord, r.seq, r.ord) LIMIT 1000) b) AS behind
FROM flows f
JOIN runs r ON r.flow = f.id AND r.seq = $2::bigint AND r.gen = $3::smallint
JOIN events e ON e.seq = r.seq
LEFT JOIN steps s ON s.flow = r.flow AND s.seq = r.seq AND s.gen = r.gen AND s.step = $4::text
CROSS JOIN LATERAL (
  SELECT EXISTS (SELECT FROM steps s WHERE s.flow = r.flow AND s.seq = r.seq AND s.gen = r.gen) AS has_steps
) x
LEFT JOIN LATERAL (
  SELECT t.request, t.at FROM attempts t
  WHERE t.flow = r.flow AND t.seq = r.seq AND t.gen = r.gen AND t.step = $4 AND t.kind = 'send' AND t.request IS NOT NULL
  ORDER BY t.no DESC LIMIT 1
) a ON true
WHERE f.name = $1`

/**
 * What a step would send if it were tried now, with other data or with what it has, beside what it sent the last time.
 * Runs the step's code up to its first request; nothing is sent and nothing is changed. Throws `request.not-found` for a
 * run that is not there, `request.invalid` for a step that the flow does not have.
 */
export async function previewStep(
  database: Database,
  redaction: Redaction,
  { run, step, data, code }: StepToPreview,
): Promise<StepPreview> {
  const [row] = await database.query<Row>({ text, values: [run.flow, run.seq, run.generation, step] })
  if (!row) throw await missingRun(database, run)
  const declared = (row.steps ?? []).map(declaredStep)
  const own = declared.find(({ name }) => name === step)
  if (!own) throw unknownStep(run, step, declared)
  const edited = data !== undefined
  const before = parseExactly(row.input ?? row.data)
  const now = edited ? redaction.restore(row.type, data, before) : before
  const recorded = row.request === null ? null : redaction.conceal(row.type, before)(row.request)
  const known = code?.(run.flow)
  const keyOf = (no: number) =>
    known?.idempotencyKey({
      event: row,
      keyGen: row.key_gen,
      compensating: row.compensating,
      step,
      keyNo: no,
    }) ?? null
  const input = edited ? JSON.stringify(now) : row.input
  const keyNo = edited ? row.key_no + 1 : row.key_no
  const shown = await known?.preview([runOf(row, { step, input, keyNo })])
  const record = await recordOf(database, run)
  return {
    run,
    ...beside(shown?.[0]?.[0] ?? unknownCode(step, own.system, run.flow), recorded),
    sentAt: iso(row.sent_at),
    input: shownChange(redaction, row.type, { before, now }),
    keys: { before: keyOf(row.key_no), now: keyOf(keyNo) },
    refused:
      edited && row.refusal !== null
        ? stepRefusal(row.refusal, { run, step, state: stateWord(row.state) })
        : null,
    happens: record ? explainTry({ record, step: own, declared, edited, behind: row.behind }) : [],
  }
}

/** A marked field that was changed is told as changed, and neither value is. */
function shownChange(
  redaction: Redaction,
  type: string,
  real: { readonly before: unknown; readonly now: unknown },
): StepPreview['input'] {
  const before = redaction.data(type, real.before)
  const now = redaction.data(type, real.now)
  const shown = bodyDifferences(before, now, '')
  const hidden = bodyDifferences(real.before, real.now, '').flatMap(({ field }) =>
    shown.some((each) => each.field === field) ? [] : [{ field, before: redacted, now: redacted }],
  )
  return { before, now, differences: [...shown, ...hidden].slice(0, 50) }
}

function unknownStep(run: RunRef, step: string, declared: readonly { readonly name: string }[]): BusbarError {
  const names = declared.map(({ name }) => name).join(', ')
  return new BusbarError('request.invalid', `flow ${run.flow} has no step ${step}; its steps are ${names}`)
}

function runOf(
  row: Row,
  { step, input, keyNo }: { readonly step: string; readonly input: string | null; readonly keyNo: number },
): RunToPreview {
  const { seq, source, id, type, key, khash, data, ext } = row
  const given = Object.entries(row.results ?? {}).map(([name, result]): [string, unknown] => [
    name,
    result === null ? null : (JSON.parse(result) as unknown),
  ])
  return {
    event: { seq, source, id, type, key, khash, data, ext, receivedAt: row.received_at },
    keyGen: row.key_gen,
    results: new Map(given),
    only: step,
    keyNo,
    ...(input !== null && { edits: new Map([[step, input]]) }),
  }
}

function unknownCode(step: string, system: string | null, flow: string): StepToSend {
  const why = `the code of flow ${flow} is not in this process, so nobody can say what would be sent`
  return { step, system: system ?? '', request: undefined, skipped: false, why }
}

/** A step's next request beside the one that is recorded. */
export function beside(
  { step, system, request, skipped, why }: StepToSend,
  recorded: string | null,
): PreviewedStep {
  const common = { step, system, why: why ?? null, request: request ?? null, recorded, differences: [] }
  if (request === undefined) return { ...common, result: skipped ? 'skipped' : 'not-shown' }
  if (recorded === null) return { ...common, result: 'not-recorded' }
  return { ...common, ...compareRequests(recorded, request) }
}
