import type { Redaction } from '../../define/redaction.ts'
import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import { runState } from '../../journal/port.ts'
import type { FlowCode, KnownFlow } from '../flow-code.ts'
import { previewReplay } from '../queries/replay-preview.ts'
import { findReplay } from '../queries/replays.ts'
import { seqAt } from '../queries/run-pages.ts'
import type { Replay, ReplayBody, ReplayComparison, ReplayPlan } from '../schema/replay.ts'
import { mostReplayed } from '../schema/replay.ts'
import { count } from '../sentence.ts'

/**
 * Stores what a replay would do, counts it, and compares for a sample what would be sent now with what was sent. Nothing
 * is sent and no run is made before the replay is started. Throws `request.invalid` for a selection without a filter, of
 * nothing, or of more than a million events; `request.not-found` for a flow that is not there; `act.refused` where the
 * flow's code is not in this process.
 */
export async function planReplay(
  database: Database,
  body: ReplayBody,
  {
    actor,
    code,
    redaction,
  }: { readonly actor: string; readonly code: FlowCode | undefined; readonly redaction: Redaction },
): Promise<ReplayPlan> {
  checkFilter(body)
  const flow = await registered(database, body)
  const known = knownFlow(body.flow, code)
  const { id, total } = await store(database, { body, flow, known, actor })
  if (id === null) throw nothingOrTooMuch(body, total)
  const replay = (await findReplay(database, id)) as Replay
  return {
    ...replay,
    preview: await previewReplay(database, { replay, known, redaction, sample: body.sample }),
  }
}

/**
 * Compares a sample of a replay that nobody has started, as its plan did. Nothing is sent or stored. Throws
 * `request.not-found`, and `act.refused` once it was started (what was sent before is then no longer the latest), or where
 * the flow's code is not in this process.
 */
export async function compareReplay(
  database: Database,
  { id, sample }: { readonly id: number; readonly sample: number },
  { code, redaction }: { readonly code: FlowCode | undefined; readonly redaction: Redaction },
): Promise<ReplayComparison> {
  const replay = await findReplay(database, id)
  if (!replay) throw new BusbarError('request.not-found', `there is no replay ${id}`)
  if (replay.state !== 'planned')
    throw new BusbarError(
      'act.refused',
      `replay ${id} is ${replay.state}: only what is planned can be compared with what was sent before`,
    )
  const known = knownFlow(replay.flow, code)
  return { preview: await previewReplay(database, { replay, known, redaction, sample }) }
}

/** A filter that was forgotten must not select everything. */
function checkFilter({ all, from, to, key, types, states }: ReplayBody): void {
  const some = [from, to, key, types, states].some((each) => each !== undefined)
  if (some !== all) return
  const message = all
    ? 'all does not go with a filter'
    : 'without a filter every event would be replayed: say which (from, to, key, types, states), or all'
  throw invalid('/body/all', message)
}

function invalid(pointer: string, message: string): BusbarError {
  return new BusbarError('request.invalid', message, { details: { faults: [{ pointer, message }] } })
}

interface FlowRow {
  readonly id: number
  readonly types: readonly string[]
}

async function registered(database: Database, body: ReplayBody): Promise<FlowRow> {
  const [flow] = await database.query<FlowRow>({
    text: 'SELECT id, types FROM flows WHERE name = $1 AND NOT removed',
    values: [body.flow],
  })
  if (!flow) throw new BusbarError('request.not-found', `there is no flow ${body.flow}`)
  const strange = body.types?.find((type) => !flow.types.includes(type))
  if (strange !== undefined)
    throw invalid('/body/types', `${body.flow} does not take "${strange}", only ${flow.types.join(', ')}`)
  return flow
}

function knownFlow(name: string, code: FlowCode | undefined): KnownFlow {
  const known = code?.(name)
  if (known) return known
  throw new BusbarError(
    'act.refused',
    `the code of flow ${name} is not in this process, and without it nobody can say what would be sent: ask a busbar that runs with the flow in its configuration`,
  )
}

const stateCodes = { ...runState, none: 0 }

async function store(
  database: Database,
  parts: {
    readonly body: ReplayBody
    readonly flow: FlowRow
    readonly known: KnownFlow
    readonly actor: string
  },
): Promise<{ readonly id: number | null; readonly total: number }> {
  const { body, flow, known, actor } = parts
  const { from, to, key, types, states, all } = body
  const selection = {
    types: types ?? flow.types,
    ...(key !== undefined && { key }),
    ...(from !== undefined && { fromSeq: await seqAt(database, from) }),
    ...(to !== undefined && { toSeq: await seqAt(database, to) }),
    ...(states && { states: states.map((state) => stateCodes[state]) }),
  }
  const shown = all ? { all } : { from, to, key, types, states }
  const [made] = await database.query<{ id: number | null; total: number }>({
    text: 'SELECT id, total FROM plan_replay($1::smallint, $2::jsonb, $3::jsonb, $4, $5, $6, $7::integer[], $8, $9::jsonb, $10, $11)',
    values: [
      flow.id,
      JSON.stringify(selection),
      JSON.stringify(shown),
      body.keys,
      body.rate,
      body.maxErrors,
      body.ramp,
      mostReplayed,
      JSON.stringify(known.keyLives),
      actor,
      body.reason,
    ],
  })
  return made ?? { id: null, total: 0 }
}

function nothingOrTooMuch({ flow }: ReplayBody, total: number): BusbarError {
  if (total === 0)
    return invalid('/body', `${flow} has run no such event; what it has not reached yet runs anyway`)
  const most = count(mostReplayed, 'event')
  return invalid('/body', `that is more than ${most}: replay them in parts, by from and to`)
}
