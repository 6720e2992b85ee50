import type { Database } from './database.ts'
import type { Cluster, FlowRegistration, GroupLease, GroupState, RegisteredFlow } from './port.ts'

/** Membership and ownership in SQL; the functions are in 0004-cluster.sql and 0022-partitions.sql. */
export function sqlCluster(database: Database): Cluster {
  return {
    async registerFlows(flows) {
      const ids: number[] = []
      for (const flow of flows) ids.push(await registerFlow(database, flow))
      return registeredFlows(database, ids)
    },

    async registerSystems(systems) {
      const ids = new Map<string, number>()
      for (const { name, address } of systems) {
        const [row] = await database.query<{ id: number }>({
          text: 'SELECT register_system($1, $2) AS id',
          values: [name, address],
        })
        ids.set(name, row?.id ?? 0)
      }
      return ids
    },

    async join(worker, leaseMs, facts) {
      const { host = '', pid = null, roles = ['worker'] } = facts ?? {}
      await database.query({
        text: `INSERT INTO workers (id, lease_until, host, pid, roles)
               VALUES ($1, clock_timestamp() + $2 * interval '1 ms', $3, $4, $5)`,
        values: [worker, leaseMs, host, pid, roles],
      })
    },

    async heartbeat(worker, leaseMs, { draining, attempts } = { draining: false, attempts: 0 }) {
      const rows = await database.query<{ id: string; live: boolean; draining: boolean }>({
        name: 'heartbeat',
        text: `WITH mine AS (
                 UPDATE workers SET lease_until = clock_timestamp() + $2 * interval '1 ms', draining = $3, attempts = $4
                 WHERE id = $1 AND NOT dead RETURNING id
               )
               SELECT w.id, w.id = $1 OR w.lease_until >= clock_timestamp() AS live, w.id <> $1 AND w.draining AS draining
               FROM workers w WHERE NOT w.dead AND EXISTS (SELECT FROM mine)`,
        values: [worker, leaseMs, draining, attempts],
      })
      if (rows.length === 0) return 'dead'
      return {
        liveWorkers: rows.filter((row) => row.live && !row.draining).map((row) => row.id),
        expiredWorkers: rows.filter((row) => !row.live).map((row) => row.id),
      }
    },

    async leave(worker) {
      await database.query({ text: 'SELECT leave($1)', values: [worker] })
    },

    groups: () =>
      database.query<GroupState>({
        name: 'groups',
        text: 'SELECT grp AS "group", part, parts, wanted, owner, epoch, paused FROM lane_groups ORDER BY grp, part',
      }),

    async acquire(worker, group, part, epoch) {
      const [row] = await database.query<GroupRow>({
        name: 'acquire',
        text: `SELECT g.grp, g.part, g.parts, g.epoch, g.claimed_to, g.suspect_to, g.unclean,
                      extract(epoch FROM g.suspect_since)::double precision * 1000 AS suspect_since,
                      extract(epoch FROM g.suspect_at)::double precision * 1000 AS suspect_at
               FROM acquire_group($1, $2, $3, $4::bigint) g`,
        values: [worker, group, part, epoch ?? null],
      })
      if (!row) return undefined
      const positions = await database.query<{ flow: number; position: number }>({
        name: 'positions',
        text: 'SELECT p.flow, p.position FROM positions p JOIN flows f ON f.id = p.flow WHERE f.grp = $1 AND p.part = $2 AND NOT f.removed',
        values: [group, part],
      })
      return groupLease(row, new Map(positions.map((p) => [p.flow, p.position])))
    },

    async release(worker, { group, part, epoch }) {
      await database.query({
        name: 'release',
        text: 'SELECT release_group($1, $2, $3, $4)',
        values: [worker, group, part, epoch],
      })
    },

    async takeover(deadWorker) {
      const [row] = await database.query<{ done: boolean }>({
        name: 'takeover',
        text: 'SELECT takeover($1) AS done',
        values: [deadWorker],
      })
      return row?.done ?? false
    },

    async flowVersions() {
      const rows = await database.query<{ id: number; version: number }>({
        name: 'flow-versions',
        text: 'SELECT id, version FROM flows WHERE NOT removed',
      })
      return new Map(rows.map((row) => [row.id, row.version]))
    },
  }
}

interface GroupRow {
  grp: string
  part: number
  parts: number
  epoch: number
  claimed_to: number
  suspect_to: number
  suspect_since: number | null
  suspect_at: number | null
  unclean: number
}

function groupLease(row: GroupRow, positions: ReadonlyMap<number, number>): GroupLease {
  return {
    group: row.grp,
    part: row.part,
    parts: row.parts,
    epoch: row.epoch,
    claimedTo: row.claimed_to,
    suspectTo: row.suspect_to,
    suspectSince: row.suspect_since ?? 0,
    suspectAt: row.suspect_at ?? 0,
    unclean: row.unclean,
    positions,
  }
}

async function registerFlow(database: Database, flow: FlowRegistration): Promise<number> {
  const { name, group, ord, types, start, partitions = 1, ...rest } = flow
  const declaration = {
    group,
    ord,
    types,
    steps: rest.steps,
    ordering: rest.ordering,
    onParked: rest.onParked,
    ...(rest.signals && { signals: rest.signals }),
  }
  const [row] = await database.query<{ id: number }>({
    text: 'SELECT register_flow($1, $2, $3, $4::text[], $5::jsonb, $6, $7, $8) AS id',
    values: [
      name,
      group,
      ord,
      types,
      JSON.stringify(declaration),
      typeof start === 'string' ? start : 'at',
      typeof start === 'string' ? 0 : start.at,
      partitions,
    ],
  })
  return row?.id ?? 0
}

async function registeredFlows(database: Database, ids: readonly number[]): Promise<RegisteredFlow[]> {
  const rows = await database.query<{
    id: number
    name: string
    grp: string
    ord: number
    version: number
    types: string[]
    type_after: string[]
    positions: string[]
  }>({
    text: `SELECT f.id, f.name, f.grp, f.ord, f.version, f.types, f.type_after::text[],
                  ARRAY(SELECT p.position::text FROM positions p WHERE p.flow = f.id ORDER BY p.part) AS positions
           FROM flows f WHERE f.id = ANY ($1::smallint[]) ORDER BY f.grp, f.ord, f.id`,
    values: [ids],
  })
  return rows.map(({ type_after, types, grp, positions, ...row }) => ({
    ...row,
    group: grp,
    types: types.map((type, index) => ({ type, after: Number(type_after[index]) })),
    positions: positions.map(Number),
  }))
}
