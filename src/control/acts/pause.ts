import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import type { Paused } from '../schema/system.ts'

/** Pause or resume what, who, why. */
export interface PauseAct {
  readonly kind: 'system' | 'group'
  readonly name: string
  readonly paused: boolean
  /** Stands in the audit trail. */
  readonly actor: string
  readonly reason: string | null
}

const words = { system: 'system', group: 'lane group' } as const

/**
 * Pauses or resumes a system or a lane group (all its partitions), with its audit row; workers follow within about a
 * second, running attempts end. What is so already stays so, without an audit row. Throws `request.not-found`.
 */
export async function changePause(database: Database, act: PauseAct): Promise<Paused> {
  const { kind, name, paused, actor, reason } = act
  const [row] = await database.query<{ result: 'done' | 'same' | 'absent' }>({
    text: 'SELECT change_pause($1, $2, $3, $4, $5) AS result',
    values: [kind, name, paused, actor, reason],
  })
  if (row?.result === 'absent')
    throw new BusbarError('request.not-found', `there is no ${words[kind]} ${name}`)
  return { name, paused }
}
