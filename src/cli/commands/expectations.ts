import type { Command } from 'commander'
import type { Awaited, AwaitedPage, Expectation } from '../../control/schema/expectation.ts'
import { BusbarError } from '../../errors.ts'
import type { Action, Context } from '../context.ts'
import { countOf } from '../options.ts'
import { listed, mostListed } from '../pages.ts'
import type { Cell } from '../table.ts'
import { table, withMore } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { moment, number } from '../words.ts'

/** `expectations`, `expectations <name>`, `expectations cancel`. */
export function addExpectationCommands(program: Command, action: Action): void {
  const expectations = program.command('expectations').description('events that must follow others')
  expectations
    .command('list [name]', { isDefault: true })
    .description('list the expectations; or what one awaits, overdue first. The word "list" may be left out')
    .option('--overdue', 'only what is overdue; of one that is named', false)
    .option('--limit <n>', 'how many; of one that is named', '50')
    .action(action(list))
  expectations
    .command('cancel <name> <seq>')
    .description(
      'await no longer what must follow the event at this place in the log; its problem is resolved',
    )
    .requiredOption('--reason <text>', 'why; kept in the audit trail')
    .action(action(cancel))
}

async function list(
  context: Context,
  name: string | undefined,
  options: { readonly overdue: boolean; readonly limit: string },
): Promise<void> {
  const { client, terminal } = context
  if (name === undefined)
    return context.show(await client.listExpectations({}), ({ items }) => overview(terminal, items))
  const page = await listed(countOf('--limit', options.limit, mostListed), ({ limit, next }) =>
    client.listAwaited({
      name,
      ...(options.overdue && { state: 'overdue' as const }),
      ...(next !== undefined && { cursor: next }),
      limit,
    }),
  )
  context.show(page, (value) => awaited(terminal, value))
}

function overview(terminal: Terminal, items: readonly Expectation[]): string {
  if (items.length === 0) return 'no expectations'
  const columns = [
    { title: 'EXPECTATION', shrinks: true },
    { title: 'OPEN', right: true },
    { title: 'OVERDUE', right: true },
    { title: 'OLDEST' },
    { title: 'NEXT DUE' },
    { title: 'MET', right: true },
    { title: 'EXPECTS', shrinks: true },
  ]
  const row = (each: Expectation) => [
    each.name,
    number(each.open),
    overdueCell(each.overdue),
    moment(each.oldestAt),
    moment(each.nextDueAt),
    number(each.met),
    `${each.expected} within ${each.within} of ${each.after}`,
  ]
  return table(terminal, columns, items.map(row))
}

function overdueCell(overdue: number): string | Cell {
  return overdue === 0 ? '0' : { text: number(overdue), style: 'red' }
}

function awaited(terminal: Terminal, page: AwaitedPage): string {
  if (page.items.length === 0) return 'nothing is awaited'
  const columns = [
    { title: 'KEY', shrinks: true },
    { title: 'STATE' },
    { title: 'AFTER EVENT', right: true },
    { title: 'ACCEPTED' },
    { title: 'DUE' },
    { title: 'PROBLEM' },
  ]
  const row = (each: Awaited) => [
    each.key,
    each.state === 'overdue' ? { text: each.state, style: 'red' as const } : each.state,
    String(each.seq),
    moment(each.openedAt),
    moment(each.dueAt),
    each.problem ?? '',
  ]
  return withMore(terminal, page, table(terminal, columns, page.items.map(row)))
}

async function cancel(
  context: Context,
  name: string,
  seq: string,
  { reason }: { readonly reason: string },
): Promise<void> {
  if (!/^\d{1,15}$/.test(seq))
    throw new BusbarError(
      'config.invalid',
      `"${seq}" is no place in the log: write a whole number such as 1042`,
    )
  const done = await context.client.cancelAwaited({ name, seq: Number(seq), reason })
  context.show(done, ({ key }) => `${name} no longer awaits anything for ${key} after event ${seq}`)
}
