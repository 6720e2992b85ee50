import { maintenanceMs } from '../../define/maintenance.ts'
import type { StoredCalendar } from '../../define/maintenance.ts'
import type { Database } from '../../journal/database.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { MaintenanceWindow } from '../schema/system.ts'

/** What decides whether maintenance is under way: the end of what people have set, and what is declared. */
export interface MaintenanceRow {
  readonly now_at: DatabaseTime
  readonly maintenance: readonly StoredCalendar[] | null
  readonly maintained_until: DatabaseTime
}

/** When the maintenance under way ends, whichever is later; null when there is none. */
export function maintainedUntil(row: MaintenanceRow): string | null {
  const now = Date.parse(isoAlways(row.now_at))
  const set = row.maintained_until instanceof Date ? row.maintained_until.getTime() : 0
  const until = Math.max(set, now + maintenanceMs(row.maintenance ?? [], now))
  return until > now ? new Date(until).toISOString() : null
}

/** The windows of a system that people have set and that are not over, soonest first; the newest one only with `id`. */
export async function listMaintenance(
  database: Database,
  system: string,
  id: number | null = null,
): Promise<MaintenanceWindow[]> {
  const rows = await database.query<{
    id: number
    from_at: DatabaseTime
    until_at: DatabaseTime
    note: string | null
    actor: string
  }>({
    text: `SELECT m.id, m.from_at, m.until_at, m.note, m.actor FROM maintenance m JOIN systems s ON s.id = m.system
           WHERE s.name = $1 AND m.until_at > clock_timestamp() AND ($2::bigint IS NULL OR m.id = $2::bigint)
           ORDER BY m.from_at, m.id LIMIT 100`,
    values: [system, id],
  })
  return rows.map(({ id: window, from_at, until_at, note, actor }) => ({
    id: window,
    from: isoAlways(from_at),
    until: isoAlways(until_at),
    note,
    by: actor,
  }))
}
