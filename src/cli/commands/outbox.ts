import type { Command } from 'commander'
import type { Outbox, RejectedRow } from '../../control/schema/outbox.ts'
import { count } from '../../control/sentence.ts'
import { BusbarError } from '../../errors.ts'
import type { Action, Context } from '../context.ts'
import { countOf, refuseOptions } from '../options.ts'
import { listed, mostListed } from '../pages.ts'
import { facts, table, withMore } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { moment, number, span } from '../words.ts'
import { dataText } from './publish.ts'

interface Filter {
  readonly type?: string
  readonly code?: string
}

/** `outbox list`, `outbox retry`, `outbox discard`; `outbox` alone lists. */
export function addOutboxCommands(program: Command, action: Action): void {
  const outbox = program
    .command('outbox')
    .description('events that applications publish inside their own transactions; alone it lists')
  outbox
    .command('list [id]', { isDefault: true })
    .description('what waits, and the rows that were set aside, newest first; or one of these with its data')
    .option('--type <type>', 'rows of this event type')
    .option('--code <code>', 'rows that were set aside with this error code')
    .option('--limit <n>', 'how many', '50')
    .action(action(list))
  outbox
    .command('retry [id]')
    .description('put a row that was set aside back into the outbox; or many, by filter (needs at least one)')
    .option('--data <data>', 'other data for it: JSON, @file, or - for stdin')
    .option('--type <type>', 'all rows of this event type')
    .option('--code <code>', 'all rows that were set aside with this error code')
    .option('--reason <text>', 'kept in the audit trail')
    .action(action(retry))
  outbox
    .command('discard <id>')
    .description('end a row that was set aside for good; the audit trail keeps its data')
    .requiredOption('--reason <text>', 'why; kept in the audit trail (needed)')
    .action(action(discard))
}

async function list(
  context: Context,
  id: string | undefined,
  options: Filter & { readonly limit: string },
): Promise<void> {
  const { client, terminal } = context
  const { limit, ...filter } = options
  if (id !== undefined) {
    refuseOptions({ ...filter }, 'a row that is named')
    const row = await client.getRejected({ id: rowId(id) })
    return context.show(row, (value) => describe(terminal, value))
  }
  let first: Outbox | undefined
  const rejected = await listed(countOf('--limit', limit, mostListed), async ({ limit: n, next }) => {
    const page = await client.readOutbox({
      ...filter,
      ...(next !== undefined && { cursor: Number(next) }),
      limit: n,
    })
    first ??= page
    return page.rejected
  })
  context.show({ ...(first as Outbox), rejected }, (value) => overview(terminal, value))
}

function overview(terminal: Terminal, outbox: Outbox): string {
  const { waiting, exact, oldestMs, rejectedCount, rejected } = outbox
  const head = facts(terminal, [
    ['waiting', `${exact ? '' : 'about '}${number(waiting)}`],
    ['oldest', oldestMs === null ? null : span(oldestMs)],
    ['set aside', { text: number(rejectedCount), ...(rejectedCount > 0 && { style: 'red' as const }) }],
  ])
  if (rejected.items.length === 0) return head
  const columns = [
    { title: 'ROW', right: true },
    { title: 'SET ASIDE' },
    { title: 'TYPE' },
    { title: 'KEY' },
    { title: 'CODE' },
    { title: 'WHY', shrinks: true },
  ]
  const row = (one: RejectedRow) => [
    String(one.id),
    moment(one.rejectedAt),
    one.type,
    one.key ?? '',
    one.code,
    one.message,
  ]
  return `${head}\n\n${withMore(terminal, rejected, table(terminal, columns, rejected.items.map(row)))}`
}

function describe(terminal: Terminal, row: RejectedRow): string {
  return facts(terminal, [
    ['row', String(row.id)],
    ['event', `${row.eventId} from ${row.source}, ${row.type}`],
    ['key', row.key],
    ['published', moment(row.publishedAt)],
    ['set aside', moment(row.rejectedAt)],
    ['error', `${row.code}: ${row.message}`],
    ['problem', row.problem],
    ['data', row.data],
  ])
}

async function retry(
  context: Context,
  id: string | undefined,
  options: Filter & { readonly data?: string; readonly reason?: string },
): Promise<void> {
  const { client } = context
  const { data, reason, ...filter } = options
  const because = reason === undefined ? {} : { reason }
  if (id !== undefined) {
    refuseOptions({ ...filter }, 'a row that is named')
    const edited = data === undefined ? {} : { data: await dataText(data) }
    const done = await client.retryRejected({ id: rowId(id), ...edited, ...because })
    return context.show(done, () => `row ${id} is back in the outbox, and is judged again now`)
  }
  if (Object.keys(filter).length === 0)
    throw new BusbarError(
      'config.invalid',
      'name a row (busbar outbox shows them), or say which: --type, --code',
    )
  refuseOptions({ data }, 'a filter: other data are for one row')
  await retryMany(context, { ...filter, ...because })
}

/** One call after another, so that any number can be put back. Those that are set aside anew are new rows, of a later call. */
async function retryMany(context: Context, filter: Filter & { readonly reason?: string }): Promise<void> {
  const newest = (await context.client.readOutbox({ ...filter, limit: 1 })).rejected.items[0]?.id ?? 0
  let retried = 0
  for (let last = 1; last > 0; retried += last)
    last = (await context.client.retryManyRejected({ ...filter, upTo: newest })).retried
  context.show(
    { retried },
    () => `${count(retried, 'row')} ${retried === 1 ? 'is' : 'are'} back in the outbox`,
  )
}

async function discard(context: Context, id: string, { reason }: { readonly reason: string }): Promise<void> {
  const done = await context.client.discardRejected({ id: rowId(id), reason })
  context.show(done, () => `row ${id} is discarded`)
}

function rowId(given: string): number {
  if (!/^[1-9]\d{0,14}$/.test(given))
    throw new BusbarError(
      'config.invalid',
      `"${given}" is no row: write its number, which busbar outbox shows`,
    )
  return Number(given)
}
