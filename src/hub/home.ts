import type { JournalConfig } from '../define/journal-config.ts'
import { openDatabase } from '../journal/database.ts'
import { startEmbedded } from '../journal/embedded.ts'
import type { Log } from '../telemetry/log.ts'

/** Where the journal lives: a database that is there, or one that this process runs itself. */
export interface Home {
  readonly url: string
  readonly schema: string
  readonly maxConnections: number
  /** Nobody else can be using it: busbar runs this PostgreSQL itself, and one busbar at a time. */
  readonly own: boolean
  /** Stops what `openHome` started. Safe to call twice. */
  close(): Promise<void>
}

const ownSchema = 'busbar'
const ownConnections = 8

/** Makes sure that there is a database to connect to; starts the embedded PostgreSQL where the configuration says so. */
export async function openHome(journal: JournalConfig, log: Log): Promise<Home> {
  if (journal.kind === 'postgres') return { ...journal, own: false, close: async () => {} }
  const embedded = await startEmbedded({
    folder: journal.folder,
    onLog: (message) => log.info({ folder: journal.folder }, message),
  })
  const home = { url: embedded.url, schema: ownSchema, maxConnections: ownConnections }
  try {
    await endLeasesOfTheDead(home)
  } catch (error) {
    await embedded.stop()
    throw error
  }
  return { ...home, own: true, close: () => embedded.stop() }
}

/** One busbar at a time runs this PostgreSQL, so whoever still has a lease was killed: nobody need wait for it to run out. */
async function endLeasesOfTheDead(home: { url: string; schema: string }): Promise<void> {
  const database = openDatabase({ ...home, applicationName: 'busbar-start', maxConnections: 1 })
  try {
    const [table] = await database.query<{ there: boolean }>({
      text: `SELECT to_regclass('workers') IS NOT NULL AS there`,
    })
    if (!table?.there) return
    await database.query({
      text: 'UPDATE workers SET lease_until = clock_timestamp() WHERE NOT dead AND lease_until > clock_timestamp()',
    })
  } finally {
    await database.close()
  }
}
