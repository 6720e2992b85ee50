import type { Database } from './database.ts'
import { openDatabase } from './database.ts'
import { checkDurable, checkMigrated, migrate } from './migrate.ts'
import type { Journal } from './port.ts'
import { sqlCluster } from './sql-cluster.ts'
import { sqlEchoes } from './sql-echoes.ts'
import { sqlLog } from './sql-log.ts'
import { sqlOwner } from './sql-owner.ts'
import { sqlSystems } from './sql-systems.ts'

/** The journal over any database that speaks PostgreSQL: a server, the embedded one, or PGlite in users' tests. */
export function sqlJournal(database: Database, appends: Database = database): Journal {
  return {
    ...sqlLog(database, appends),
    ...sqlOwner(database),
    ...sqlCluster(database),
    ...sqlSystems(database),
    ...sqlEchoes(database),
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
}

/**
 * Opens the journal on PostgreSQL: checks that it is durable (`journal.not-durable`) and migrated
 * (`journal.not-migrated`), and pins the session settings of every connection.
 */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const open = (maxConnections: number, indexPlansOnly: boolean) =>
    openDatabase({
      url: options.url,
      schema: options.schema,
      applicationName: `busbar:${options.worker}`,
      maxConnections,
      indexPlansOnly,
      ...(options.onError && { onError: options.onError }),
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
