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

/** Works on the journal of the configuration directly; an embedded one is started for it unless a busbar runs it already. */
export async function withJournal<T>(context: Context, work: (database: Database) => Promise<T>): Promise<T> {
  const { config } = await loadConfig(context.options.config)
  const home = await homeOf(config.journal)
  try {
    const database = openDatabase({ ...home, applicationName: 'busbar-cli', maxConnections: 1 })
    try {
      if (home.own) await migrate(database, home.schema)
      else await checkMigrated(database)
      return await work(database)
    } finally {
      await database.close()
    }
  } finally {
    await home.close()
  }
}

/** Where the journal of a configuration is; started for this if it is embedded and no busbar runs it. */
export async function homeOf(journal: Parameters<typeof openHome>[0]): Promise<Home> {
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
