/**
 * `node test/load/load.ts [--events 10000000] [--runs 30000000] [--database busbar_load] [--url postgres://…]`: fills a
 * database of its own with what years of business leave behind, to measure the control API against. Nothing is written
 * where the database is there already: drop it first. The tables are not logged, so that it is quick: it is no journal to
 * run a hub on.
 */
import { parseArgs } from 'node:util'
import pg from 'pg'
import { openDatabase } from '../../src/journal/database.ts'
import { migrate } from '../../src/journal/migrate.ts'
import { afterwards, before, large } from './statements.ts'

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '10000000' },
    runs: { type: 'string', default: '30000000' },
    database: { type: 'string', default: 'busbar_load' },
    url: { type: 'string', default: 'postgres://postgres@127.0.0.1:5432/postgres' },
  },
})
const [events, runs] = [Number(values.events), Number(values.runs)]
const startedAt = performance.now()
const say = (words: string) =>
  console.log(`${((performance.now() - startedAt) / 1_000).toFixed(0).padStart(4)} s  ${words}`)

const admin = new pg.Client({ connectionString: values.url })
await admin.connect()
const known = await admin.query('SELECT FROM pg_database WHERE datname = $1', [values.database])
if (known.rowCount !== 0) {
  console.error(`there is a database ${values.database} already: drop it first, or give --database`)
  process.exit(1)
}
await admin.query(
  `CREATE DATABASE ${pg.escapeIdentifier(values.database)} TEMPLATE template0 ENCODING 'UTF8'`,
)
await admin.end()

const url = new URL(values.url)
url.pathname = `/${values.database}`
const database = openDatabase({
  url: url.href,
  schema: 'busbar',
  applicationName: 'load',
  maxConnections: 2,
})
await migrate(database, 'busbar')
const run = async (text: string, what?: string) => {
  const settings = text.startsWith('VACUUM') ? '' : `SET maintenance_work_mem = '1GB'; ` // VACUUM stands alone
  await database.query({ text: settings + fill(text) })
  if (what !== undefined) say(what)
}
for (const text of before) await run(text)
say(`${events} events, ${runs} runs`)
await Promise.all(
  large.map(async (chain) => {
    for (const [what, text] of chain) await run(text, what)
  }),
)
for (const [what, text] of afterwards) await run(text, what)
await database.close()

function fill(text: string): string {
  const flows = Math.max(1, Math.round(runs / events))
  return text
    .replaceAll(':events', String(events))
    .replaceAll(':flows', String(flows))
    .replaceAll(':open', String(Math.min(30_000, Math.floor(events / 100))))
}
