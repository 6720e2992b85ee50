import pg from 'pg'
import { failed, inUse } from './embedded-errors.ts'

/** The sign, inside the server, that its busbar is alive: a session lock, gone with the process however it ends. */
export interface Claim {
  /** Safe to call twice. */
  release(): Promise<void>
}

const lockId = 4_285_002
const connectPatienceMs = 30_000

/** Claims a server that runs; throws `embedded.in-use` when a living busbar has claimed it. `onLost`: the server went away. */
export async function takeClaim(options: {
  readonly url: string
  readonly folder: string
  readonly onLost: () => void
  /** Whether the server's process is there at all; where it is not, connecting is given up. */
  readonly isThere: () => Promise<boolean>
}): Promise<Claim> {
  const client = await connect(options)
  let released = false
  const onEnd = () => {
    if (released) return
    released = true
    options.onLost()
  }
  client.on('error', onEnd)
  client.on('end', onEnd)
  const { rows } = await client.query<{ free: boolean }>('SELECT pg_try_advisory_lock($1) AS free', [lockId])
  if (rows[0]?.free !== true) {
    released = true
    const { rows: holders } = await client.query<{ name: string }>(
      `SELECT application_name AS name FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid
       WHERE l.locktype = 'advisory' AND l.objid = $1 AND l.granted`,
      [lockId],
    )
    await client.end()
    const pid = Number(/^busbar-claim-(\d+)$/.exec(holders[0]?.name ?? '')?.[1]) || undefined
    throw inUse({ folder: options.folder, pid, phase: 'running' })
  }
  return {
    async release() {
      if (released) return
      released = true
      await client.end().catch(() => undefined)
    },
  }
}

/** Connects, also to a server that is just starting or recovering. */
async function connect({
  url,
  isThere,
}: {
  readonly url: string
  readonly isThere: () => Promise<boolean>
}): Promise<pg.Client> {
  const deadline = performance.now() + connectPatienceMs
  for (;;) {
    const client = new pg.Client({
      connectionString: url,
      application_name: `busbar-claim-${process.pid}`,
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
    })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return client
    } catch (error) {
      await client.end().catch(() => undefined)
      if (performance.now() > deadline)
        throw failed('the embedded PostgreSQL runs but does not answer', { cause: error })
      if (!(await isThere()))
        throw failed('the embedded PostgreSQL ended while it was connected to', { cause: error })
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}
