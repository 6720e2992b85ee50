import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { brokenInSql, sqlInvariants } from '../../test/chaos/invariants.sql.ts'
import { brokenInvariants } from '../../test/simulation/invariants.ts'
import { journalContract } from '../testing/journal-contract.ts'
import type { JournalUnderTest } from '../testing/journal-under-test.ts'
import { openPglite } from '../testing/pglite.ts'
import { sqlJournalUnderTest } from '../testing/sql-journal-under-test.ts'
import { sqlSnapshot } from '../testing/sql-snapshot.ts'
import type { Database } from './database.ts'
import { openDatabase } from './database.ts'
import { migrate } from './migrate.ts'
import type { Journal } from './port.ts'
import { openJournal, sqlJournal } from './sql-journal.ts'

const url = process.env['BUSBAR_TEST_DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'
const sessionCount = 6

journalContract('PostgreSQL', openPostgres, { concurrent: true })
journalContract('PGlite', openInProcess, { concurrent: false })

/** Six journals on a schema of their own, each with its connections, and some more to act and look. */
async function openPostgres(): Promise<JournalUnderTest> {
  const schema = `contract_${randomBytes(6).toString('hex')}`
  const sessions: Journal[] = []
  for (let session = 0; session < sessionCount; session++)
    sessions.push(
      await openJournal({
        url,
        schema,
        worker: `session-${session}`,
        maxConnections: 2,
        migrate: session === 0,
      }),
    )
  const looking = openDatabase({ url, schema, applicationName: 'contract', maxConnections: 5 })
  return sqlJournalUnderTest({
    sessions,
    database: looking,
    violations: () => violations(looking),
    async close() {
      await Promise.all(sessions.map((each) => each.close()))
      await looking.query({ text: `DROP SCHEMA ${pg.escapeIdentifier(schema)} CASCADE` })
      await looking.close()
    },
  })
}

async function openInProcess(): Promise<JournalUnderTest> {
  const database = await openPglite()
  await migrate(database, 'busbar')
  const journal = sqlJournal(database)
  return sqlJournalUnderTest({
    sessions: [journal, journal],
    database,
    violations: () => violations(database),
    close: () => database.close(),
  })
}

/** What the checkers of live databases find, and what those over plain data do. */
async function violations(database: Database): Promise<string[]> {
  const inSql = await brokenInSql(
    (text) => database.query({ text }),
    sqlInvariants.filter(({ scope }) => scope === 'journal'),
  )
  const snapshot = await sqlSnapshot((text, values = []) => database.query({ text, values }))
  return [...inSql, ...brokenInvariants(snapshot, 'journal')]
}
