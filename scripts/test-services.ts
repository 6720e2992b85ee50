/**
 * What the tests need beside Node: a PostgreSQL. Takes the one at BUSBAR_TEST_DATABASE_URL or on the default port; where
 * there is none, starts the embedded one in a temporary folder for as long as the tests run.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbedded } from '../src/journal/embedded.ts'

const defaultUrl = 'postgres://postgres@127.0.0.1:5432/postgres'

export interface TestServices {
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

export async function startTestServices(): Promise<TestServices> {
  const url = process.env['BUSBAR_TEST_DATABASE_URL'] ?? defaultUrl
  if (await answers(url)) return { env: { BUSBAR_TEST_DATABASE_URL: url }, stop: async () => {} }
  const folder = mkdtempSync(join(tmpdir(), 'busbar-test-pg-'))
  console.log(`no PostgreSQL at ${new URL(url).host}: starting the embedded one for the tests`)
  const embedded = await startEmbedded({ folder })
  return {
    env: { BUSBAR_TEST_DATABASE_URL: embedded.url },
    async stop() {
      await embedded.stop()
      rmSync(folder, { recursive: true, force: true })
    },
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
