import type { Database } from './database.ts'
import type { ParkedRuns } from './port-parked.ts'
import { fenced } from './fenced.ts'

/** Runs parked beside their lane, in SQL; see 0019-process-repairs.sql. */
export function sqlParked(database: Database): ParkedRuns {
  return {
    wakeParked: ({ group, part, parts, epoch }) =>
      fenced(async () => {
        const [row] = await database.query<{ woken: number }>({
          name: 'wake-parked',
          text: 'SELECT wake_parked($1::text, $2::int, $3::int, $4::bigint) AS woken',
          values: [group, part, parts, epoch],
        })
        return row?.woken ?? 0
      }),
  }
}
