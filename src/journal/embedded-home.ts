import { createHash } from 'node:crypto'
import { chmod, chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { canReach, chooseAccount } from './embedded-account.ts'
import { codeOf, failed } from './embedded-errors.ts'
import { syncFolder, writeWhole } from './embedded-files.ts'
import type { Account } from './embedded-process.ts'

/** Where everything of a folder's PostgreSQL is, and who runs it. */
export interface Home {
  readonly path: string
  /** Undefined: busbar's own user. */
  readonly account: Account | undefined
}

const elsewhere = '/var/lib/busbar'

/** The folder itself, or the place that stands in for it because PostgreSQL's user cannot enter the folder. */
export async function findHome(folder: string): Promise<string> {
  const moved = await readFile(join(folder, 'moved-to'), 'utf8').catch(() => '')
  return moved.trim() || folder
}

/** Makes the folder if need be, decides who runs its PostgreSQL, and moves the home to where that user gets in. */
export async function openHome(folder: string, onLog: (message: string) => void): Promise<Home> {
  const created = (await mkdir(folder, { recursive: true })) !== undefined
  const home = await findHome(folder)
  const account = await chooseAccount(folder, join(home, 'data'))
  if (created && account) await giveToProject(folder, account)
  await writeFile(join(folder, '.gitignore'), '*\n', { flag: 'wx' }).catch((error: unknown) => {
    if (codeOf(error) !== 'EEXIST') throw error
  })
  if (await canReach(account, home, 'folder')) return { path: home, account }
  if (home !== folder) throw failed(`user ${account?.name ?? ''}, who runs PostgreSQL, cannot enter ${home}`)
  const path = await moveHome(folder)
  if (!(await canReach(account, path, 'folder')))
    throw failed(
      `user ${account?.name ?? ''}, who runs PostgreSQL since busbar runs as root, can enter neither ${folder} nor ${path}`,
    )
  onLog(
    `the journal's data are in ${path}: user ${account?.name ?? ''}, who runs PostgreSQL, cannot enter ${folder}`,
  )
  return { path, account }
}

/** In a user's project that user owns the new folder, so that busbar can run as that user later. */
async function giveToProject(folder: string, account: Account): Promise<void> {
  const isOwner = (await stat(dirname(folder))).uid === account.uid
  if (isOwner) await chown(folder, account.uid, account.gid)
  else await chmod(folder, 0o755) // whatever root's umask is
}

/** Busbar runs as root in a place that only root can enter, and PostgreSQL does not run as root. */
async function moveHome(folder: string): Promise<string> {
  const path = join(elsewhere, createHash('sha256').update(folder).digest('hex').slice(0, 12))
  await mkdir(path, { recursive: true })
  for (const each of [elsewhere, path]) await chmod(each, 0o755)
  await writeWhole(join(folder, 'moved-to'), `${path}\n`, undefined)
  await syncFolder(folder)
  return path
}
