import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf, failed, unsupported } from './embedded-errors.ts'
import { run } from './embedded-process.ts'
import type { Account } from './embedded-process.ts'

const root = 0

/**
 * Who PostgreSQL runs as. Busbar's own user (undefined), or, as PostgreSQL refuses to run as root: the owner of the
 * data where there are some, else the owner of the project (the folder's parent), else `nobody`, else `postgres`.
 */
export async function chooseAccount(folder: string, data: string): Promise<Account | undefined> {
  if (process.getuid?.() !== root) {
    await checkOwner(data)
    return undefined
  }
  const users = await readUsers()
  for (const path of [data, dirname(folder)]) {
    const owner = await ownerOf(path)
    if (owner === undefined || owner.uid === root) continue
    return users.find((user) => user.uid === owner.uid) ?? { name: `user ${owner.uid}`, ...owner }
  }
  const fallback = ['nobody', 'postgres'].flatMap((name) => users.filter((user) => user.name === name))
  if (fallback[0] !== undefined) return fallback[0]
  throw unsupported('PostgreSQL does not run as root, and there is no user "nobody" or "postgres"')
}

/** Whether PostgreSQL, run by this account, gets to the path: really tried, so modes, ACLs and mounts all count. */
export async function canReach(
  account: Account | undefined,
  path: string,
  kind: 'folder' | 'file',
): Promise<boolean> {
  if (account === undefined) return true
  const script = kind === 'folder' ? 'cd -- "$1"' : 'test -r "$1"'
  try {
    return (await run('/bin/sh', ['-c', script, 'sh', path], { account })).code === 0
  } catch (error) {
    if (codeOf(error) !== 'EPERM' && codeOf(error) !== 'EINVAL') throw error
    throw unsupported(`busbar runs as root but may not start a process as ${account.name}`, error)
  }
}

async function checkOwner(data: string): Promise<void> {
  const uid = process.getuid?.()
  const owner = await ownerOf(data)
  if (owner === undefined || uid === undefined || owner.uid === uid) return
  throw failed(
    `the data in ${data} belong to user ${owner.uid}, busbar runs as user ${uid}: ` +
      'start it as that user or as root, or change the owner of the folder',
  )
}

async function ownerOf(path: string): Promise<{ uid: number; gid: number } | undefined> {
  try {
    const { uid, gid } = await stat(path)
    return { uid, gid }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function readUsers(): Promise<readonly Account[]> {
  const text = await readFile('/etc/passwd', 'utf8').catch(() => '')
  return text.split('\n').flatMap((line) => {
    const [name = '', , uid, gid] = line.split(':')
    return uid === undefined || gid === undefined ? [] : [{ name, uid: Number(uid), gid: Number(gid) }]
  })
}
