import type { StoredCalendar } from '../../define/maintenance.ts'
import type { SystemFacts } from '../explain-system.ts'
import { iso, isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import { maintainedUntil } from './maintenance.ts'

/** What explains how a system stands, for a row `s` of systems that may be absent. `now_at` is the caller's. */
export const systemColumns = `
  s.name AS system_name, s.paused AS system_paused, s.breaker AS system_breaker, s.reason AS system_reason,
  s.changed_at AS system_changed_at, s.throttled_until, s.settings -> 'maintenance' AS maintenance,
  (SELECT max(m.until_at) FROM maintenance m
   WHERE m.system = s.id AND m.until_at > clock_timestamp() AND m.from_at <= clock_timestamp()) AS maintained_until,
  CASE s.breaker WHEN 'probing' THEN s.probe_until ELSE s.probe_at END AS probe_at`

/** The same, as it comes. */
export interface SystemColumns {
  readonly now_at: DatabaseTime
  /** null: there is no such system. */
  readonly system_name: string | null
  readonly system_paused: boolean
  readonly system_breaker: SystemFacts['breaker']
  readonly system_reason: string | null
  readonly system_changed_at: DatabaseTime
  readonly throttled_until: DatabaseTime
  readonly maintenance: readonly StoredCalendar[] | null
  readonly maintained_until: DatabaseTime
  readonly probe_at: DatabaseTime
}

/** How the system of a row stands; null where there is none. */
export function systemFacts(row: SystemColumns): SystemFacts | null {
  return row.system_name === null ? null : factsOf({ ...row, system_name: row.system_name })
}

/** The same for a row that has one. */
export function factsOf(row: SystemColumns & { readonly system_name: string }): SystemFacts {
  return {
    name: row.system_name,
    paused: row.system_paused,
    breaker: row.system_breaker,
    reason: row.system_reason,
    changedAt: isoAlways(row.system_changed_at),
    probeAt: iso(row.probe_at),
    throttledUntil: iso(row.throttled_until),
    maintainedUntil: maintainedUntil(row),
  }
}
