import type { Database } from '../../journal/database.ts'
import type { RunDetail, Step } from '../schema/run.ts'
import { stepActs } from '../schema/run.ts'
import type { RunAddress } from './run-facts.ts'

/** What a person may do to a run as things stand. */
export interface PossibleActs {
  readonly run: RunDetail['acts']
  /** By step. */
  readonly steps: ReadonlyMap<string, Step['acts']>
  readonly compensating: boolean
  /** The generation whose idempotency keys it sends. */
  readonly keyGen: number
}

interface Row {
  readonly state: number
  readonly awaits: string | null
  readonly compensating: boolean
  readonly key_gen: number
  readonly has_steps: boolean
  readonly possible: readonly { readonly step: string; readonly verb: Step['acts'][number] }[] | null
}

// step_act_refusal and may_be_under_way are what act_on_step itself asks, so that both say the same.
const text = `
SELECT r.state, r.awaits, r.compensating, coalesce(r.key_gen, r.gen) AS key_gen, x.has_steps, p.possible
FROM runs r
CROSS JOIN LATERAL (
  SELECT EXISTS (SELECT FROM steps s WHERE s.flow = r.flow AND s.seq = r.seq AND s.gen = r.gen) AS has_steps
) x
CROSS JOIN LATERAL (
  SELECT jsonb_agg(jsonb_build_object('step', d.name, 'verb', v.verb)) AS possible
  FROM unnest($4::text[]) AS d (name)
  LEFT JOIN steps s ON s.flow = r.flow AND s.seq = r.seq AND s.gen = r.gen AND s.step = d.name
  CROSS JOIN unnest($5::text[]) AS v (verb)
  WHERE step_act_refusal(r, s, v.verb,
          s.maybe_at IS NOT NULL OR NOT x.has_steps AND r.maybe_at IS NOT NULL
            OR (s.state IS NULL OR s.state IN (1, 2)) AND may_be_under_way(r, d.name)) IS NULL
) p
WHERE r.flow = $1::smallint AND r.seq = $2::bigint AND r.gen = $3::smallint`

/** What a person may do to a run and its steps; an act asks again, for things move on. */
export async function actsOnRun(
  database: Database,
  run: RunAddress,
  steps: readonly { readonly name: string; readonly kind: string }[],
): Promise<PossibleActs> {
  const [row] = await database.query<Row>({
    text,
    values: [run.flow, run.seq, run.gen, steps.map(({ name }) => name), stepActs],
  })
  if (!row) return { run: [], steps: new Map(), compensating: false, keyGen: run.gen }
  const fitting = (row.possible ?? []).filter(({ step, verb }) =>
    fits(verb, steps.find(({ name }) => name === step)?.kind),
  )
  return {
    run: runActsOf(row),
    steps: new Map(
      steps.map(({ name }) => [
        name,
        stepActs.filter((verb) => fitting.some((one) => one.step === name && one.verb === verb)),
      ]),
    ),
    compensating: row.compensating,
    keyGen: row.key_gen,
  }
}

/** An approval is approved, refused or left out; only calls have data to edit. */
function fits(verb: Step['acts'][number], kind: string | undefined): boolean {
  if (verb === 'skip') return true
  if (kind === 'approve') return verb === 'approve' || verb === 'refuse'
  return verb === 'result' || (verb === 'edit' && kind === 'call')
}

/** As act_on_run decides it. */
function runActsOf({ state, awaits, compensating, has_steps }: Row): RunDetail['acts'] {
  const acts: RunDetail['acts'] = []
  if (state === 2 || state === 4 || (state === 1 && awaits === 'gap')) acts.push('retry')
  if (state === 1 || state === 2 || state === 4) acts.push('skip')
  if ([1, 2, 4, 10].includes(state) && !compensating && has_steps) acts.push('compensate')
  return acts
}
