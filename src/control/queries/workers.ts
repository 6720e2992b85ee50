import type { Database } from '../../journal/database.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Worker } from '../schema/system.ts'

/** Processes that run no flows have no death mark: nobody needs to take anything over from them. */
const forgottenAfter = '60 s'

const text = `
WITH living AS (SELECT * FROM workers WHERE NOT dead ORDER BY started_at DESC LIMIT 1000),
ended AS (SELECT * FROM workers WHERE dead ORDER BY started_at DESC LIMIT 50),
seen AS (
  SELECT w.id, w.host, w.pid, w.roles, w.draining, w.attempts, w.started_at, w.lease_until, w.dead_at, w.versions, w.left_groups,
         CASE WHEN w.dead THEN 'dead' WHEN w.lease_until < clock_timestamp() THEN 'late' ELSE 'live' END AS state
  FROM (SELECT * FROM living UNION ALL SELECT * FROM ended) w
  UNION ALL
  SELECT p.id, p.host, p.pid, p.roles, p.draining, 0, p.started_at, p.lease_until,
         CASE WHEN p.gone THEN p.lease_until END, '{}', NULL,
         CASE WHEN p.gone THEN 'dead' WHEN p.lease_until < clock_timestamp() THEN 'late' ELSE 'live' END
  FROM (SELECT *, lease_until < clock_timestamp() - interval '${forgottenAfter}' AS gone
        FROM processes ORDER BY lease_until DESC LIMIT 1000) p
)
SELECT s.id, s.host, s.pid, s.roles, s.draining, s.attempts, s.started_at, s.lease_until, s.dead_at, s.state,
       ARRAY(SELECT json_build_object('name', g.grp, 'partition', g.part)
             FROM lane_groups g WHERE g.owner = s.id ORDER BY g.grp, g.part) AS groups,
       ARRAY(SELECT json_build_object('flow', v.key, 'version', v.value::int,
                                      'current', EXISTS (SELECT FROM flows f WHERE f.name = v.key AND NOT f.removed AND f.version = v.value::int))
             FROM jsonb_each_text(s.versions) v ORDER BY v.key) AS flows,
       ARRAY(SELECT json_build_object('name', l.name, 'partition', l.partition, 'owner', g.owner)
             FROM jsonb_to_recordset(s.left_groups) AS l (name text, partition integer)
             LEFT JOIN lane_groups g ON g.grp = l.name AND g.part = l.partition ORDER BY l.name, l.partition) AS "left"
FROM seen s ORDER BY s.state = 'dead', s.started_at DESC, s.id`

/**
 * Processes that live or are late, newest first, then the newest that ended without saying so: 50 workers, and the others
 * of a week. A worker of an earlier version says neither its roles nor its flows' versions.
 */
export async function listWorkers(database: Database): Promise<Worker[]> {
  const rows = await database.query<WorkerRow>({ text })
  return rows.map(({ started_at, lease_until, dead_at, ...row }) => ({
    ...row,
    startedAt: isoAlways(started_at),
    leaseUntil: isoAlways(lease_until),
    deadAt: dead_at === null ? null : isoAlways(dead_at),
  }))
}

interface WorkerRow extends Omit<Worker, 'startedAt' | 'leaseUntil' | 'deadAt'> {
  readonly started_at: DatabaseTime
  readonly lease_until: DatabaseTime
  readonly dead_at: DatabaseTime | null
}
