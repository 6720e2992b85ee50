import { readFile, stat } from 'node:fs/promises'
import { userInfo } from 'node:os'
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
  const dataOwner = await ownerOf(data)
  if (dataOwner !== undefined && dataOwner.uid !== root)
    return users.find(({ uid }) => uid === dataOwner.uid) ?? { name: `number ${dataOwner.uid}`, ...dataOwner }
  const projectOwner = await ownerOf(dirname(folder))
  const named = users.find(({ uid }) => uid !== root && uid === projectOwner?.uid) // initdb wants a name
  const fallback = ['nobody', 'postgres'].flatMap((name) => users.filter((user) => user.name === name))
  const account = named ?? fallback[0]
  if (account !== undefined) return account
  throw unsupported('PostgreSQL does not run as root, and there is no user "nobody" or "postgres"')
}

/** Throws `embedded.unsupported` when busbar's own user has a number only (containers), which initdb does not accept. */
export function checkHasName(): void {
  try {
    userInfo()
  } catch (error) {
    throw unsupported(
      `it cannot set up its data as user number ${process.getuid?.() ?? ''}, which has no name: add a line for that ` +
        'user to /etc/passwd (in the image), or run busbar as a user that has one',
      error,
    )
  }
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
