import { BusbarError } from '../errors.ts'
import type { Database } from '../journal/database.ts'

/** Which events of a flow to replay, by what came of them; without any of these, all. */
export interface WorldSelection {
  /** Of events accepted since this virtual time. */
  readonly from?: Date
  /** Of events accepted before it. */
  readonly to?: Date
  readonly key?: string
  readonly types?: readonly string[]
}

/** What a replay came to. */
export interface WorldReplay {
  /** `stopped`: more than a tenth of a stage has failed. */
  readonly state: 'done' | 'stopped'
  readonly succeeded: number
  readonly failed: number
  /** An earlier run of the event was open. */
  readonly passedOver: number
}

const maxEvents = 100_000

/** Stores and starts a replay; answers its id. Rejects with `request.invalid` when the flow has run no such event. */
export async function startReplay(
  database: Database,
  replay: { readonly flow: string; readonly selection: WorldSelection; readonly keys: 'same' | 'new' },
): Promise<number> {
  const { flow, selection, keys } = replay
  const { from, to, key, types } = selection
  const [made] = await database.query<{ id: number | null }>({
    text: `SELECT p.id FROM flows f CROSS JOIN LATERAL plan_replay(
             f.id,
             jsonb_strip_nulls(jsonb_build_object('types', coalesce($2::text[], f.types), 'key', $3::text,
               'fromSeq', CASE WHEN $4::timestamptz IS NOT NULL THEN seq_at($4) END,
               'toSeq', CASE WHEN $5::timestamptz IS NOT NULL THEN seq_at($5) END)),
             '{}', $6, 50, 0.1, '{1,10,100}', $7, '[]', 'test', 'test') p
           WHERE f.name = $1`,
    values: [
      flow,
      types ?? null,
      key ?? null,
      from?.toISOString() ?? null,
      to?.toISOString() ?? null,
      keys,
      maxEvents,
    ],
  })
  const id = made?.id
  if (id === undefined || id === null)
    throw new BusbarError(
      'request.invalid',
      `flow "${flow}" has run no such event, or more than ${maxEvents}`,
    )
  await database.query({ text: `SELECT act_on_replay($1::bigint, 'start', 'test', 'test')`, values: [id] })
  return id
}

/** What it has come to; undefined while it runs. */
export async function endOfReplay(database: Database, id: number): Promise<WorldReplay | undefined> {
  const [row] = await database.query<WorldReplay>({
    text: `SELECT state, succeeded, failed, taken - fed AS "passedOver" FROM replays WHERE id = $1::bigint AND state <> 'running'`,
    values: [id],
  })
  return row
}
