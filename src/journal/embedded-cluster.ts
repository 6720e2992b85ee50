import { randomBytes } from 'node:crypto'
import { chown, mkdir, readdir, readFile, readlink, realpath, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Access } from './embedded-access.ts'
import { createAccess, databaseUser, readAccess } from './embedded-access.ts'
import { checkHasName } from './embedded-account.ts'
import type { Binaries } from './embedded-binaries.ts'
import { codeOf, failed } from './embedded-errors.ts'
import { syncFolder, writeWhole } from './embedded-files.ts'
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

/**
 * Creates data and access unless they are there; the data complete or not at all, so one that was killed half way is
 * done over. Refuses data of another major version. Not for two callers at once.
 */
export async function initialize(cluster: Cluster): Promise<{ access: Access; fresh: boolean }> {
  for (const name of await readdir(cluster.home))
    if (name.startsWith('data.')) await removeDraft(join(cluster.home, name))
  const version = await readVersion(cluster)
  const stored = await readAccess(cluster.home)
  if (version === undefined) {
    const access = stored ?? (await createAccess(cluster))
    await createData(cluster, access)
    return { access, fresh: true }
  }
  checkMajor(cluster, version)
  if (stored === undefined)
    throw failed(
      `${cluster.home} holds data, but the file access.json with their password is gone: put it back`,
    )
  return { access: stored, fresh: false }
}

/** PostgreSQL's initdb outlives a busbar that was killed, and may still be writing. */
async function removeDraft(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
}

async function readVersion({ data }: Cluster): Promise<string | undefined> {
  try {
    return (await readFile(join(data, 'PG_VERSION'), 'utf8')).trim()
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
  const found = await readdir(data).catch(() => [])
  if (found.length > 0) throw failed(`${data} holds something else than PostgreSQL's data: move it away`)
  return undefined
}

async function createData(cluster: Cluster, access: Access): Promise<void> {
  const { account, binaries, data, home } = cluster
  const draft = `${data}.${randomBytes(4).toString('hex')}`
  const passwordFile = `${draft}.password`
  if (!account) checkHasName()
  await mkdir(draft, { mode: 0o700 })
  if (account) await chown(draft, account.uid, account.gid)
  await writeWhole(passwordFile, access.password, account)
  const args = ['-D', draft, '-U', databaseUser, `--pwfile=${passwordFile}`, '--auth=scram-sha-256']
  const kind = ['--encoding=UTF8', '--locale=C', '--data-checksums', '--no-instructions']
  const { code, output } = await run(binaries.initdb, [...args, ...kind], { account })
  await rm(passwordFile, { force: true })
  if (code !== 0) {
    await removeDraft(draft)
    throw failed(`initdb failed: ${output.slice(-600)}`)
  }
  await rename(draft, data)
  await syncFolder(home)
}

function checkMajor({ data, binaries }: Cluster, found: string): void {
  if (found === binaries.major) return
  throw failed(
    `the data in ${data} were made by PostgreSQL ${found}, this busbar brings PostgreSQL ${binaries.major}: ` +
      `install the busbar version that made them, or dump and restore them with pg_dump of version ${binaries.major}`,
  )
}

/** The process id of the server that runs on these data, undefined when none does; a file left by a crash counts for nothing. */
export async function serverPid({ data }: Cluster): Promise<number | undefined> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => undefined)
  const pid = Number(text?.split('\n')[0])
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return undefined
  return (await isServerOf(pid, data)) ? pid : undefined
}

/**
 * Whether this process is the server of these data and not a later one with its id, perhaps another PostgreSQL.
 * A server's working directory is its data, wherever they were moved to; its command line says where they were.
 */
async function isServerOf(pid: number, data: string): Promise<boolean> {
  const directory = await readlink(`/proc/${pid}/cwd`).catch(() => undefined) // other systems, or not shown to us
  if (directory !== undefined) return directory === (await realpath(data))
  const command = await commandOf(pid)
  return command === undefined || (command.includes('postgres') && command.includes(data))
}
