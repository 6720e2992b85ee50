import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import type { Cancelled } from '../schema/expectation.ts'

/**
 * A person says that what is awaited after an event need not come: its problem is resolved, with the audit row. Throws
 * `request.not-found`, and `act.refused` when it has come or was cancelled already.
 */
export async function cancelExpected(
  database: Database,
  act: { readonly name: string; readonly seq: number; readonly actor: string; readonly reason: string },
): Promise<Cancelled> {
  const { name, seq, actor, reason } = act
  const [row] = await database.query<{ result: 'done' | 'absent' | 'ended'; was: string; key: string }>({
    text: 'SELECT result, was, key FROM cancel_expected($1, $2::bigint, $3, $4)',
    values: [name, seq, actor, reason],
  })
  if (!row || row.result === 'absent')
    throw new BusbarError(
      'request.not-found',
      `expectation ${name} awaits nothing after event ${seq}: what came in time leaves no trace`,
    )
  if (row.result === 'ended')
    throw new BusbarError(
      'act.refused',
      `what ${name} awaited after event ${seq} ${row.was === 'late' ? 'has come, late' : 'was cancelled already'}`,
    )
  return { name, seq, key: row.key, before: row.was as Cancelled['before'] }
}
