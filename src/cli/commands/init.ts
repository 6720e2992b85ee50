import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import type { Command } from 'commander'
import { BusbarError } from '../../errors.ts'
import type { Action, Context } from '../context.ts'
import { projectFiles } from '../project-template.ts'
import { ownVersion } from '../../version.ts'

/** `init`. */
export function addInitCommand(program: Command, action: Action): void {
  program
    .command('init [folder]')
    .description('make a project that runs: an event, a flow, a system to call, and a test')
    .action(action(init))
}

async function init(context: Context, given: string | undefined): Promise<void> {
  const folder = resolve(given ?? '.')
  await makeFolder(folder)
  const files = projectFiles({ name: projectName(folder), version: ownVersion() })
  const there = new Set(await readdir(folder))
  const taken = files.map(({ path }) => path).filter((path) => there.has(path.split('/')[0] ?? path))
  if (taken.length > 0)
    throw new BusbarError(
      'act.refused',
      `${folder} has ${taken.join(', ')} already; nothing was written. Choose an empty folder`,
    )
  for (const { path, text } of files) {
    const target = join(folder, path)
    await mkdir(dirname(target), { recursive: true })
    await writeFile(target, text)
  }
  const place = relative('.', folder)
  context.show({ folder, files: files.map(({ path }) => path) }, () =>
    [
      `made ${files.length} files in ${folder}`,
      '',
      'Next:',
      ...(place === '' ? [] : [`  cd ${place}`]),
      '  npm install',
      '  npm test              # the flow against a stub, in virtual time',
      '  npm run dev           # busbar and a small ERP to try it on',
    ].join('\n'),
  )
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error)
    throw new BusbarError('act.refused', `${folder} cannot be made a folder (${why}); choose another`, {
      cause: error,
    })
  }
}

/** A name that npm takes, and busbar as a hub's name, whatever the folder's is. */
function projectName(folder: string): string {
  const name = basename(folder)
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .slice(0, 80)
    .replace(/^-+|-+$/g, '')
  return name || 'integration'
}
