import type { Command } from 'commander'
import type { ControlClient } from '../control/client.ts'
import { BusbarError } from '../errors.ts'
import type { Action, Context } from './context.ts'
import { countOf, oneOf, refuseOptions } from './options.ts'
import { listed, mostListed } from './pages.ts'
import type { Cell, Column } from './table.ts'
import { table, withMore } from './table.ts'
import type { Terminal } from './terminal.ts'

/** What is done to something that goes on in stages. */
export const stagedVerbs = ['start', 'pause', 'resume', 'cancel'] as const
type Verb = (typeof stagedVerbs)[number]

interface Page<Item> {
  readonly items: readonly Item[]
  readonly next: string | null
}

/** Rows of a table. */
export interface Listing<Item> {
  readonly columns: readonly Column[]
  readonly row: (item: Item) => readonly (string | Cell)[]
  /** Where there are none. */
  readonly none: string
}

/** Something that is planned, goes on in stages, and can be paused, resumed and cancelled: a replay, an act on many runs. */
export interface Staged<One, Item, Detail extends Page<Item>> {
  /** `busbar <command>`; `nouns` are what it lists. */
  readonly command: string
  readonly noun: string
  readonly nouns: string
  /** What each command does, in its help. */
  readonly words: Readonly<Record<Verb | 'command' | 'list' | 'outcome' | 'follow', string>>
  readonly outcomes: readonly string[]
  readonly list: Listing<One>
  readonly page: (client: ControlClient, query: { limit: number; before?: number }) => Promise<Page<One>>
  readonly detail: (
    client: ControlClient,
    query: { id: number; limit: number; after?: number; outcome?: string },
  ) => Promise<Detail>
  readonly head: (terminal: Terminal, detail: Detail) => string
  readonly items: (detail: Detail) => Listing<Item>
  readonly act: (client: ControlClient, verb: Verb, input: { id: number; reason?: string }) => Promise<One>
  /** After an act. */
  readonly said: (one: One) => string
  readonly follow: (context: Context, id: number) => Promise<void>
}

/** Adds `<command> list`, which may be left out, the acts, and `follow`. */
export function addStagedCommands<One, Item, Detail extends Page<Item>>(
  program: Command,
  action: Action,
  staged: Staged<One, Item, Detail>,
): Command {
  const { words, outcomes } = staged
  const command = program.command(staged.command).description(words.command)
  command
    .command('list [id]', { isDefault: true })
    .description(words.list)
    .option('--outcome <outcome>', `${words.outcome} ${outcomes.join(', ')}`)
    .option('--limit <n>', 'how many', '50')
    .action(
      action((context: Context, id: string | undefined, options: ListOptions) =>
        id === undefined
          ? listAll(context, staged, options)
          : showOne(context, staged, { ...options, id: idOf(staged, id) }),
      ),
    )
  for (const verb of stagedVerbs)
    command
      .command(`${verb} <id>`)
      .description(words[verb])
      .option('--reason <text>', 'kept in the audit trail')
      .action(
        action(async (context: Context, id: string, { reason }: { readonly reason?: string }) => {
          const input = { id: idOf(staged, id), ...(reason !== undefined && { reason }) }
          context.show(await staged.act(context.client, verb, input), staged.said)
        }),
      )
  command
    .command('follow <id>')
    .description(words.follow)
    .action(action((context: Context, id: string) => staged.follow(context, idOf(staged, id))))
  return command
}

interface ListOptions {
  readonly limit: string
  readonly outcome?: string
}

function idOf({ command, noun }: { readonly command: string; readonly noun: string }, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new BusbarError('config.invalid', `"${text}" is no ${noun}: "busbar ${command}" lists them by number`)
}

async function listAll<One, Item, Detail extends Page<Item>>(
  context: Context,
  { list, nouns, page }: Staged<One, Item, Detail>,
  { limit, outcome }: ListOptions,
): Promise<void> {
  const { client, terminal } = context
  refuseOptions({ outcome }, `a list of ${nouns}`)
  const found = await listed(countOf('--limit', limit, mostListed), ({ limit: most, next }) =>
    page(client, { limit: most, ...(next !== undefined && { before: Number(next) }) }),
  )
  context.show(found, (value) => rows(terminal, value, list))
}

async function showOne<One, Item, Detail extends Page<Item>>(
  context: Context,
  { detail, head, items, outcomes }: Staged<One, Item, Detail>,
  { id, limit, outcome }: ListOptions & { readonly id: number },
): Promise<void> {
  const { client, terminal } = context
  const only = outcome === undefined ? {} : { outcome: oneOf('--outcome', outcome, outcomes) }
  let found: Detail | undefined
  const page = await listed(countOf('--limit', limit, mostListed), async ({ limit: most, next }) => {
    const after = next === undefined ? {} : { after: Number(next) }
    return (found = await detail(client, { id, ...only, limit: most, ...after }))
  })
  context.show(
    { ...(found as Detail), ...page },
    (value) => `${head(terminal, value)}\n\n${rows(terminal, value, items(value))}`,
  )
}

function rows<Item>(terminal: Terminal, page: Page<Item>, { columns, row, none }: Listing<Item>): string {
  if (page.items.length === 0) return none
  return withMore(terminal, page, table(terminal, columns, page.items.map(row)))
}

/** Its state, in the colour that it has everywhere. */
export function stagedState({ state }: { readonly state: string }): Cell {
  const styles = { running: 'blue', done: 'green', stopped: 'red', paused: 'yellow' } as const
  return { text: state, style: state in styles ? styles[state as keyof typeof styles] : 'dim' }
}
