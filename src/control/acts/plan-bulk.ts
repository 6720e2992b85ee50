import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import { runState } from '../../journal/port.ts'
import { explainBulkPlan } from '../explain-bulk.ts'
import type { FlowCode } from '../flow-code.ts'
import { findBulkAct } from '../queries/bulk-acts.ts'
import { seqAt } from '../queries/run-pages.ts'
import { listSystems } from '../queries/systems.ts'
import type { BulkAct, BulkBody, BulkPlan } from '../schema/bulk.ts'
import { mostInBulk } from '../schema/bulk.ts'
import { count } from '../sentence.ts'
import { stateWord } from '../state-word.ts'

/**
 * Stores which runs an act is about, in log order, and counts what it would do; nothing is done before it is started.
 * Throws `request.invalid` for no selection or two, a skip without a reason, nothing that fits, or more than 100,000 runs;
 * `request.not-found` for a problem that is not there.
 */
export async function planBulk(
  database: Database,
  body: BulkBody,
  { actor, code }: { readonly actor: string; readonly code: FlowCode | undefined },
): Promise<BulkAct> {
  checkSelection(body)
  await checkProblem(database, body)
  const { verb, ramp, maxErrors, reason } = body
  const selection = await selectionOf(database, body)
  const [made] = await database.query<{ id: number | null; total: number }>({
    text: 'SELECT id, total FROM plan_bulk_act($1, $2::jsonb, $3::jsonb, $4::integer[], $5, $6, $7, $8)',
    values: [
      verb,
      JSON.stringify(selection),
      JSON.stringify(shown(body)),
      ramp,
      maxErrors,
      mostInBulk,
      actor,
      reason ?? null,
    ],
  })
  if (!made || made.id === null) throw nothingOrTooMuch(made?.total ?? 0)
  await completePlan(database, { id: made.id, verb, code })
  return (await findBulkAct(database, made.id)) as BulkAct
}

function checkSelection({ verb, problem, runs, flow, system, key, from, to, reason }: BulkBody): void {
  if (verb !== 'retry' && reason === undefined)
    throw invalid(
      '/body/reason',
      `a ${verb === 'skip' ? 'skip' : 'compensation'} of many runs needs a reason`,
    )
  const filters = [flow, system, key, from, to].some((each) => each !== undefined)
  const ways = [problem !== undefined, runs !== undefined, filters].filter(Boolean).length
  if (ways === 0)
    throw invalid(
      '/body',
      'say which runs: of a problem, by name, or by a filter (flow, system, key, from, to)',
    )
  if (ways > 1)
    throw invalid('/body', 'a problem, named runs, and a filter do not go together: say one of them')
}

function invalid(pointer: string, message: string): BusbarError {
  return new BusbarError('request.invalid', message, { details: { faults: [{ pointer, message }] } })
}

async function checkProblem(database: Database, { problem, flow, system }: BulkBody): Promise<void> {
  const [row] = await database.query<{ problem: boolean; flow: boolean; system: boolean }>({
    text: `SELECT EXISTS (SELECT FROM problems WHERE fp = $1) AS problem, EXISTS (SELECT FROM flows WHERE name = $2) AS flow,
             EXISTS (SELECT FROM systems WHERE name = $3) AS system`,
    values: [problem ?? null, flow ?? null, system ?? null],
  })
  const missing = (
    [
      ['problem', problem],
      ['flow', flow],
      ['system', system],
    ] as const
  ).find(([what, name]) => name !== undefined && !row?.[what])
  if (missing) throw new BusbarError('request.not-found', `there is no ${missing[0]} ${missing[1]}`)
}

async function selectionOf(database: Database, body: BulkBody): Promise<Record<string, unknown>> {
  const { problem, runs, flow, system, key, from, to, states } = body
  return {
    ...{ problem, runs, flow, system, key },
    ...(from !== undefined && { fromSeq: await seqAt(database, from) }),
    ...(to !== undefined && { toSeq: await seqAt(database, to) }),
    states: states.map((state) => runState[state]),
  }
}

function shown({ problem, runs, flow, system, key, from, to, states }: BulkBody): Record<string, unknown> {
  return { problem, runs: runs?.length, flow, system, key, from, to, states }
}

function nothingOrTooMuch(total: number): BusbarError {
  if (total === 0) return invalid('/body', 'no open run is like that: parked, or waiting for its next try')
  return invalid(
    '/body',
    `that is more than ${count(mostInBulk, 'run')}: act on them in parts, by from and to`,
  )
}

type Counted = Omit<BulkPlan, 'systems' | 'runs' | 'durationMs' | 'tells'> & {
  readonly systems: Readonly<Record<string, number>>
}

/** What the journal cannot count: how the systems stand, what their limits allow, and the words. */
async function completePlan(
  database: Database,
  {
    id,
    verb,
    code,
  }: { readonly id: number; readonly verb: BulkAct['verb']; readonly code: FlowCode | undefined },
): Promise<void> {
  const [row] = await database.query<{ total: number; plan: Counted }>({
    text: 'SELECT total, plan FROM bulk_acts WHERE id = $1::bigint',
    values: [id],
  })
  if (!row) return
  const { total, plan } = row
  const speeds = await speedsOf(database, Object.keys(plan.systems))
  const limits = Object.keys(plan.flows).flatMap((flow) => code?.(flow)?.limits ?? [])
  const standings = new Map(
    (await listSystems(database, { nounOf: () => undefined })).map(({ name, standing }) => [name, standing]),
  )
  const systems = Object.entries(plan.systems).map(([system, runs]) => {
    const rate = limits.find((each) => each.system === system)?.rate
    return {
      system,
      runs,
      standing: standings.get(system) ?? null,
      perMinute: rate ? Math.round((rate.max / rate.perMs) * 60_000) : null,
    }
  })
  const durations = systems.map(({ system, runs, perMinute }) =>
    durationOf(runs, {
      perMinute,
      concurrency: limits.find((each) => each.system === system)?.concurrency ?? 16,
      meanMs: speeds.get(system) ?? null,
    }),
  )
  const known = durations.filter((each) => each !== null)
  const told = {
    ...plan,
    runs: total,
    states: inWords(plan.states),
    systems,
    durationMs: verb === 'skip' || known.length === 0 ? null : Math.max(...known),
  }
  await database.query({
    text: 'UPDATE bulk_acts SET plan = $2::jsonb WHERE id = $1::bigint',
    values: [id, JSON.stringify({ ...told, tells: explainBulkPlan(verb, told) })],
  })
}

function inWords(states: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(states).map(([state, runs]) => [stateWord(Number(state)), runs]))
}

/** The slower of what its rate allows and what its concurrency does at the speed of the last hour; null: nothing is known. */
function durationOf(
  runs: number,
  limit: {
    readonly perMinute: number | null
    readonly concurrency: number
    readonly meanMs: number | null
  },
): number | null {
  const byRate = limit.perMinute ? (runs / limit.perMinute) * 60_000 : null
  const bySpeed = limit.meanMs === null ? null : Math.ceil(runs / limit.concurrency) * limit.meanMs
  return byRate === null && bySpeed === null ? null : Math.round(Math.max(byRate ?? 0, bySpeed ?? 0))
}

/** Mean duration of what these systems did well in the last hour, by a range of the primary key of stats. */
async function speedsOf(
  database: Database,
  systems: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const rows = await database.query<{ name: string; ms: number }>({
    text: `SELECT y.name, (sum(s.total_ms) / sum(s.count))::double precision AS ms FROM stats s JOIN systems y ON y.id = s.system
           WHERE s.minute > clock_timestamp() - interval '1 h' AND s.outcome = 'succeeded' AND y.name = ANY ($1::text[])
           GROUP BY y.name`,
    values: [systems],
  })
  return new Map(rows.map(({ name, ms }) => [name, ms]))
}
