import { access, chmod, constants } from 'node:fs/promises'
import { join } from 'node:path'
import { canReach } from './embedded-account.ts'
import { codeOf, unsupported } from './embedded-errors.ts'
import { findPackage, linkLibraries, shelteredCopy } from './embedded-package.ts'
import type { Account } from './embedded-process.ts'
import { run } from './embedded-process.ts'

/** PostgreSQL's programs, proved to run as the account that is to run them. */
export interface Binaries {
  /** The folder that holds them all. */
  readonly folder: string
  readonly initdb: string
  readonly pgCtl: string
  readonly major: string
}

/**
 * Finds the programs in the npm package for this platform, makes the library links that its install script would have
 * made, and copies all of it into `shelter` where that is impossible or the account cannot get at the package. Throws
 * `embedded.unsupported` where they do not run.
 */
export async function prepareBinaries(options: {
  readonly account: Account | undefined
  /** A folder that the account can reach. */
  readonly shelter: string
}): Promise<Binaries> {
  const { account, shelter } = options
  const source = await findPackage()
  const linked = await linkLibraries(source.native, { byCopy: false })
  if (linked && (await canReach(account, join(source.native, 'bin'), 'folder'))) {
    const proof = await prove(source.native, account)
    if (proof.runs) return proof.binaries
    if (account === undefined && !proof.denied) throw unsupported(proof.why)
  }
  const proof = await prove(await shelteredCopy(source, shelter), account)
  if (proof.runs) return proof.binaries
  throw unsupported(proof.why)
}

type Proof =
  | { readonly runs: true; readonly binaries: Binaries }
  | { readonly runs: false; readonly why: string; readonly denied: boolean }

/** Runs one, which loads all the libraries. */
async function prove(folder: string, account: Account | undefined): Promise<Proof> {
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const program = (name: string) => join(folder, 'bin', name + suffix)
  for (const name of ['initdb', 'pg_ctl', 'postgres']) await makeExecutable(program(name))
  try {
    const { code, output } = await run(program('postgres'), ['--version'], { account })
    const major = /\(PostgreSQL\) (\d+)/.exec(output)?.[1]
    if (code === 0 && major !== undefined)
      return { runs: true, binaries: { folder, initdb: program('initdb'), pgCtl: program('pg_ctl'), major } }
    return {
      runs: false,
      why: `its programs do not run (${output.split('\n')[0] ?? ''})${hint()}`,
      denied: false,
    }
  } catch (error) {
    const code = codeOf(error) ?? 'unknown error'
    return { runs: false, why: `its programs cannot be run (${code})${hint()}`, denied: code === 'EACCES' }
  }
}

function hint(): string {
  if (process.platform !== 'linux') return ''
  Object.assign(process.report, { excludeNetwork: true }) // which can take seconds
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
  return header.glibcVersionRuntime === undefined
    ? ': they need glibc, and this system (Alpine?) has musl'
    : ''
}

/** Where install scripts did not run or a copy lost the mode. What cannot be changed shows when it is run. */
async function makeExecutable(path: string): Promise<void> {
  await access(path, constants.X_OK).catch(() => chmod(path, 0o755).catch(() => undefined))
}
