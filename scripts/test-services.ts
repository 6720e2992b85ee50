/**
 * What the tests need beside Node: a PostgreSQL. It is the one at BUSBAR_TEST_DATABASE_URL, or on the default port.
 */
import pg from 'pg'

const defaultUrl = 'postgres://postgres@127.0.0.1:5432/postgres'

export interface TestServices {
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

export async function startTestServices(): Promise<TestServices> {
  const url = process.env['BUSBAR_TEST_DATABASE_URL'] ?? defaultUrl
  if (await answers(url)) return { env: { BUSBAR_TEST_DATABASE_URL: url }, stop: async () => {} }
  throw new Error(
    `the tests need a PostgreSQL: none answers at ${new URL(url).host}; start one, or set BUSBAR_TEST_DATABASE_URL`,
  )
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
