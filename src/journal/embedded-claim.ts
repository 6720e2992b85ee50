import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { BusbarError } from '../errors.ts'
import { codeOf, failed, inUse } from './embedded-errors.ts'
import { isAlive } from './embedded-process.ts'

/** The sign, inside the server, that its busbar is alive: a session lock, gone with the process however it ends. */
export interface Claim {
  /** Safe to call twice. */
  release(): Promise<void>
}

/** What `takeClaim` needs. */
export interface ClaimOptions {
  readonly url: string
  readonly folder: string
  /** Called once when the claim is gone without having been released: the server has ended, as a rule. */
  readonly onLost: () => void
  /** Whether the server's process is there at all; where it is not, connecting is given up. */
  readonly isThere: () => Promise<boolean>
  readonly onLog: (message: string) => void
}

const lockId = 4_285_002
const nameOf = (pid: number) => `busbar-claim-${pid}`
const patienceMs = { recovery: 600_000, betweenWords: 10_000, retry: 200, deadHolder: 5_000 }
/** Wrong password, unknown user, unknown database: waiting does not help. */
const finalCodes = new Set(['28P01', '28000', '3D000'])

/**
 * Claims a server that runs, however long it recovers (up to 10 minutes). Throws `embedded.in-use` when a living busbar
 * has claimed it, `embedded.failed` when the server ends, does not answer, or does not know the password.
 */
export async function takeClaim(options: ClaimOptions): Promise<Claim> {
  const begin = performance.now()
  let nextWordMs = patienceMs.betweenWords
  for (;;) {
    try {
      return await claimOnce(options)
    } catch (error) {
      if (error instanceof BusbarError) throw error
      if (finalCodes.has(codeOf(error) ?? ''))
        throw failed(
          `the PostgreSQL in ${options.folder} does not know the password in access.json beside its data: ` +
            'put back the file that belongs to them',
          { cause: error },
        )
      if (!(await options.isThere()))
        throw failed('the embedded PostgreSQL ended while it was connected to', { cause: error })
      const waitedMs = performance.now() - begin
      if (waitedMs > patienceMs.recovery)
        throw failed('the embedded PostgreSQL runs but does not answer', { cause: error })
      if (waitedMs > nextWordMs) {
        options.onLog(`waiting for the embedded PostgreSQL: ${(error as Error).message}`)
        nextWordMs += patienceMs.betweenWords
      }
      await sleep(patienceMs.retry)
    }
  }
}

async function claimOnce({ url, folder, onLost }: ClaimOptions): Promise<Claim> {
  const client = new pg.Client({
    connectionString: url,
    application_name: nameOf(process.pid),
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  })
  let held = false
  const onEnd = () => {
    if (!held) return
    held = false
    onLost()
  }
  client.on('error', onEnd)
  client.on('end', onEnd)
  try {
    await client.connect()
    await lock(client, folder)
  } catch (error) {
    await client.end().catch(() => undefined)
    throw error
  }
  held = true
  return {
    async release() {
      if (!held) return
      held = false
      await client.end().catch(() => undefined)
    },
  }
}

/** The lock of a process that was killed just now is free as soon as PostgreSQL has noticed. */
async function lock(client: pg.Client, folder: string): Promise<void> {
  const deadline = performance.now() + patienceMs.deadHolder
  for (;;) {
    const { rows } = await client.query<{ free: boolean }>('SELECT pg_try_advisory_lock($1) AS free', [
      lockId,
    ])
    if (rows[0]?.free === true) return
    const pid = await holderOf(client)
    if (pid === undefined ? performance.now() > deadline : isAlive(pid) || performance.now() > deadline)
      throw inUse({ folder, pid, phase: 'running' })
    await sleep(patienceMs.retry)
  }
}

async function holderOf(client: pg.Client): Promise<number | undefined> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT a.application_name AS name FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid
     WHERE l.locktype = 'advisory' AND l.classid = 0 AND l.objid = $1 AND l.granted`,
    [lockId],
  )
  return Number(/^busbar-claim-(\d+)$/.exec(rows[0]?.name ?? '')?.[1]) || undefined
}
