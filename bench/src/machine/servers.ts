import { execFileSync } from 'node:child_process'
import pg from 'pg'

/** Versions of the servers that the systems use. */
export async function serverVersions({ url }: { readonly url: string }): Promise<Record<string, string>> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ version: string }>(
    "SELECT current_setting('server_version') AS version",
  )
  await client.end()
  return {
    PostgreSQL: rows[0]?.version ?? 'unknown',
    RabbitMQ: said('rabbitmqctl', ['version']),
    Redis: said('redis-server', ['--version']),
  }
}

/** The first number with dots in what a program says. */
function said(program: string, args: readonly string[]): string {
  try {
    return /\d+(\.\d+)+/.exec(execFileSync(program, args, { encoding: 'utf8' }))?.[0] ?? 'unknown'
  } catch {
    return 'not installed'
  }
}
