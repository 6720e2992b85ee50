import type { Database } from '../../journal/database.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Worker } from '../schema/system.ts'

/** Workers that live or are late, and the newest 50 of those that ended without saying so. */
export async function listWorkers(database: Database): Promise<Worker[]> {
  const rows = await database.query<WorkerRow>({
    text: `SELECT w.id, w.host, w.started_at, w.lease_until,
                  CASE WHEN w.dead THEN 'dead' WHEN w.lease_until < clock_timestamp() THEN 'late' ELSE 'live' END AS state,
                  ARRAY(SELECT DISTINCT g.grp FROM lane_groups g WHERE g.owner = w.id ORDER BY g.grp) AS groups,
                  (SELECT count(*) FROM lane_groups g WHERE g.owner = w.id) AS partitions
           FROM (SELECT * FROM (SELECT * FROM workers WHERE NOT dead ORDER BY started_at DESC LIMIT 1000) living
                 UNION ALL
                 SELECT * FROM (SELECT * FROM workers WHERE dead ORDER BY started_at DESC LIMIT 50) ended) w
           ORDER BY w.dead, w.started_at DESC, w.id`,
  })
  return rows.map(({ id, host, state, groups, partitions, started_at, lease_until }) => ({
    id,
    host,
    state,
    startedAt: isoAlways(started_at),
    leaseUntil: isoAlways(lease_until),
    groups,
    partitions,
  }))
}

interface WorkerRow {
  id: string
  host: string
  started_at: DatabaseTime
  lease_until: DatabaseTime
  state: Worker['state']
  groups: string[]
  partitions: number
}
