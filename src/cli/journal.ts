import type { JournalConfig } from '../define/journal-config.ts'
import type { Database } from '../journal/database.ts'
import { openDatabase } from '../journal/database.ts'
import { urlOfRunning } from '../journal/embedded.ts'
import { checkMigrated, migrate } from '../journal/migrate.ts'
import { openHome } from '../hub/home.ts'
import type { Home } from '../hub/home.ts'
import { BusbarError } from '../errors.ts'
import { createLog } from '../telemetry/log.ts'
import { loadConfig } from './config-file.ts'
import type { Context } from './context.ts'

/** Works on the tables of the configuration's journal; an embedded one is brought to this version first. */
export async function withJournal<T>(context: Context, work: (database: Database) => Promise<T>): Promise<T> {
  const { config } = await loadConfig(context.options.config)
  return withDatabase(config.journal, async (database, home) => {
    if (home.own) await migrate(database, home.schema)
    else await checkMigrated(database)
    return work(database)
  })
}

/** Works on the journal's database, as it is; an embedded one is started for it unless a busbar runs it already. */
export async function withDatabase<T>(
  journal: JournalConfig,
  work: (database: Database, home: Home) => Promise<T>,
): Promise<T> {
  const home = await homeOf(journal)
  try {
    const database = openDatabase({ ...home, applicationName: 'busbar-cli', maxConnections: 1 })
    try {
      return await work(database, home)
    } finally {
      await database.close()
    }
  } finally {
    await home.close()
  }
}

async function homeOf(journal: JournalConfig): Promise<Home> {
  try {
    return await openHome(journal, createLog('error'))
  } catch (error) {
    const running =
      journal.kind === 'embedded' && error instanceof BusbarError && error.code === 'embedded.in-use'
    const url = running ? await urlOfRunning(journal.folder) : undefined
    if (url === undefined) throw error
    return { url, schema: 'busbar', maxConnections: 1, own: false, close: async () => {} }
  }
}
