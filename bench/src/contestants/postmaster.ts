import pg from 'pg'
import { parentOf } from '../machine/proc.ts'

/** The first process of a PostgreSQL on this machine. Throws when it is on another. */
export async function postmasterOf(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    const pid = parentOf(rows[0]?.pid ?? 0)
    if (pid === 0) throw new Error('the PostgreSQL is on another machine: its CPU cannot be counted')
    return pid
  } finally {
    await client.end()
  }
}
