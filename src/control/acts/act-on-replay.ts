import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import { findReplay } from '../queries/replays.ts'
import type { Replay } from '../schema/replay.ts'

/** What a person does to a replay. */
export interface ReplayAct {
  readonly id: number
  readonly verb: 'start' | 'pause' | 'resume' | 'cancel'
  /** Stands in the audit trail. */
  readonly actor: string
  readonly reason: string | null
}

/**
 * Starts, pauses, resumes or cancels a replay, with its audit row; what was begun goes on in any case. What is so already
 * stays so, without an audit row, so that an act whose answer got lost can be repeated. Throws `request.not-found`, and
 * `act.refused` when the replay's state does not allow it or another replay of the flow is running.
 */
export async function actOnReplay(
  database: Database,
  { id, verb, actor, reason }: ReplayAct,
): Promise<Replay> {
  const [row] = await database.query<{ result: 'done' | 'same' | 'absent' | 'refused' | 'busy' }>({
    text: 'SELECT act_on_replay($1::bigint, $2, $3, $4) AS result',
    values: [id, verb, actor, reason],
  })
  const replay = await findReplay(database, id)
  if (!replay) throw new BusbarError('request.not-found', `there is no replay ${id}`)
  if (row?.result === 'busy')
    throw new BusbarError(
      'act.refused',
      `another replay of ${replay.flow} is running: wait for its end, or pause or cancel it`,
    )
  if (row?.result === 'refused')
    throw new BusbarError('act.refused', `replay ${id} is ${replay.state}: it cannot ${verb}`)
  return replay
}
