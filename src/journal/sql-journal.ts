import type { Database } from './database.ts'
import { openDatabase } from './database.ts'
import { checkDurable, checkMigrated, migrate } from './migrate.ts'
import type { ExpectationsJournal } from './port-expectations.ts'
import type { RelayJournal } from './port-relay.ts'
import type { VersionsJournal } from './port-versions.ts'
import type { Journal, WatchJournal } from './port.ts'
import { sqlCluster } from './sql-cluster.ts'
import { sqlLinks } from './sql-links.ts'
import { sqlExpectations } from './sql-expectations.ts'
import { sqlEchoes } from './sql-echoes.ts'
import { sqlLog } from './sql-log.ts'
import { sqlOwner } from './sql-owner.ts'
import { sqlRelay } from './sql-relay.ts'
import { sqlSequences } from './sql-sequences.ts'
import { sqlParked } from './sql-parked.ts'
import { sqlPartitions } from './sql-partitions.ts'
import { sqlReplays } from './sql-replays.ts'
import { sqlSystems } from './sql-systems.ts'
import { sqlVersions } from './sql-versions.ts'
import { sqlWatch } from './sql-watch.ts'
import { oneTimeline } from './timeline.ts'

/** The journal, and the roles that only SQL plays. */
export type SqlJournal = Journal & ExpectationsJournal & VersionsJournal & RelayJournal & WatchJournal

/** The journal over any database that speaks PostgreSQL: a server, the embedded one, or PGlite in users' tests. */
export function sqlJournal(database: Database, appends: Database = database): SqlJournal {
  return {
    ...sqlLog(database, appends),
    ...sqlOwner(database),
    ...sqlSequences(database),
    ...sqlParked(database),
    ...sqlCluster(database),
    ...sqlPartitions(database),
    ...sqlSystems(database),
    ...sqlLinks(database),
    ...sqlExpectations(database),
    ...sqlVersions(database),
    ...sqlWatch(database),
    ...sqlReplays(database),
    ...sqlEchoes(database),
    ...sqlRelay(database),
    async close() {
      await Promise.all([database.close(), appends.close()])
    },
  }
}

/** How to open the journal of one process. */
export interface JournalOptions {
  readonly url: string
  readonly schema: string
  /** The worker's id; its sessions carry it, so that a takeover can end them. */
  readonly worker: string
  readonly maxConnections: number
  /** Apply missing migrations instead of refusing to start. */
  readonly migrate: boolean
  readonly onError?: (error: Error) => void
  /**
   * The database has another history now (a failover, a restore): the journal answers nothing any more. Called once;
   * without it, histories are not told apart.
   */
  readonly onOtherHistory?: () => void
}

/**
 * Opens the journal on PostgreSQL: checks that it is durable (`journal.not-durable`) and migrated
 * (`journal.not-migrated`), and pins the session settings of every connection.
 */
export async function openJournal(options: JournalOptions): Promise<SqlJournal> {
  const guard = options.onOtherHistory && oneTimeline(options.onOtherHistory)
  const open = (maxConnections: number, indexPlansOnly: boolean) =>
    openDatabase({
      url: options.url,
      schema: options.schema,
      applicationName: `busbar:${options.worker}`,
      maxConnections,
      indexPlansOnly,
      ...(options.onError && { onError: options.onError }),
      ...(guard && { guard }),
    })
  const setup = open(1, false)
  try {
    await checkDurable(setup)
    if (options.migrate) await migrate(setup, options.schema)
    else await checkMigrated(setup)
  } finally {
    await setup.close()
  }
  return sqlJournal(open(options.maxConnections, true), open(1, true))
}
