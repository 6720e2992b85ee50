import type { Command } from 'commander'
import type { LinkList } from '../../control/schema/link.ts'
import { count, runId } from '../../control/sentence.ts'
import { BusbarError } from '../../errors.ts'
import type { Action, Context } from '../context.ts'
import { table } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { safe, styled } from '../terminal.ts'
import { moment } from '../words.ts'

interface Which {
  readonly kind?: string
  readonly id?: string
  readonly system?: string
  readonly external?: string
}

interface Change {
  readonly reason: string
  readonly replace?: boolean
}

/** `links`, `links set`, `links remove`. */
export function addLinkCommands(program: Command, action: Action): void {
  const links = program.command('links').description('cross-references: the ids that objects have in systems')
  links
    .command('show', { isDefault: true })
    .description('the ids of an object (--kind, --id), or the object of an id (--system, --external)')
    .option('--kind <kind>', 'kind of object, such as order')
    .option('--id <id>', 'the object, in your own words')
    .option('--system <system>', 'the system')
    .option('--external <external>', 'the id in the system')
    .action(action(show))
  links
    .command('set <kind> <id> <system> <external>')
    .description('say which id an object has in a system; runs that wait for it go on')
    .option('--replace', 'in the place of another one that it has there', false)
    .requiredOption('--reason <text>', 'why; kept in the audit trail')
    .action(action(set))
  links
    .command('remove <kind> <id> <system>')
    .description('say that an object has no id in a system')
    .requiredOption('--reason <text>', 'why; kept in the audit trail')
    .action(action(remove))
}

async function show(context: Context, { kind, id, system, external }: Which): Promise<void> {
  const byObject = kind !== undefined && id !== undefined && external === undefined
  const byExternal = system !== undefined && external !== undefined && id === undefined
  if (!byObject && !byExternal)
    throw new BusbarError(
      'config.invalid',
      'say which: --kind and --id (and --system, if you like), or --system and --external (and --kind)',
    )
  const found = await context.client.listLinks({
    ...(kind !== undefined && { kind }),
    ...(id !== undefined && { id }),
    ...(system !== undefined && { system }),
    ...(external !== undefined && { external }),
  })
  context.show(found, (list) => describe(context.terminal, list))
}

function describe(terminal: Terminal, { items, conflicts, awaited }: LinkList): string {
  const columns = [
    { title: 'KIND' },
    { title: 'ID', shrinks: true },
    { title: 'SYSTEM' },
    { title: 'EXTERNAL', shrinks: true },
    { title: 'SINCE' },
    { title: 'BY', shrinks: true },
  ]
  const rows = items.map((link) => [
    link.kind,
    link.id,
    link.system,
    link.external,
    moment(link.at),
    link.setBy ?? (link.run === null ? '' : runId(link.run)),
  ])
  const shown = [items.length === 0 ? 'no links' : table(terminal, columns, rows)]
  for (const { kind, id, system, lanes } of awaited)
    shown.push(
      safe(
        `${count(lanes, 'lane')} ${lanes === 1 ? 'waits' : 'wait'} for the id of ${kind} ${id} in ${system}`,
      ),
    )
  for (const { kind, id, system, external, run } of conflicts)
    shown.push(
      styled(
        terminal,
        'yellow',
        safe(`conflict: run ${runId(run)} gave ${kind} ${id} the id ${external} in ${system}`),
      ),
    )
  return shown.join('\n')
}

async function set(
  context: Context,
  ...[kind, id, system, external, { reason, replace = false }]: [string, string, string, string, Change]
): Promise<void> {
  const done = await context.client.setLink({ kind, id, system, external, replace, reason })
  context.show(done, () => safe(`${kind} ${id} has the id ${external} in ${system}`))
}

async function remove(
  context: Context,
  ...[kind, id, system, { reason }]: [string, string, string, Change]
): Promise<void> {
  const done = await context.client.removeLink({ kind, id, system, reason })
  context.show(done, ({ before }) => safe(`${kind} ${id} no longer has the id ${before} in ${system}`))
}
