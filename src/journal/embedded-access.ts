import { randomBytes, randomInt } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { keepSecret } from '../define/secrets.ts'
import { codeOf, failed } from './embedded-errors.ts'
import { syncFolder, writeWhole } from './embedded-files.ts'
import type { Account } from './embedded-process.ts'

/** How to reach an embedded PostgreSQL; kept beside its data, readable by its owner only. */
export interface Access {
  readonly port: number
  readonly password: string
}

/** The only user inside it. */
export const databaseUser = 'busbar'

/** The connection string for this access. */
export function urlOf({ port, password }: Access): string {
  keepSecret(password)
  return `postgres://${databaseUser}:${password}@127.0.0.1:${port}/postgres`
}

/** The stored access of this home, undefined when there is none. */
export async function readAccess(home: string): Promise<Access | undefined> {
  const path = pathIn(home)
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Access
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw failed(`${path} cannot be read: put back the one that belongs to the data beside it`, {
      cause: error,
    })
  }
}

/** A new access, stored before anything uses it; `password` if it exists already. */
export async function createAccess(options: {
  readonly home: string
  readonly account: Account | undefined
  readonly password?: string
}): Promise<Access> {
  const { home, account, password = randomBytes(24).toString('base64url') } = options
  const access = { port: await freePort(), password }
  await writeWhole(pathIn(home), JSON.stringify(access), account)
  await syncFolder(home)
  return access
}

function pathIn(home: string): string {
  return join(home, 'access.json')
}

/**
 * Below the range from which systems give ports to outgoing connections (Linux 32768, others 49152): there, a client
 * that keeps connecting while the server is down may be given the server's own port, be connected to itself, and
 * keep the server from starting.
 */
const ports = { from: 20_000, to: 30_000, tries: 50 }

async function freePort(): Promise<number> {
  for (let round = 0; round < ports.tries; round += 1) {
    const port = await listenOnce(randomInt(ports.from, ports.to))
    if (port !== undefined) return port
  }
  const port = await listenOnce(0)
  if (port === undefined) throw failed('no port is free on 127.0.0.1')
  return port
}

/** The port if it can be listened on (for 0: any that can), else undefined. */
function listenOnce(wanted: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen(wanted, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : undefined
      server.close(() => resolve(port))
    })
  })
}
