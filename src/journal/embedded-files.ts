import { constants } from 'node:fs'
import { copyFile, open, rename } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import type { Account } from './embedded-process.ts'

/**
 * Writes a whole file (mode 0600, owned by `account` if given) durably: afterwards it has the old content or the new,
 * whenever power fails. Never writes through a link, so that a folder of another user cannot lead root astray.
 */
export async function writeWhole(path: string, text: string, account: Account | undefined): Promise<void> {
  const draft = `${path}.${randomBytes(4).toString('hex')}`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(text)
    if (account !== undefined) await file.chown(account.uid, account.gid)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
}

/** Makes what was created or renamed in this folder durable; where folders cannot be synced (Windows) the system does it. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

const maxLogBytes = 10 * 1024 * 1024

/**
 * Makes PostgreSQL's log file if need be, and past 10 MB moves its content to `<log>.1`: at most about 20 MB in all.
 * PostgreSQL appends, so it may be running; what it writes within these few milliseconds is lost from the log.
 * Answers with the size that the log has now.
 */
export async function boundLog(path: string, account: Account | undefined): Promise<number> {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0), 0o600)
  try {
    if (account !== undefined) await file.chown(account.uid, account.gid)
    const { size } = await file.stat()
    if (size <= maxLogBytes) return size
    const copy = `${path}.1.${randomBytes(4).toString('hex')}`
    await copyFile(path, copy, constants.COPYFILE_EXCL)
    await rename(copy, `${path}.1`)
    await file.truncate(0)
    return 0
  } finally {
    await file.close()
  }
}

/** What was logged since the log had `start` bytes, for an error message: its last lines, at most 2 KB. */
export async function readLogFrom(path: string, start: number): Promise<string> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const length = Math.min(Math.max(size - start, 0), 2048)
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length)
    return buffer.toString().trim().split('\n').slice(-8).join('\n')
  } finally {
    await file.close()
  }
}
