/**
 * What the tests need beside Node: a PostgreSQL. It is the one at BUSBAR_TEST_DATABASE_URL, else the one on the default
 * port, else one that busbar brings along and that is removed afterwards (BUSBAR_TEST_EMBEDDED=1 asks for it).
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbedded } from '../src/journal/embedded.ts'

const defaultUrl = 'postgres://postgres@127.0.0.1:5432/postgres'

export interface TestServices {
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/** Finds or starts what the tests need. */
export async function startTestServices(): Promise<TestServices> {
  const given = process.env['BUSBAR_TEST_DATABASE_URL']
  if (given !== undefined) {
    if (!(await answers(given))) throw new Error('no PostgreSQL answers at BUSBAR_TEST_DATABASE_URL')
    return servicesAt(given)
  }
  if (process.env['BUSBAR_TEST_EMBEDDED'] !== '1' && (await answers(defaultUrl)))
    return servicesAt(defaultUrl)
  return startOwn()
}

function servicesAt(url: string): TestServices {
  return { env: { BUSBAR_TEST_DATABASE_URL: url }, stop: async () => {} }
}

async function startOwn(): Promise<TestServices> {
  const folder = await mkdtemp(join(tmpdir(), 'busbar-test-postgres-'))
  await chmod(folder, 0o711) // started by root, PostgreSQL runs as another user, who must get in
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    const embedded = await startEmbedded({ folder, onLog: (message) => console.error(message) })
    const stop = () => embedded.stop().finally(remove)
    return { ...servicesAt(embedded.url), stop }
  } catch (error) {
    await remove()
    throw error
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}
