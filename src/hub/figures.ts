import { outboxFacts } from '../control/queries/outbox.ts'
import { backlogs } from '../control/queries/backlog.ts'
import { listExpectations } from '../control/queries/expectations.ts'
import { relayOf } from '../control/queries/transport.ts'
import type { Database } from '../journal/database.ts'
import type { JournalFigures } from '../telemetry/metrics.ts'

// runs_open_by_state
const parkedText = `
SELECT f.name AS flow, count(*)::float8 AS count FROM runs r JOIN flows f ON f.id = r.flow WHERE r.state = 4 GROUP BY f.name`

/**
 * What the journal says for the metrics: a few queries by index. A lane group is as far behind as the slowest of its
 * flows. `transport`: its kind.
 */
export async function journalFigures(database: Database, transport: string): Promise<JournalFigures> {
  const [behind, systems, parked, outbox, expectations, relay] = await Promise.all([
    backlogs(database),
    database.query<JournalFigures['systems'][number]>({
      text: 'SELECT name AS system, breaker FROM systems',
    }),
    database.query<JournalFigures['parked'][number]>({ text: parkedText }),
    outboxFacts(database),
    listExpectations(database),
    relayOf(database, transport),
  ])
  const groups = new Map<string, { group: string; pending: number; oldestSeconds: number }>()
  for (const { group, pending, oldestMs } of behind) {
    const known = groups.get(group) ?? { group, pending: 0, oldestSeconds: 0 }
    const oldestSeconds = Math.max(known.oldestSeconds, (oldestMs ?? 0) / 1_000)
    groups.set(group, { group, pending: Math.max(known.pending, pending), oldestSeconds })
  }
  return {
    groups: [...groups.values()],
    systems,
    parked,
    expectations,
    relay: relay && { behind: relay.behind, oldestSeconds: (relay.oldestMs ?? 0) / 1_000 },
    outbox: {
      waiting: outbox.waiting,
      oldestSeconds: (outbox.oldestMs ?? 0) / 1_000,
      rejected: outbox.rejectedCount,
    },
  }
}
