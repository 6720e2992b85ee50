import type { Database } from './database.ts'
import type { FlowDeployment, FlowStanding, VersionsJournal } from './port-versions.ts'

/** Most runs that are counted of one flow. */
export const mostCounted = 1_000

/** Versions of flows in SQL; the functions are in 0018-versions.sql and 0038-now.sql. */
export function sqlVersions(database: Database): VersionsJournal {
  return {
    async runsFlows(worker, flows) {
      await database.query({
        text: 'UPDATE workers SET flows = $2::smallint[], versions = $3::jsonb WHERE id = $1',
        values: [
          worker,
          flows.map(({ id }) => id),
          JSON.stringify(Object.fromEntries(flows.map(({ name, version }) => [name, version]))),
        ],
      })
    },

    async unserved(flows) {
      const rows = await database.query<{ id: number }>({
        text: `SELECT f.id FROM flows f WHERE f.id = ANY ($1::smallint[]) AND NOT EXISTS (
                 SELECT FROM workers w
                 WHERE NOT w.dead AND w.lease_until >= clock_timestamp() AND (w.versions ->> f.name)::int = f.version)`,
        values: [flows],
      })
      return rows.map(({ id }) => id)
    },

    async foreignGroups(worker, flows) {
      const [row] = await database.query<{ groups: string[] }>({
        text: 'SELECT foreign_groups($1, $2::smallint[]) AS groups',
        values: [worker, flows],
      })
      return row?.groups ?? []
    },

    async adoptFlows({ group, part, epoch, flows }) {
      const [row] = await database.query<{ adopted: boolean }>({
        text: 'SELECT adopt_flows($1, $2::int, $3::bigint, $4::smallint[], $5::int[]) AS adopted',
        values: [group, part, epoch, flows.map(({ id }) => id), flows.map(({ version }) => version)],
      })
      return row?.adopted ? 'ok' : 'outdated'
    },

    async strangers(group, flows) {
      const others = await database.query<{ id: number; name: string }>({
        text: 'SELECT id, name FROM flows WHERE grp = $1 AND id <> ALL ($2::smallint[])',
        values: [group, flows],
      })
      const [former] = await database.query<{ systems: number[] }>({
        text: 'SELECT former_systems($1, $2::smallint[]) AS systems',
        values: [group, flows],
      })
      return { flows: new Map(others.map(({ id, name }) => [id, name])), systems: former?.systems ?? [] }
    },

    flowStandings: () =>
      database.query<FlowStanding>({
        text: 'SELECT id, name, deployed, open, pending, stranded FROM flow_standings($1::int)',
        values: [mostCounted],
      }),
  }
}

/** Which flows in force are run, and how many of their runs cannot go on: for those who know what is open and waits. */
export function flowDeployments(database: Database): Promise<FlowDeployment[]> {
  return database.query<FlowDeployment>({
    name: 'flow-deployments',
    text: 'SELECT id, name, deployed, stranded FROM flow_deployments($1::int)',
    values: [mostCounted],
  })
}
