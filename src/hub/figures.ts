import { statfs } from 'node:fs/promises'
import { outboxFacts } from '../control/queries/outbox.ts'
import { backlogs } from '../control/queries/backlog.ts'
import type { Backlog } from '../control/queries/backlog.ts'
import { listExpectations } from '../control/queries/expectations.ts'
import { maxCounted, noneOpen, openByFlow } from '../control/queries/open-counts.ts'
import { relayOf } from '../control/queries/transport.ts'
import type { JournalConfig } from '../define/journal-config.ts'
import type { Database } from '../journal/database.ts'
import { findHome } from '../journal/embedded-home.ts'
import type { JournalFigures, StorageFigures } from '../telemetry/metrics.ts'

// Problems are few: one of each cause.
const problemsText = `
SELECT s.state, (SELECT count(*) FROM (SELECT FROM problems p WHERE p.state = s.state LIMIT $1::int) c) AS count
FROM unnest(ARRAY['open', 'acknowledged']) AS s (state)`

// Relations of one schema, a few dozen, and a look at their files.
const tablesText = `
SELECT CASE WHEN c.relname IN ('events', 'runs', 'attempts', 'steps') THEN c.relname::text ELSE 'other' END AS "table",
       sum(pg_total_relation_size(c.oid))::float8 AS bytes
FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema())) AND c.relkind IN ('r', 'm')
GROUP BY 1 ORDER BY 1`

const heldText = `
SELECT coalesce((SELECT max(extract(epoch FROM clock_timestamp() - a.xact_start))
                 FROM pg_stat_activity a WHERE a.datname = current_database()), 0)::float8 AS seconds,
       coalesce((SELECT max(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_lsn() END, s.restart_lsn))
                 FROM pg_replication_slots s), 0)::float8 AS wal`

/** Of what is asked. */
export interface FiguresOf {
  readonly database: Database
  /** The transport's kind. */
  readonly transport: string
  readonly journal: JournalConfig
}

/**
 * What the journal says for the metrics: a few queries by index, each bounded. A lane group is as far behind as the slowest
 * of its flows.
 */
export async function journalFigures({ database, transport, journal }: FiguresOf): Promise<JournalFigures> {
  const [behind, systems, open, problems, outbox, expectations, relay, storage] = await Promise.all([
    backlogs(database),
    database.query<JournalFigures['systems'][number]>({
      text: 'SELECT name AS system, breaker FROM systems',
    }),
    openByFlow(database),
    problemCounts(database),
    outboxFacts(database),
    listExpectations(database),
    relayOf(database, transport),
    storageFigures(database, journal),
  ])
  const flows = new Set([...behind.map(({ flow }) => flow), ...open.keys()])
  return {
    groups: groupsOf(behind),
    systems,
    open: [...flows].map((flow) => {
      const { parked, retrying } = open.get(flow) ?? noneOpen
      return { flow, parked, retrying }
    }),
    problems,
    expectations,
    relay: relay && { behind: relay.behind, oldestSeconds: (relay.oldestMs ?? 0) / 1_000 },
    outbox: {
      waiting: outbox.waiting,
      oldestSeconds: (outbox.oldestMs ?? 0) / 1_000,
      rejected: outbox.rejectedCount,
    },
    storage,
  }
}

function groupsOf(behind: readonly Backlog[]): JournalFigures['groups'] {
  const groups = new Map<string, JournalFigures['groups'][number]>()
  for (const { group, pending, oldestMs } of behind) {
    const known = groups.get(group) ?? { group, pending: 0, oldestSeconds: 0 }
    const oldestSeconds = Math.max(known.oldestSeconds, (oldestMs ?? 0) / 1_000)
    groups.set(group, { group, pending: Math.max(known.pending, pending), oldestSeconds })
  }
  return [...groups.values()]
}

async function problemCounts(database: Database): Promise<JournalFigures['problems']> {
  const rows = await database.query<{ state: 'open' | 'acknowledged'; count: number }>({
    text: problemsText,
    values: [maxCounted],
  })
  const countOf = (state: string) => rows.find((row) => row.state === state)?.count ?? 0
  return { open: countOf('open'), acknowledged: countOf('acknowledged') }
}

async function storageFigures(database: Database, journal: JournalConfig): Promise<StorageFigures> {
  const [tables, [held], disk] = await Promise.all([
    database.query<StorageFigures['tables'][number]>({ text: tablesText }),
    database.query<{ seconds: number; wal: number }>({ text: heldText }),
    journal.kind === 'embedded' ? diskOf(journal.folder) : null,
  ])
  return { tables, oldestTransactionSeconds: held?.seconds ?? 0, walHeldBytes: held?.wal ?? 0, disk }
}

/** Free: to a user without privileges, as PostgreSQL is. */
async function diskOf(folder: string): Promise<StorageFigures['disk']> {
  const { bavail, blocks, bsize } = await statfs(await findHome(folder))
  return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize }
}
