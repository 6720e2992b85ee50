import type { Database } from '../../journal/database.ts'
import type { Group } from '../schema/system.ts'
import { backlogs, together } from './backlog.ts'

/** Lanes are counted up to here. */
const maxLanes = 10_000

// The owner only while its lease runs. Lanes by their primary key (grp, key).
const text = `
SELECT g.grp AS name, g.part, g.parts, g.wanted, g.paused, g.epoch, w.id AS owner,
       (SELECT coalesce(max(seq), 0) FROM events) AS head,
       (SELECT count(*) FROM (
          SELECT FROM lanes l WHERE l.grp = g.grp AND l.khash % g.parts = g.part LIMIT $1::int
        ) held) AS lanes
FROM lane_groups g
LEFT JOIN workers w ON w.id = g.owner AND NOT w.dead AND w.lease_until >= clock_timestamp()
ORDER BY g.grp, g.part`

interface GroupRow {
  name: string
  part: number
  parts: number
  wanted: number
  paused: boolean
  epoch: number
  owner: string | null
  head: number
  lanes: number
}

/** All partitions of all lane groups that have a flow, a held lane or a pause. */
export async function listGroups(database: Database): Promise<Group[]> {
  const rows = await database.query<GroupRow>({ text, values: [maxLanes] })
  const behind = await backlogs(database)
  return rows
    .map((row) => {
      const own = behind.filter((one) => one.group === row.name && one.part === row.part)
      const { position, pending, exact, oldestPendingAt } = together(own)
      return {
        name: row.name,
        partition: row.part,
        partitions: row.parts,
        wantedPartitions: row.wanted,
        flows: own.map(({ flow }) => flow),
        owner: row.owner,
        epoch: row.epoch,
        paused: row.paused,
        position: own.length === 0 ? row.head : position,
        head: row.head,
        lanes: row.lanes,
        pending,
        exact,
        oldestPendingAt,
      }
    })
    .filter((group) => group.flows.length > 0 || group.lanes > 0 || group.paused)
}
