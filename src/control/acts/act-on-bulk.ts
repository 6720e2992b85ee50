import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import { findBulkAct } from '../queries/bulk-acts.ts'
import type { BulkAct } from '../schema/bulk.ts'

/** What a person does to an act on many runs. */
export interface ActOnBulk {
  readonly id: number
  readonly verb: 'start' | 'pause' | 'resume' | 'cancel'
  /** Stands in the audit trail. */
  readonly actor: string
  readonly reason: string | null
}

/**
 * Starts, pauses, resumes or cancels an act on many runs, with its audit row; runs that were begun go on in any case. What
 * is so already stays so, so that an act whose answer got lost can be repeated. Throws `request.not-found`, and
 * `act.refused` when its state does not allow it or another one of the same problem is running.
 */
export async function actOnBulk(
  database: Database,
  { id, verb, actor, reason }: ActOnBulk,
): Promise<BulkAct> {
  const [row] = await database.query<{ result: 'done' | 'same' | 'absent' | 'refused' | 'busy' }>({
    text: 'SELECT act_on_bulk($1::bigint, $2, $3, $4) AS result',
    values: [id, verb, actor, reason],
  })
  const found = await findBulkAct(database, id)
  if (!found) throw new BusbarError('request.not-found', `there is no bulk act ${id}`)
  if (row?.result === 'busy')
    throw new BusbarError(
      'act.refused',
      'another act on all runs of this problem is running: wait for its end, or pause or cancel it',
    )
  if (row?.result === 'refused')
    throw new BusbarError('act.refused', `bulk act ${id} is ${found.state}: it cannot ${verb}`)
  return found
}
