import type { Database } from '../../journal/database.ts'
import { iso } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Now, UnderWay } from '../schema/now.ts'
import { link, say } from '../sentence.ts'
import { listAudit } from './audit.ts'
import { together } from './backlog.ts'
import { readCharts } from './charts.ts'
import { maxCounted } from './open-counts.ts'
import { listProblems } from './problems.ts'
import { listReplays } from './replays.ts'
import { readStanding } from './status.ts'
import type { TransportInUse } from './transport.ts'
import type { NounOf } from './waiting.ts'

const shown = { problems: 5, acts: 6, replays: 20, underWay: 5 }

/** What the Now page shows, in one answer. Bounded queries by index, one after another. */
export async function readNow(
  database: Database,
  ask: { readonly transport: TransportInUse; readonly nounOf: NounOf; readonly hours: number },
): Promise<Now> {
  const { status, systems, behind } = await readStanding(database, ask.transport, ask.nounOf)
  const { pending, exact, oldestPendingAt } = together(behind)
  const { items } = await listProblems(database, { state: 'unresolved', limit: shown.problems })
  const charts = await readCharts(database, ask.hours)
  return {
    at: charts.until,
    ok: status.ok,
    sentences: status.sentences,
    accepted: await accepted(database),
    unread: { pending, exact, oldestAt: oldestPendingAt },
    workers: status.workers,
    systems: [...systems],
    problems: {
      items,
      needsPerson: items.filter(({ parked }) => parked > 0).length,
      ...(await problemCounts(database)),
    },
    underWay: await underWay(database),
    lately: (await listAudit(database, { limit: shown.acts })).items,
    charts,
  }
}

async function accepted(database: Database): Promise<Now['accepted']> {
  const [row] = await database.query<{ events: number; newest_at: DatabaseTime }>({
    text: `SELECT (SELECT coalesce(max(seq), 0) FROM events) + 1 - seq_at(clock_timestamp() - interval '5 min') AS events,
                  (SELECT received_at FROM events ORDER BY seq DESC LIMIT 1) AS newest_at`,
  })
  return {
    perMinute: Math.round((Math.max(0, Number(row?.events ?? 0)) / 5) * 10) / 10,
    newestAt: iso(row?.newest_at ?? null),
  }
}

async function problemCounts(database: Database): Promise<{ unresolved: number; ignored: number }> {
  const [row] = await database.query<{ unresolved: number; ignored: number }>({
    text: `SELECT (SELECT count(*) FROM (SELECT FROM problems WHERE state IN ('open', 'acknowledged') LIMIT $1::int) a)::int AS unresolved,
                  (SELECT count(*) FROM (SELECT FROM problems WHERE state = 'ignored' LIMIT $1::int) b)::int AS ignored`,
    values: [maxCounted],
  })
  return { unresolved: row?.unresolved ?? 0, ignored: row?.ignored ?? 0 }
}

/** Among the newest replays, those that have not ended. */
async function underWay(database: Database): Promise<UnderWay[]> {
  const { items } = await listReplays(database, { limit: shown.replays })
  return items
    .flatMap((replay): UnderWay[] => {
      const { id, state, counts, total, createdBy, startedAt, flow } = replay
      if (state !== 'running' && state !== 'paused' && state !== 'stopped') return []
      return [
        {
          kind: 'replay',
          id,
          title: say`Replay of ${link('flow', flow)}`,
          by: createdBy,
          state,
          done: Math.max(0, total - counts.left - counts.underWay),
          failed: counts.failed,
          total,
          startedAt,
        },
      ]
    })
    .slice(0, shown.underWay)
}
