import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import type { RemovedFlow } from '../schema/act.ts'

const why = {
  deployed: 'a live worker runs it: take it out of the configuration first',
  open: 'it has open runs: skip or compensate them first',
} as const

/**
 * A person says that a flow is gone for good: no event waits for it any more, with the audit row. Throws
 * `request.not-found`, and `act.refused` while a live worker runs it or it has open runs.
 */
export async function removeFlow(
  database: Database,
  act: { readonly name: string; readonly actor: string; readonly reason: string },
): Promise<RemovedFlow> {
  const { name, actor, reason } = act
  const [row] = await database.query<{ result: 'done' | 'absent' | keyof typeof why }>({
    text: 'SELECT remove_flow($1, $2, $3) AS result',
    values: [name, actor, reason],
  })
  const result = row?.result ?? 'absent'
  if (result === 'absent') throw new BusbarError('request.not-found', `there is no flow ${name}`)
  if (result !== 'done')
    throw new BusbarError('act.refused', `flow ${name} cannot be removed: ${why[result]}`)
  return { name, removed: true }
}
