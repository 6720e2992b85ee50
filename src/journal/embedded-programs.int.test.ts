import { chmod, chown, mkdir, readdir, readFile, readlink, rm, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Elsewhere } from '../../test/embedded/rig.ts'
import * as rig from '../../test/embedded/rig.ts'
import { startEmbedded } from './embedded.ts'

let place: string
let folder: string
const opened: { stop(): Promise<void> }[] = []

beforeEach(async () => {
  place = await rig.temporaryFolder()
  folder = join(place, '.busbar')
})
afterEach(async () => {
  for (const each of opened.splice(0)) await each.stop()
  await rig.removeFolder(place)
})

function startIn(project: string, user?: typeof rig.ordinaryUser): Elsewhere {
  const elsewhere = rig.startElsewhere({ folder, project, user })
  opened.push(elsewhere)
  return elsewhere
}

async function libraryLinks(native: string): Promise<string[]> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8')
  return (JSON.parse(text) as { target: string }[]).map(({ target }) => join(dirname(native), target))
}

async function removeLinks(native: string): Promise<string[]> {
  const links = await libraryLinks(native)
  for (const link of links) await rm(link)
  return links
}

/** Where we are root; else we are one ourselves. */
const ordinaryUser = rig.isRoot ? rig.ordinaryUser : undefined
const needsRoot = 'only root can start processes as somebody else'

it('makes the library links of a package whose install script did not run', async ({ skip }) => {
  const { project, native } = await rig.copyProject(place)
  const links = await removeLinks(native)
  if (links.length === 0) return skip('the package for this platform has no links')
  expect(await startIn(project).started).toMatchObject({ fresh: true })
  for (const link of links) expect(await readlink(link)).not.toContain('/')
  expect((await readdir(folder)).filter((name) => name.startsWith('binaries-'))).toEqual([])
})

it('runs from a copy, as an ordinary user, when the links are missing and the package cannot be written to', async () => {
  const { project, native } = await rig.copyProject(place)
  await removeLinks(native)
  await chmod(join(native, 'lib'), 0o555)
  await mkdir(folder)
  if (ordinaryUser) await chown(folder, ordinaryUser.uid, ordinaryUser.gid)
  const elsewhere = startIn(project, ordinaryUser)
  expect(await elsewhere.started, elsewhere.errors()).toMatchObject({ fresh: true })
  const user = ordinaryUser?.uid ?? process.getuid?.()
  expect(await rig.userOf(await rig.postmasterPid(folder))).toBe(user)
  expect((await readdir(folder)).filter((name) => name.startsWith('binaries-'))).toHaveLength(1)
})

it('does not run PostgreSQL as root, and copies programs that only root can reach', async ({ skip }) => {
  if (!rig.isRoot) return skip(needsRoot)
  const { project, native } = await rig.copyProject(place)
  await chmod(join(native, 'bin'), 0o700)
  await chmod(join(native, 'lib'), 0o700)
  const elsewhere = startIn(project)
  expect(await elsewhere.started, elsewhere.errors()).toMatchObject({ fresh: true })
  expect(await rig.userOf(await rig.postmasterPid(folder))).not.toBe(0)
})

it("runs PostgreSQL as the project's owner when started as root, who can go on alone", async ({ skip }) => {
  if (!rig.isRoot) return skip(needsRoot)
  await chown(place, rig.ordinaryUser.uid, rig.ordinaryUser.gid)
  const asRoot = await startEmbedded({ folder })
  opened.push(asRoot)
  expect(await rig.userOf(await rig.postmasterPid(folder))).toBe(rig.ordinaryUser.uid)
  await asRoot.stop()
  const alone = rig.startElsewhere({ folder, user: ordinaryUser })
  opened.push(alone)
  expect(await alone.started, alone.errors()).toMatchObject({ fresh: false, url: asRoot.url })
})

it("keeps the data elsewhere when PostgreSQL's user cannot enter the folder, and says so", async ({
  skip,
}) => {
  if (!rig.isRoot) return skip(needsRoot)
  await chmod(place, 0o700)
  const said: string[] = []
  const embedded = await startEmbedded({ folder, onLog: (message) => said.push(message) })
  const home = (await readFile(join(folder, 'moved-to'), 'utf8')).trim()
  opened.push({
    async stop() {
      await embedded.stop()
      await rig.removeFolder(home)
      await rmdir(dirname(home)).catch(() => undefined) // others may have theirs there
    },
  })
  expect(said).toEqual([expect.stringContaining(home)])
  expect(await rig.userOf(await rig.postmasterPid(home))).not.toBe(0)
  await expect(startEmbedded({ folder })).rejects.toMatchObject({ code: 'embedded.in-use' })
})

it('says what to do where the programs are missing or do not run', async () => {
  const { project, native } = await rig.copyProject(place)
  const postgres = join(native, 'bin', 'postgres')
  await rm(postgres)
  await writeFile(postgres, '#!/bin/sh\necho cannot execute binary file >&2; exit 126\n', { mode: 0o755 })
  const broken = startIn(project)
  expect(await broken.started).toBeUndefined()
  expect(broken.errors()).toMatch(
    /^embedded\.unsupported .*cannot execute binary file.*postgres\(\{ url \}\)/,
  )
  await rm(dirname(native), { recursive: true })
  const missing = startIn(project)
  expect(await missing.started).toBeUndefined()
  expect(missing.errors()).toMatch(/^embedded\.unsupported .*not installed.*postgres\(\{ url \}\)/)
})

it('says which folder it cannot use', async () => {
  await mkdir(folder, { mode: 0o555 })
  const elsewhere = rig.startElsewhere({ folder, user: ordinaryUser })
  expect(await elsewhere.started).toBeUndefined()
  expect(elsewhere.errors()).toMatch(/^embedded\.failed .*cannot use .*\.busbar.*EACCES/)
})

it('says what to do as a user without a name', async ({ skip }) => {
  if (!rig.isRoot) return skip(needsRoot)
  await mkdir(folder)
  await chmod(folder, 0o777)
  const elsewhere = rig.startElsewhere({ folder, user: rig.namelessUser })
  expect(await elsewhere.started).toBeUndefined()
  expect(elsewhere.errors()).toMatch(/^embedded\.unsupported .*user number 54321.*\/etc\/passwd/)
  expect((await readdir(folder)).filter((name) => name.startsWith('data'))).toEqual([])
})
