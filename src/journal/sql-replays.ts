import type { Database } from './database.ts'
import type { ReplayJournal, RunningReplay } from './port-replays.ts'
import { fenced } from './fenced.ts'

/** What owners do about replays, in SQL; the functions are in 0013-replays.sql. */
export function sqlReplays(database: Database): ReplayJournal {
  return {
    runningReplays: () =>
      database.query<RunningReplay>({
        name: 'running-replays',
        text: `SELECT r.id, f.grp AS "group" FROM replays r JOIN flows f ON f.id = r.flow WHERE r.state = 'running'`, // replays_running
      }),

    feedReplay: ({ group, part, epoch, replay }) =>
      fenced(async () => {
        const [row] = await database.query<{ keys: string[] }>({
          name: 'feed-replay',
          text: 'SELECT feed_replay($1::text, $2::int, $3::bigint, $4::bigint) AS keys',
          values: [group, part, epoch, replay],
        })
        return row?.keys ?? []
      }),
  }
}
