import { randomBytes } from 'node:crypto'
import { chown, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Binaries } from './embedded-binaries.ts'
import { failed } from './embedded-errors.ts'
import { boundLog, isAbsent, syncFolder, tailOfLog, writeWhole } from './embedded-files.ts'
import type { Account } from './embedded-process.ts'
import { commandOf, isAlive, run } from './embedded-process.ts'

/** One private PostgreSQL: where it lives, who runs it, with which programs. */
export interface Cluster {
  /** Holds all of it. */
  readonly home: string
  /** PostgreSQL's own data. */
  readonly data: string
  readonly log: string
  readonly account: Account | undefined
  readonly binaries: Binaries
}

/** How to reach it; kept in the home, readable by its owner only. */
export interface Access {
  readonly port: number
  readonly password: string
}

const user = 'busbar'
const settings = [
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'fsync=on',
  'synchronous_commit=on',
  'full_page_writes=on',
  'max_connections=60',
  'shared_buffers=128MB',
  'password_encryption=scram-sha-256',
  'log_min_messages=warning',
  'log_line_prefix=%m',
]

/** The connection string for this access. */
export function urlOf({ port, password }: Access): string {
  return `postgres://${user}:${password}@127.0.0.1:${port}/postgres`
}

/** The stored access, or a new one, stored before anything uses it. */
export async function accessOf(cluster: Cluster): Promise<Access> {
  const path = join(cluster.home, 'access.json')
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isAbsent(error)) return undefined
    throw error
  })
  if (text !== undefined) return JSON.parse(text) as Access
  return storeAccess(cluster, { port: await freePort(), password: randomBytes(24).toString('base64url') })
}

async function storeAccess(cluster: Cluster, access: Access): Promise<Access> {
  await writeWhole(join(cluster.home, 'access.json'), JSON.stringify(access), undefined)
  await syncFolder(cluster.home)
  return access
}

/** Creates the data unless they are there; complete or not at all. Answers whether it did. Refuses data of another major version. */
export async function initialize(cluster: Cluster, access: Access): Promise<boolean> {
  for (const name of await readdir(cluster.home))
    if (name.startsWith('data.')) await rm(join(cluster.home, name), { recursive: true, force: true })
  const version = await readFile(join(cluster.data, 'PG_VERSION'), 'utf8').catch(() => undefined)
  if (version !== undefined) {
    checkMajor(cluster, version.trim())
    return false
  }
  const draft = `${cluster.data}.${randomBytes(4).toString('hex')}`
  const passwordFile = `${draft}.password`
  const { account } = cluster
  await mkdir(draft, { mode: 0o700 })
  if (account) await chown(draft, account.uid, account.gid)
  await writeWhole(passwordFile, access.password, account)
  const { code, output } = await run(
    cluster.binaries.initdb,
    ['-D', draft, '-U', user, '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8'].concat([
      '--locale=C',
      '--data-checksums',
      '--no-instructions',
    ]),
    { account },
  )
  await rm(passwordFile, { force: true })
  if (code !== 0) throw failed(`initdb failed: ${output.slice(-600)}`)
  await rename(draft, cluster.data)
  await syncFolder(cluster.home)
  return true
}

function checkMajor({ data, binaries }: Cluster, found: string): void {
  if (found === binaries.major) return
  throw failed(
    `the data in ${data} were made by PostgreSQL ${found}, this busbar brings PostgreSQL ${binaries.major}: ` +
      `install the busbar version that made them, or dump and restore them with pg_dump of version ${binaries.major}`,
  )
}

/** The process id of the running server, undefined when none runs on these data; a file left by a crash counts for nothing. */
export async function serverPid(cluster: Cluster): Promise<number | undefined> {
  const path = join(cluster.data, 'postmaster.pid')
  const text = await readFile(path, 'utf8').catch(() => undefined)
  const pid = Number(text?.split('\n')[0])
  if (!Number.isInteger(pid) || pid <= 0) return undefined
  if (!isAlive(pid)) return undefined
  const command = await commandOf(pid)
  if (command === undefined || /postgres/.test(command)) return pid
  await rm(path, { force: true }) // its id was given to another process, which PostgreSQL would take for a server
  return undefined
}

const startRounds = 8

/** Starts the server in a session of its own; answers with the access in force, since a taken port is replaced. */
export async function startServer(cluster: Cluster, wanted: Access): Promise<Access> {
  let access = wanted
  for (let round = 1; ; round++) {
    await boundLog(cluster.log, cluster.account)
    const { code, output } = await run(cluster.binaries.pgCtl, startArguments(cluster, access), {
      account: cluster.account,
    })
    if (code === 0) return access
    const log = await tailOfLog(cluster.log)
    if (round >= startRounds)
      throw failed(`the embedded PostgreSQL does not start; see ${cluster.log}`, { log: log || output })
    if (/could not bind|Address already in use/.test(log))
      access = await storeAccess(cluster, { ...access, port: await freePort() })
    else await new Promise((resolve) => setTimeout(resolve, 500)) // remains of a killed server end by themselves
  }
}

function startArguments({ data, log }: Cluster, { port }: Access): string[] {
  const options = [`port=${port}`, ...settings].map((setting) => `-c ${setting}`).join(' ')
  return ['start', '-D', data, '-l', log, '-w', '-t', '60', '-o', options]
}

/** Stops the server; nothing when none runs. */
export async function stopServer({ binaries, data, account }: Cluster): Promise<void> {
  await run(binaries.pgCtl, ['stop', '-D', data, '-m', 'fast', '-w', '-t', '60'], { account })
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
