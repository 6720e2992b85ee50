import type { Database } from './database.ts'
import type { PartitionsJournal } from './port-partitions.ts'

/** Partitions in SQL; the function is in 0022-partitions.sql. */
export function sqlPartitions(database: Database): PartitionsJournal {
  return {
    async serve(worker, groups) {
      await database.query({
        text: 'UPDATE workers SET serves = $2::text[] WHERE id = $1',
        values: [worker, groups],
      })
    },

    async servers() {
      const rows = await database.query<{ id: string; serves: string[] | null }>({
        name: 'servers',
        text: 'SELECT id, serves FROM workers WHERE NOT dead AND lease_until >= clock_timestamp()',
      })
      return new Map(rows.map(({ id, serves }) => [id, serves]))
    },

    async repartition(group) {
      const [row] = await database.query<{ done: boolean }>({
        text: 'SELECT repartition($1) AS done',
        values: [group],
      })
      return row?.done ?? false
    },
  }
}
