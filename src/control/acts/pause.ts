import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import type { Paused } from '../schema/system.ts'

/** Pauses or resumes a system or a lane group, with its audit entry; workers see it within a second or so. Throws `request.not-found`. */
export async function setPaused(
  database: Database,
  what: { readonly kind: 'system' | 'group'; readonly name: string; readonly paused: boolean },
  act: { readonly actor: string; readonly reason: string | null },
): Promise<Paused> {
  const [row] = await database.query<{ there: boolean }>({
    text: 'SELECT set_paused($1, $2, $3, $4, $5) AS there',
    values: [what.kind, what.name, what.paused, act.actor, act.reason],
  })
  const noun = what.kind === 'system' ? 'system' : 'lane group'
  if (!row?.there) throw new BusbarError('request.not-found', `there is no ${noun} "${what.name}"`)
  return { name: what.name, paused: what.paused }
}
