import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import type { Command } from 'commander'
import { BusbarError } from '../../errors.ts'
import type { Action, Context } from '../context.ts'
import { projectFiles } from '../project-template.ts'

/** `init`. */
export function addInitCommand(program: Command, action: Action): void {
  program
    .command('init [folder]')
    .description('make a project that runs: an event, a flow, a system to call, and a test')
    .action(action(init))
}

async function init(context: Context, given: string | undefined): Promise<void> {
  const folder = resolve(given ?? '.')
  const name =
    basename(folder)
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, '-')
      .replace(/^-+|-+$/g, '') || 'integration'
  const { version } = JSON.parse(
    await readFile(new URL('../../../package.json', import.meta.url), 'utf8'),
  ) as {
    version: string
  }
  await mkdir(folder, { recursive: true })
  const files = projectFiles({ name, version })
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
