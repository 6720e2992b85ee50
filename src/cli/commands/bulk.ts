import type { Command } from 'commander'
import { bulkOutcomes } from '../../control/schema/bulk.ts'
import type { BulkAct, BulkDetail } from '../../control/schema/bulk.ts'
import { runId } from '../../control/sentence.ts'
import { BusbarError } from '../../errors.ts'
import type { BulkOptions } from '../bulk-start.ts'
import { startBulk } from '../bulk-start.ts'
import { bulkBar, followBulk } from '../bulk-progress.ts'
import type { Action, Context } from '../context.ts'
import { countOf, oneOf, refuseOptions } from '../options.ts'
import { listed, mostListed } from '../pages.ts'
import type { Cell } from '../table.ts'
import { facts, table, withMore } from '../table.ts'
import { moment, number, stateCell, words } from '../words.ts'

/** `bulk list`, which may be left out, and acts on all runs of a problem. */
export function addBulkCommands(program: Command, action: Action): void {
  const bulk = program.command('bulk').description('acts on many runs: what was planned, how far it has come')
  bulk
    .command('list [id]', { isDefault: true })
    .description('list them, newest first; or show one with what became of each run ("list" may be left out)')
    .option('--outcome <outcome>', `of one: runs that are ${bulkOutcomes.join(', ')}`)
    .option('--limit <n>', 'how many', '50')
    .action(action(list))
  for (const [verb, description] of [
    ['skip', 'end all open runs of a problem for good, without doing their work, in stages'],
    ['compensate', 'undo what all open runs of a problem have done, in stages'],
  ] as const)
    withHow(bulk.command(`${verb} <problem>`).description(description))
      .requiredOption('--reason <text>', 'why; kept in the audit trail')
      .action(
        action((context: Context, problem: string, options: BulkOptions) =>
          startBulk(context, { verb, problem }, options),
        ),
      )
  for (const [verb, description] of [
    ['start', 'begin a planned one'],
    ['pause', 'begin no further run; those that were begun go on'],
    ['resume', 'go on with one that was paused or has stopped'],
    ['cancel', 'end it; runs that were begun go on, the rest stays as it is'],
  ] as const)
    bulk
      .command(`${verb} <id>`)
      .description(description)
      .option('--reason <text>', 'kept in the audit trail')
      .action(action(act(verb)))
  bulk
    .command('follow <id>')
    .description('show how it goes on until it ends; Ctrl-C leaves the view, not the act')
    .action(action((context: Context, id: string) => followBulk(context, idOf(id))))
}

/** How carefully: for every command that acts on many runs. */
export function withHow(command: Command): Command {
  return command
    .option('--ramp [sizes]', 'in stages of these sizes, then the rest: 1,10,100 (the default), or none')
    .option(
      '--max-errors <share>',
      'stop when a larger share of a stage has failed; of the first, any',
      '10%',
    )
    .option('--plan-only', 'store the plan and show it; "busbar bulk start" begins it', false)
    .option('--yes', 'begin without asking', false)
}

function idOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new BusbarError('config.invalid', `"${text}" is no number: "busbar bulk" lists them by number`)
}

async function list(
  context: Context,
  id: string | undefined,
  options: { readonly limit: string; readonly outcome?: string },
): Promise<void> {
  const { client, terminal } = context
  const limit = countOf('--limit', options.limit, mostListed)
  if (id !== undefined) return showOne(context, idOf(id), { limit, outcome: options.outcome })
  refuseOptions({ outcome: options.outcome }, 'a list of acts')
  const page = await listed(limit, ({ limit: most, next }) =>
    client.listBulkActs({ limit: most, ...(next !== undefined && { before: Number(next) }) }),
  )
  context.show(page, (value) => {
    if (value.items.length === 0) return 'no acts on many runs'
    const columns = [
      { title: 'ID', right: true },
      { title: 'ACT' },
      { title: 'STATE' },
      { title: 'RUNS', right: true },
      { title: 'FAILED', right: true },
      { title: 'PLANNED' },
      { title: 'BY' },
      { title: 'HOW FAR', shrinks: true },
    ]
    const rows = value.items.map((each) => [
      String(each.id),
      each.verb,
      stateOf(each),
      number(each.total),
      number(each.counts.failed),
      moment(each.createdAt),
      each.createdBy,
      words(each.why),
    ])
    return withMore(terminal, value, table(terminal, columns, rows))
  })
}

function stateOf({ state }: Pick<BulkAct, 'state'>): Cell {
  const styles = { running: 'blue', done: 'green', stopped: 'red', paused: 'yellow' } as const
  const style = state in styles ? styles[state as keyof typeof styles] : 'dim'
  return { text: state, style }
}

async function showOne(
  context: Context,
  id: number,
  { limit, outcome }: { readonly limit: number; readonly outcome: string | undefined },
): Promise<void> {
  const { client, terminal } = context
  const only = outcome === undefined ? {} : { outcome: oneOf('--outcome', outcome, bulkOutcomes) }
  let found: BulkDetail | undefined
  const page = await listed(limit, async ({ limit: most, next }) => {
    const after = next === undefined ? {} : { after: Number(next) }
    return (found = await client.getBulkAct({ id, ...only, limit: most, ...after }))
  })
  context.show({ ...(found as BulkDetail), ...page }, (value) => {
    const head = facts(terminal, [
      ['act', `${value.verb} of ${number(value.total)} runs`],
      ['problem', value.problem && `${value.problem.title} (${value.problem.fingerprint})`],
      ['state', stateOf(value)],
      ['so far', bulkBar(value)],
      [
        'by',
        `${value.createdBy}, ${moment(value.createdAt)}${value.reason === null ? '' : `: ${value.reason}`}`,
      ],
    ])
    if (value.items.length === 0) return `${head}\n\nno such runs`
    const columns = [
      { title: 'RUN', shrinks: true },
      { title: 'KEY', shrinks: true },
      { title: 'OUTCOME' },
      { title: 'STATE NOW' },
      { title: 'WHY', shrinks: true },
    ]
    const rows = value.items.map((item) => [
      runId(item),
      item.key ?? '',
      item.outcome,
      item.state === null ? '' : stateCell(item.state),
      item.behind === null
        ? (item.message ?? '')
        : `waits behind ${runId(item.behind)}, ${item.behind.state}`,
    ])
    return `${head}\n\n${withMore(terminal, value, table(terminal, columns, rows))}`
  })
}

function act(verb: 'start' | 'pause' | 'resume' | 'cancel') {
  return async (context: Context, given: string, { reason }: { readonly reason?: string }): Promise<void> => {
    const input = { id: idOf(given), ...(reason !== undefined && { reason }) }
    const ids = {
      start: 'startBulkAct',
      pause: 'pauseBulkAct',
      resume: 'resumeBulkAct',
      cancel: 'cancelBulkAct',
    } as const
    const done = await context.client[ids[verb]](input)
    context.show(done, ({ why }) => words(why))
  }
}
