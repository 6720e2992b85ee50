import { readFileSync, readlinkSync } from 'node:fs'
import { open, readFile, rm, stat, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, inUse } from './embedded-errors.ts'
import { writeWhole } from './embedded-files.ts'
import type { Account } from './embedded-process.ts'

/** The sign, on the disk, that a busbar of this machine or container works on a home. */
export interface Presence {
  /** Ends the sign; `leave` also takes it away, so that others need not watch it. Safe to call twice. */
  end(options: { readonly leave: boolean }): Promise<void>
}

const beatMs = 1_000
/** How long a sign is watched, and how old one is that needs no watching. */
const watchMs = 5_000
const oldMs = 60_000
const lookMs = 200

/**
 * Refuses a home on which a busbar of another machine or container is alive (a volume that both have mounted), whose
 * PostgreSQL can be seen from here by no process id, port or shared memory: two servers on the same data would destroy
 * them. Within one machine the claim inside PostgreSQL decides. Watches for 5 s after a crash elsewhere. Throws `embedded.in-use`.
 */
export async function showPresence(options: {
  readonly home: string
  readonly folder: string
  readonly account: Account | undefined
}): Promise<Presence> {
  const { home, folder, account } = options
  const sign = { path: join(home, 'alive'), text: placeOfThisProcess(), account }
  if (!(await createIfAbsent(sign)) && (await readFile(sign.path, 'utf8').catch(() => '')) !== sign.text) {
    if (await isBeating(sign.path)) throw inUse({ folder, pid: undefined, phase: 'running', elsewhere: true })
    await writeWhole(sign.path, sign.text, account)
  }
  await beat(sign)
  const timer = setInterval(() => void beat(sign), beatMs).unref()
  return {
    async end({ leave }) {
      clearInterval(timer)
      if (leave) await rm(sign.path, { force: true })
    },
  }
}

interface Sign {
  readonly path: string
  readonly text: string
  readonly account: Account | undefined
}

/** Makes it again too: one who stops here may take it away just when another starts. */
async function beat(sign: Sign): Promise<void> {
  try {
    const now = new Date()
    await utimes(sign.path, now, now)
  } catch {
    await createIfAbsent(sign).catch(() => false) // a full disk or a removed folder shows elsewhere
  }
}

/** Processes with the same answer see each other's process ids. */
function placeOfThisProcess(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${hostname()} ${boot} ${readlinkSync('/proc/self/ns/pid')}\n`
  } catch {
    return `${hostname()}\n` // not Linux
  }
}

async function createIfAbsent({ path, text, account }: Sign): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(text)
      if (account) await file.chown(account.uid, account.gid)
    } finally {
      await file.close()
    }
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** Whether its time moves; the clocks of two machines are compared only roughly. */
async function isBeating(path: string): Promise<boolean> {
  const first = await timeOf(path)
  if (first === undefined || Math.abs(Date.now() - first) > oldMs) return false
  for (const deadline = performance.now() + watchMs; performance.now() < deadline;) {
    await sleep(lookMs)
    const now = await timeOf(path)
    if (now !== first) return now !== undefined
  }
  return false
}

async function timeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
