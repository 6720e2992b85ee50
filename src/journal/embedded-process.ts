import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

/** A user of the operating system whom busbar, started as root, lets PostgreSQL run as. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** How a program ended: its exit code (null after a signal) and the last 64 KB of what it wrote to either stream. */
export interface Outcome {
  readonly code: number | null
  readonly output: string
}

const maxOutputLength = 64 * 1024
const drainMs = 1_000

/**
 * Runs a program to its end, as `account` if given, in a session of its own (Ctrl-C is for busbar, which then stops in
 * order) and with a small environment of its own: nothing that busbar was given there (secrets, `PG…`) reaches
 * PostgreSQL. Ends it after `timeoutMs` (default 2 minutes). Rejects with the system's
 * error when it cannot be run at all (`ENOENT`, `EACCES`, `EPERM`).
 */
export function run(
  file: string,
  args: readonly string[],
  options: { cwd?: string; account?: Account | undefined; timeoutMs?: number } = {},
): Promise<Outcome> {
  const { cwd = '/', account, timeoutMs = 120_000 } = options
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd,
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      detached: process.platform !== 'win32',
      windowsHide: true,
      ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
    })
    let output = ''
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-maxOutputLength)
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output: output.trim() }))
    // On Windows the server that pg_ctl has started inherits its pipes and would keep them open for good.
    child.once('exit', () => {
      const close = () => [child.stdout, child.stderr].forEach((stream) => stream.destroy())
      const timer = setTimeout(close, drainMs)
      child.once('close', () => clearTimeout(timer))
    })
  })
}

function environment(): NodeJS.ProcessEnv {
  const kept = ['PATH', 'TMPDIR', 'LD_LIBRARY_PATH', 'SystemRoot', 'TEMP', 'TMP']
  const inherited = kept.flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]]],
  )
  return { ...(Object.fromEntries(inherited) as NodeJS.ProcessEnv), LC_ALL: 'C', TZ: 'UTC' }
}

/** Whether a process with this id exists and has not ended; a zombie has ended. */
export function isAlive(pid: number): boolean {
  if (statOf(pid)?.state === 'Z') return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' // it exists and is somebody else's
  }
}

/**
 * Tells a process from a later one with the same id: when it started, and in which run of the machine. Undefined where
 * the system does not say (only Linux does) or there is no such process.
 */
export function birthOf(pid: number): string | undefined {
  const started = statOf(pid)?.started
  const boot = readText('/proc/sys/kernel/random/boot_id')?.trim()
  return started === undefined || boot === undefined ? undefined : `${boot}/${started}`
}

/** The command line of a process, blanks between its parts; undefined when there is none or the system does not say. */
export async function commandOf(pid: number): Promise<string | undefined> {
  if (existsSync('/proc/self/cmdline'))
    return readText(`/proc/${pid}/cmdline`)?.replaceAll('\0', ' ').trim() || undefined
  if (process.platform === 'win32') return undefined
  const { output } = await run('/bin/ps', ['-o', 'command=', '-p', String(pid)])
  return output || undefined
}

/** Fields of /proc/<pid>/stat; the second, the name, may hold blanks and brackets itself. */
function statOf(pid: number): { state: string | undefined; started: string | undefined } | undefined {
  const text = readText(`/proc/${pid}/stat`)
  if (text === undefined) return undefined
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0], started: fields[19] }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined // no such process, not Linux, or hidden from us: not known
  }
}
