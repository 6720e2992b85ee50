import { readdir, readlink, realpath } from 'node:fs/promises'
import { commandOf, isAlive } from './embedded-process.ts'

/**
 * Ends what is left of a killed server: a session in the middle of a long query does not notice that its server is gone,
 * and while it lives no other server starts on these data. Answers how many there were. Only sessions of PostgreSQL
 * (`postgres: …`) that work in `data` are touched, never a shell that happens to be there; only Linux tells.
 */
export async function endOrphans(data: string): Promise<number> {
  if (process.platform !== 'linux') return 0
  const folder = await realpath(data)
  let ended = 0
  for (const name of await readdir('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || !(await isSessionIn(pid, folder)) || !isAlive(pid)) continue
    process.kill(pid, 'SIGKILL')
    ended += 1
  }
  return ended
}

async function isSessionIn(pid: number, folder: string): Promise<boolean> {
  const found = await readlink(`/proc/${pid}/cwd`).catch(() => undefined) // ended meanwhile, or another user's
  return found === folder && (await commandOf(pid))?.startsWith('postgres: ') === true
}
