import type { Database } from '../../journal/database.ts'
import { explainSystem } from '../explain-system.ts'
import type { SystemFacts } from '../explain-system.ts'
import { iso, isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { System, SystemDetail } from '../schema/system.ts'

/** Lanes are counted up to here. */
const maxLanes = 10_000

// Lanes by lanes_due (grp, system, next_at), one range per lane group; $1 a name or null, $2 most lanes.
const text = `
SELECT s.name, s.address, s.paused, s.breaker, s.reason, s.changed_at, s.throttled_until, clock_timestamp() AS now_at,
       CASE s.breaker WHEN 'probing' THEN s.probe_until ELSE s.probe_at END AS probe_at,
       coalesce((SELECT sum(p.n) FROM permits p WHERE p.system = s.id), 0) AS permits,
       (SELECT count(*) FROM (
          SELECT FROM (SELECT DISTINCT g.grp FROM lane_groups g) g
          JOIN lanes l ON l.grp = g.grp AND l.system = s.id LIMIT $2::int
        ) held) AS lanes
FROM systems s WHERE $1::text IS NULL OR s.name = $1 ORDER BY s.name`

/** All systems by name, or the one of this name, and how each stands. */
export async function listSystems(database: Database, name: string | null = null): Promise<System[]> {
  const rows = await database.query<SystemRow>({ text, values: [name, maxLanes] })
  return rows.map((row) => ({
    ...explainSystem(systemFacts(row), isoAlways(row.now_at)),
    name: row.name,
    address: row.address,
    breaker: row.breaker,
    paused: row.paused,
    changedAt: isoAlways(row.changed_at),
    permits: row.permits,
    lanes: row.lanes,
  }))
}

/** A system with the flows that call it and its unresolved problems (the newest 50); undefined when there is none. */
export async function findSystem(database: Database, name: string): Promise<SystemDetail | undefined> {
  const [system] = await listSystems(database, name)
  if (!system) return undefined
  const flows = await database.query<{ name: string }>({
    text: `SELECT f.name FROM flows f
           WHERE NOT f.removed AND f.declaration -> 'steps' @> jsonb_build_array(jsonb_build_object('system', $1::text))
           ORDER BY f.ord, f.name`,
    values: [name],
  })
  const problems = await database.query<SystemDetail['problems'][number]>({
    text: `SELECT fp AS fingerprint, title, code FROM problems
           WHERE system = $1 AND state IN ('open', 'acknowledged') ORDER BY last_seen DESC LIMIT 50`,
    values: [name],
  })
  return { ...system, flows: flows.map((flow) => flow.name), problems }
}

interface SystemRow {
  name: string
  address: string
  paused: boolean
  breaker: 'closed' | 'open' | 'probing'
  reason: string | null
  changed_at: DatabaseTime
  probe_at: DatabaseTime
  throttled_until: DatabaseTime
  now_at: DatabaseTime
  permits: number
  lanes: number
}

function systemFacts(row: SystemRow): SystemFacts {
  return {
    name: row.name,
    paused: row.paused,
    breaker: row.breaker,
    reason: row.reason,
    changedAt: isoAlways(row.changed_at),
    probeAt: iso(row.probe_at),
    throttledUntil: iso(row.throttled_until),
  }
}
