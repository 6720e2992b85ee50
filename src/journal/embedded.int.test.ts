import { spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { startEmbedded } from './embedded.ts'

let folder: string
const opened: { stop(): Promise<void> }[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'busbar-embedded-'))
  await chmod(folder, 0o755)
})
afterEach(async () => {
  for (const each of opened.splice(0)) await each.stop()
  await rm(folder, { recursive: true, force: true })
})

async function start() {
  const embedded = await startEmbedded({ folder })
  opened.push(embedded)
  return embedded
}

async function sql<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

/** A process of its own that starts the folder's PostgreSQL, says so, and lives until it is killed. */
async function startElsewhere(): Promise<{
  url: string
  pid: number
  kill: () => Promise<void>
  errors: () => string
}> {
  const script = `
    const { startEmbedded } = await import(${JSON.stringify(new URL('./embedded.ts', import.meta.url).href)})
    try {
      const embedded = await startEmbedded({ folder: ${JSON.stringify(folder)} })
      console.log(embedded.url)
      setInterval(() => {}, 1e6)
    } catch (error) { console.error(error.code + ' ' + error.message); process.exit(3) }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const url = await new Promise<string>((resolve) => {
    child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()))
    void closed.then(() => resolve(''))
  })
  const kill = async () => {
    child.kill('SIGKILL')
    await closed
  }
  return { url, pid: child.pid ?? 0, kill, errors: () => errors }
}

async function postmasterPid(): Promise<number> {
  return Number((await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8')).split('\n')[0])
}

it('starts on an empty folder, durable, and keeps its data over a stop', async () => {
  const first = await start()
  expect(first).toMatchObject({ fresh: true, adopted: false })
  const settings = await sql<{ name: string; setting: string }>(
    first.url,
    `SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'server_encoding', 'data_checksums')`,
  )
  expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toEqual({
    fsync: 'on',
    synchronous_commit: 'on',
    server_encoding: 'UTF8',
    data_checksums: 'on',
  })
  await sql(first.url, 'CREATE TABLE kept AS SELECT 42 AS n')
  await first.stop()
  await first.stop()
  const second = await start()
  expect(second).toMatchObject({ fresh: false, adopted: false, url: first.url })
  expect(await sql(second.url, 'SELECT n FROM kept')).toEqual([{ n: 42 }])
})

it('A24: refuses a folder whose busbar is alive', async () => {
  const holder = await startElsewhere()
  try {
    await expect(start()).rejects.toMatchObject({
      code: 'embedded.in-use',
      details: { pid: holder.pid, phase: 'running' },
    })
  } finally {
    await holder.kill()
    await start() // adopts, so that it is stopped
  }
})

it('A24: adopts the PostgreSQL of a busbar that was killed', async () => {
  const holder = await startElsewhere()
  const pid = await postmasterPid()
  await holder.kill()
  const heir = await start()
  expect(heir).toMatchObject({ adopted: true, fresh: false, url: holder.url })
  expect(await postmasterPid()).toBe(pid)
})

it('recovers what was committed after kill -9 of everything', async () => {
  const holder = await startElsewhere()
  await sql(holder.url, 'CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n')
  process.kill(await postmasterPid(), 'SIGKILL')
  await holder.kill()
  const heir = await start()
  expect(await sql(heir.url, 'SELECT count(*)::int AS n FROM kept')).toEqual([{ n: 1000 }])
})

it('starts its PostgreSQL again when that is killed, at the same address', async () => {
  const { url } = await start()
  const before = await postmasterPid()
  process.kill(before, 'SIGKILL')
  await expect
    .poll(() => sql<{ n: number }>(url, 'SELECT 1 AS n').catch(() => []), { timeout: 20_000, interval: 100 })
    .toEqual([{ n: 1 }])
  expect(await postmasterPid()).not.toBe(before)
})

it('does over a set-up that was killed half way, and minds no file of a server that is gone', async () => {
  await mkdir(join(folder, 'data.1234abcd'))
  await writeFile(join(folder, 'data.1234abcd', 'PG_VERSION'), '18\n')
  const first = await start()
  expect(first.fresh).toBe(true)
  expect((await readdir(folder)).filter((name) => name.startsWith('data.'))).toEqual([])
  await first.stop()
  // The id of a crashed server was given to another process: this one.
  await writeFile(join(folder, 'data', 'postmaster.pid'), `${process.pid}\n`)
  expect(await start()).toMatchObject({ adopted: false })
})

it('refuses data of another major version, and says what to do', async () => {
  const first = await start()
  await first.stop()
  await writeFile(join(folder, 'data', 'PG_VERSION'), '14\n')
  await expect(start()).rejects.toMatchObject({
    code: 'embedded.failed',
    message: expect.stringContaining('PostgreSQL 14') as string,
  })
  await writeFile(join(folder, 'data', 'PG_VERSION'), '18\n')
})

it('keeps the password from other users', async () => {
  await start()
  expect((await stat(join(folder, 'access.json'))).mode & 0o077).toBe(0)
})

it('does not run PostgreSQL as root', async ({ skip }) => {
  if (process.getuid?.() !== 0) return skip('only root has privileges to drop')
  await start()
  const status = await readFile(`/proc/${await postmasterPid()}/status`, 'utf8')
  expect(/^Uid:\s+(\d+)/m.exec(status)?.[1]).not.toBe('0')
})
