import { createHash, randomUUID } from 'node:crypto'
import { readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf, inUse } from './embedded-errors.ts'
import { birthOf, isAlive } from './embedded-process.ts'

/** The right to set up and start the PostgreSQL of a folder. */
export interface StartLock {
  /** Safe to call twice. */
  release(): void
}

interface Holder {
  readonly pid: number
  readonly birth?: string
}

const unreadableGraceMs = 10_000

/**
 * Takes the folder's start lock, a file that names its holder. Of several processes at once exactly one gets it, the
 * others `embedded.in-use`; that of a dead process (also one whose id was given to another) is taken over. It guards
 * the short phase before there is a PostgreSQL; from then on the claim inside that PostgreSQL counts.
 */
export function takeStartLock(folder: string): StartLock {
  const path = join(folder, 'starting.lock')
  const mine = JSON.stringify({ pid: process.pid, birth: birthOf(process.pid), nonce: randomUUID() })
  for (let round = 0; round < 5; round += 1) {
    if (createIfAbsent(path, mine)) return { release: () => removeIf(path, (text) => text === mine) }
    const text = readIfPresent(path)
    if (text === undefined) continue // released between the two calls
    const holder = parseHolder(text)
    if (holder === undefined ? isYoung(path) : isHolderAlive(holder)) throw refusal(folder, holder)
    removeStale(path, text)
  }
  throw refusal(folder, undefined)
}

function refusal(folder: string, holder: Holder | undefined): Error {
  return inUse({ folder, pid: holder?.pid, phase: 'starting' })
}

function isHolderAlive({ pid, birth }: Holder): boolean {
  if (!isAlive(pid)) return false
  const born = birthOf(pid)
  return birth === undefined || born === undefined || born === birth
}

/**
 * Removes the lock of a dead process, and never the one that somebody else took in the meantime: only who holds the
 * token named after this very content may remove it, and looks again before.
 */
function removeStale(path: string, text: string): void {
  const token = `${path}.${createHash('sha256').update(text).digest('hex').slice(0, 12)}`
  if (!createIfAbsent(token, '')) {
    if (!isYoung(token)) removeIf(token, () => true) // its holder died within these few lines
    return
  }
  removeIf(path, (found) => found === text)
  removeIf(token, () => true)
}

function createIfAbsent(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'wx' })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

function removeIf(path: string, condition: (text: string) => boolean): void {
  const text = readIfPresent(path)
  if (text === undefined || !condition(text)) return
  try {
    unlinkSync(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function parseHolder(text: string): Holder | undefined {
  try {
    const value = JSON.parse(text) as Holder
    return Number.isInteger(value.pid) ? value : undefined
  } catch {
    return undefined // cut off: its writer is between creating and writing it, or died there
  }
}

function isYoung(path: string): boolean {
  try {
    return Date.now() - statSync(path).mtimeMs < unreadableGraceMs
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}
