import { spawn } from 'node:child_process'
import { utimesSync } from 'node:fs'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Elsewhere } from '../../test/embedded/rig.ts'
import * as rig from '../../test/embedded/rig.ts'
import { sql } from '../../test/embedded/rig.ts'
import { startEmbedded } from './embedded.ts'

let place: string
let folder: string
let template: string
const opened: { stop(): Promise<void> }[] = []

beforeAll(async () => {
  template = await rig.temporaryFolder()
  const embedded = await startEmbedded({ folder: template })
  await embedded.stop()
})
afterAll(() => rig.removeFolder(template))
beforeEach(async () => {
  place = await rig.temporaryFolder()
  folder = join(place, '.busbar')
})
afterEach(async () => {
  for (const each of opened.splice(0)) await each.stop()
  await rig.removeFolder(place)
})

async function start(from = folder, onLog?: (message: string) => void) {
  const embedded = await startEmbedded({ folder: from, ...(onLog && { onLog }) })
  opened.push(embedded)
  return embedded
}

/** A folder whose PostgreSQL was set up and stopped before, made quicker than by initdb. */
function useTemplate(): void {
  rig.copyFolder(template, folder)
}

async function startElsewhere(query = ''): Promise<Elsewhere & { url: string }> {
  const elsewhere = rig.startElsewhere({ folder, query })
  opened.push({ stop: () => elsewhere.kill() })
  const started = await elsewhere.started
  if (!started) throw new Error(elsewhere.errors())
  return { ...elsewhere, url: started.url }
}

it('starts on an empty folder, durable, and keeps its data over a stop', async () => {
  const first = await start()
  expect(first).toMatchObject({ fresh: true, adopted: false })
  const settings = await sql<{ name: string; setting: string }>(
    first.url,
    `SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'server_encoding',
       'data_checksums', 'listen_addresses', 'lc_messages')`,
  )
  expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toEqual({
    fsync: 'on',
    synchronous_commit: 'on',
    server_encoding: 'UTF8',
    data_checksums: 'on',
    listen_addresses: '127.0.0.1',
    lc_messages: 'C',
  })
  await sql(first.url, 'CREATE TABLE kept AS SELECT 42 AS n')
  await first.stop()
  await first.stop()
  const second = await start()
  expect(second).toMatchObject({ fresh: false, adopted: false, url: first.url })
  expect(await sql(second.url, 'SELECT n FROM kept')).toEqual([{ n: 42 }])
  expect((await stat(join(folder, 'access.json'))).mode & 0o077).toBe(0)
})

it('A24: refuses a folder whose busbar is alive', async () => {
  useTemplate()
  const holder = await startElsewhere()
  const details = { pid: holder.pid, phase: 'running' }
  await expect(start()).rejects.toMatchObject({ code: 'embedded.in-use', details })
  await holder.stop()
  await expect(rig.postmasterPid(folder)).rejects.toMatchObject({ code: 'ENOENT' })
})

it('A24: lets one of several start, and refuses the others', async () => {
  useTemplate()
  const outcomes = await Promise.allSettled([start(), start(), start()])
  const refused = outcomes.filter((each) => each.status === 'rejected')
  expect(refused.map(({ reason }: { reason: unknown }) => reason)).toMatchObject([
    { code: 'embedded.in-use' },
    { code: 'embedded.in-use' },
  ])
})

it('A24: adopts the PostgreSQL of a busbar that was killed', async () => {
  useTemplate()
  const holder = await startElsewhere()
  const pid = await rig.postmasterPid(folder)
  await holder.kill()
  const heir = await start()
  expect(heir).toMatchObject({ adopted: true, fresh: false, url: holder.url })
  expect(await rig.postmasterPid(folder)).toBe(pid)
})

it('A24: refuses a folder whose busbar is alive on another machine or in another container, until it is not', async () => {
  useTemplate()
  const sign = join(folder, 'alive')
  await writeFile(sign, 'another-machine\n')
  const beat = setInterval(() => utimesSync(sign, new Date(), new Date()), 50)
  await expect(start()).rejects.toMatchObject({
    code: 'embedded.in-use',
    message: expect.stringContaining('another container') as string,
  })
  clearInterval(beat)
  utimesSync(sign, 0, 0)
  await start()
  expect(await readFile(sign, 'utf8')).not.toContain('another-machine')
})

it('recovers what was committed after kill -9 of everything', async () => {
  useTemplate()
  // A session in the middle of a long query holds on to PostgreSQL's memory when all else is gone.
  const holder = await startElsewhere(
    'SELECT count(*) FROM generate_series(1, 1e5) a, generate_series(1, 1e5) b',
  )
  await sql(holder.url, 'CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n')
  process.kill(await rig.postmasterPid(folder), 'SIGKILL')
  await holder.kill()
  const heir = await start()
  expect(await sql(heir.url, 'SELECT count(*)::int AS n FROM kept')).toEqual([{ n: 1000 }])
})

it('starts its PostgreSQL again when that is killed, at the same address, and stops it after that', async () => {
  useTemplate()
  const embedded = await start()
  const before = await rig.postmasterPid(folder)
  // Its client lives on, so nothing but busbar ends this session, which keeps another server from starting.
  const lost = expect(
    sql(embedded.url, 'SELECT count(*) FROM generate_series(1, 1e5) a, generate_series(1, 1e5) b'),
  ).rejects.toThrow()
  const isBusy =
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE query LIKE '%1e5) b' AND state = 'active'"
  await expect.poll(() => sql(embedded.url, isBusy)).toEqual([{ n: 1 }])
  const bystander = spawn('sleep', ['60'], { cwd: join(folder, 'data') })
  opened.push({ stop: async () => void bystander.kill() })
  process.kill(before, 'SIGKILL')
  await lost
  await expect
    .poll(() => sql<{ n: number }>(embedded.url, 'SELECT 1 AS n').catch(() => []), {
      timeout: 20_000,
      interval: 50,
    })
    .toEqual([{ n: 1 }])
  expect(await rig.postmasterPid(folder)).not.toBe(before)
  expect(bystander.signalCode).toBeNull()
  await embedded.stop()
  await expect(rig.postmasterPid(folder)).rejects.toMatchObject({ code: 'ENOENT' })
})

it('takes its claim again when only that was lost', async () => {
  useTemplate()
  const said: string[] = []
  const { url } = await start(folder, (message) => said.push(message))
  const pid = await rig.postmasterPid(folder)
  await sql(
    url,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'busbar-claim-%'`,
  )
  await expect.poll(() => said.at(-1), { timeout: 10_000 }).toBe('the embedded PostgreSQL runs again')
  expect(await rig.postmasterPid(folder)).toBe(pid)
  await expect(start()).rejects.toMatchObject({ code: 'embedded.in-use' })
})

it('does over a set-up that was killed half way', async () => {
  const holder = rig.startElsewhere({ folder })
  const drafts = async () =>
    (await readdir(folder).catch(() => [])).filter((name) => name.startsWith('data.'))
  const isUnderWay = async () => {
    const [draft = ''] = (await drafts()).filter((name) => !name.endsWith('.password'))
    return stat(join(folder, draft, 'PG_VERSION')).then(
      () => draft !== '',
      () => false,
    )
  }
  await expect.poll(isUnderWay, { timeout: 10_000, interval: 5 }).toBe(true)
  await holder.kill()
  expect(await start()).toMatchObject({ fresh: true, adopted: false })
  expect(await drafts()).toEqual([])
})

it('minds no file of a server that is gone, whoever has its process id and its port now', async () => {
  useTemplate()
  const other = join(place, 'other')
  rig.copyFolder(template, other)
  const first = await start()
  await writeFile(
    join(other, 'data', 'postmaster.pid'),
    await readFile(join(folder, 'data', 'postmaster.pid')),
  )
  const second = await start(other)
  expect(second.adopted).toBe(false)
  expect(second.url).not.toBe(first.url)
  await second.stop()
  await writeFile(join(other, 'data', 'postmaster.pid'), `${process.pid}\n`)
  expect(await start(other)).toMatchObject({ adopted: false, url: second.url })
})

it('refuses data of another major version, and says what to do', async () => {
  useTemplate()
  await writeFile(join(folder, 'data', 'PG_VERSION'), '14\n')
  await expect(start()).rejects.toMatchObject({
    code: 'embedded.failed',
    message: expect.stringMatching(/PostgreSQL 14.*dump and restore/) as string,
  })
})

it('starts in folders with blanks and umlauts, and refuses names that a shell would read as commands', async () => {
  folder = join(place, "Büro's Anlage", '.busbar')
  await mkdir(dirname(folder))
  useTemplate()
  await start()
  const odd = join(place, '$(touch spoiled)')
  rig.copyFolder(template, odd)
  await expect(start(odd)).rejects.toMatchObject({ code: 'embedded.failed' })
})

it('says which file is wrong when the password is', async () => {
  useTemplate()
  const path = join(folder, 'access.json')
  await writeFile(path, (await readFile(path, 'utf8')).replace(/"password":"[^"]*/, '"password":"not-it'))
  await expect(start()).rejects.toMatchObject({
    code: 'embedded.failed',
    message: expect.stringContaining('access.json') as string,
  })
  await expect(rig.postmasterPid(folder)).rejects.toMatchObject({ code: 'ENOENT' })
})
