import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import { listMaintenance } from '../queries/maintenance.ts'
import type { MaintenanceWindow } from '../schema/system.ts'

/** A window that a person sets. */
export interface SetMaintenance {
  readonly name: string
  readonly from?: string | undefined
  readonly until: string
  readonly note: string | null
  readonly actor: string
}

const longestMs = 30 * 86_400_000

/**
 * Sets a time in which a system is not called; workers follow within about a second, running attempts end. Throws
 * `request.not-found`, `request.invalid` for a window that is over, longer than 30 days or more than a year ahead, and
 * `act.refused` when 100 are set already.
 */
export async function setMaintenance(database: Database, act: SetMaintenance): Promise<MaintenanceWindow> {
  const { name, until, note, actor } = act
  const now = Date.now()
  const from = act.from === undefined ? now : Date.parse(act.from)
  checkWindow({ from, until: Date.parse(until), now })
  const [row] = await database.query<{ id: number | null }>({
    text: 'SELECT set_maintenance($1, $2::timestamptz, $3::timestamptz, $4, $5) AS id',
    values: [name, new Date(from).toISOString(), until, note, actor],
  })
  if (row?.id == null) throw await refusal(database, name)
  const [window] = await listMaintenance(database, name, row.id)
  if (!window) throw new BusbarError('act.refused', `the window ended while it was set`)
  return window
}

function checkWindow({ from, until, now }: { from: number; until: number; now: number }): void {
  const invalid = (why: string) => new BusbarError('request.invalid', `until: ${why}`)
  if (until <= from) throw invalid('the window must end after it begins')
  if (until <= now) throw invalid('the window is over already')
  if (until - from > longestMs) throw invalid('a window is at most 30 days long')
  if (from > now + 366 * 86_400_000) throw invalid('a window begins within a year')
}

async function refusal(database: Database, name: string): Promise<BusbarError> {
  const known = await database.query({ text: 'SELECT FROM systems WHERE name = $1', values: [name] })
  return known.length === 0
    ? new BusbarError('request.not-found', `there is no system ${name}`)
    : new BusbarError('act.refused', `${name} has 100 maintenance windows ahead: end some of them first`)
}

/** Ends a window now, or takes it back before it has begun. Throws `request.not-found` when there is none that is not over. */
export async function endMaintenance(
  database: Database,
  act: {
    readonly name: string
    readonly window: number
    readonly reason: string | null
    readonly actor: string
  },
): Promise<{ name: string; window: number }> {
  const { name, window, reason, actor } = act
  const [row] = await database.query<{ ended: boolean }>({
    text: 'SELECT end_maintenance($1, $2::bigint, $3, $4) AS ended',
    values: [name, window, actor, reason],
  })
  if (!row?.ended)
    throw new BusbarError('request.not-found', `${name} has no maintenance window ${window} that is not over`)
  return { name, window }
}
