import { readdir, readlink } from 'node:fs/promises'
import { birthOf, isAlive } from './embedded-process.ts'

/**
 * Ends what is left of a killed server: a session in the middle of a long query does not notice that its server is gone,
 * and while it lives no other server starts on these data. Its work is lost already. Answers how many there were. Only
 * processes whose working folder is `data` are touched, and only Linux tells.
 */
export async function endOrphans(data: string): Promise<number> {
  if (process.platform !== 'linux') return 0
  let ended = 0
  for (const name of await readdir('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid || birthOf(pid) === undefined) continue
    const folder = await readlink(`/proc/${pid}/cwd`).catch(() => undefined) // ended meanwhile, or another user's
    if (folder !== data || !isAlive(pid)) continue
    process.kill(pid, 'SIGKILL')
    ended += 1
  }
  return ended
}
