import type { Command } from 'commander'
import { RunStateFilter } from '../../control/schema/run.ts'
import type { Run, RunDetail, RunPage } from '../../control/schema/run.ts'
import { count, runId } from '../../control/sentence.ts'
import { BusbarError } from '../../errors.ts'
import type { BulkOptions } from '../bulk-start.ts'
import { startBulk } from '../bulk-start.ts'
import type { Action, Context } from '../context.ts'
import { exitCode } from '../exit-code.ts'
import { parseMoment, parseRun } from '../run-argument.ts'
import { countOf, oneOf, refuseOptions } from '../options.ts'
import { listed, mostListed } from '../pages.ts'
import { stepsInWords } from '../steps-in-words.ts'
import { facts, table, withMore } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { styled, safe } from '../terminal.ts'
import { moment, number, stateCell, words } from '../words.ts'

/** Which runs. */
interface Filter {
  readonly flow?: string
  readonly state?: string
  readonly system?: string
  readonly keyOf?: string
  readonly problem?: string
  readonly since?: string
  readonly until?: string
}

function addFilter(command: Command): Command {
  return command
    .option('--flow <flow>', 'runs of this flow')
    .option('--system <system>', 'runs whose next or last call is to this system')
    .option('--key-of <key>', 'runs about this business object')
    .option('--problem <fingerprint>', 'open runs of this problem')
    .option('--since <time>', 'of events accepted since: 15m, 2h, 1d, or a time')
    .option('--until <time>', 'of events accepted before')
}

function filterOf(options: Filter) {
  return {
    ...(options.flow !== undefined && { flow: options.flow }),
    ...(options.system !== undefined && { system: options.system }),
    ...(options.keyOf !== undefined && { key: options.keyOf }),
    ...(options.problem !== undefined && { problem: options.problem }),
    ...(options.since !== undefined && { from: parseMoment(options.since) }),
    ...(options.until !== undefined && { to: parseMoment(options.until) }),
  }
}

const states = RunStateFilter.options

/** `runs`, `retry`, `skip`. */
export function addRunCommands(program: Command, action: Action): void {
  addFilter(
    program
      .command('runs [run]')
      .description('list runs, newest event first; or show one, such as book-order/1042, with its attempts')
      .option(
        '--state <state>',
        'waiting, retrying, running, parked, succeeded, skipped, superseded, or open for the first four',
      )
      .option('--limit <n>', 'how many', '50'),
  ).action(action(runs))
  addFilter(
    program
      .command('retry [run]')
      .description(
        'try a parked or retrying run again now; or many parked ones, by filter (needs at least one)',
      )
      .option('--reason <text>', 'kept in the audit trail')
      .option('--may-double', 'a run: also when its effect may have happened and cannot be looked up', false)
      .option('--dry-run', 'with a filter: only count', false)
      .option(
        '--ramp [sizes]',
        'with a filter: in stages that stop by themselves: 1,10,100 (the default), or none',
      )
      .option('--max-errors <share>', 'with --ramp: stop when a larger share of a stage has failed', '10%')
      .option('--plan-only', 'with --ramp: store the plan and show it; "busbar bulk start" begins it', false)
      .option('--yes', 'with --ramp: begin without asking', false),
  ).action(action(retry))
  program
    .command('skip <run>')
    .description('end a run for good without doing its work; the next run of its lane goes on')
    .option(
      '--step <step>',
      'only this step: the run goes on without it; one that is being undone leaves it as it is',
    )
    .requiredOption('--reason <text>', 'why; kept in the audit trail')
    .action(action(skip))
}

async function runs(
  context: Context,
  run: string | undefined,
  options: Filter & { readonly limit: string },
): Promise<void> {
  const { client, terminal } = context
  if (run !== undefined) {
    const { limit: _, ...filter } = options
    refuseOptions(filter, 'a run that is named')
    const detail = await client.getRun(parseRun(run))
    return context.show(detail, (value) => describe(terminal, value))
  }
  const filter = {
    ...filterOf(options),
    ...(options.state !== undefined && { state: oneOf('--state', options.state, states) }),
  }
  const page = await listed(countOf('--limit', options.limit, mostListed), ({ limit, next }) =>
    client.listRuns({ ...filter, ...(next !== undefined && { cursor: next }), limit }),
  )
  context.show(page, (value) => list(terminal, value))
}

function list(terminal: Terminal, page: RunPage): string {
  if (page.items.length === 0)
    return page.next === null ? 'no runs' : 'no runs in the newest part of the log; narrow the filter'
  const columns = [
    { title: 'RUN', shrinks: true },
    { title: 'STATE' },
    { title: 'KEY', shrinks: true },
    { title: 'SYSTEM' },
    { title: 'TRIES', right: true },
    { title: 'SINCE' },
    { title: 'WHY', shrinks: true },
  ]
  const row = (run: Run) => [
    runId(run),
    stateCell(run.state),
    run.key ?? '',
    run.system ?? '',
    String(run.tries),
    moment(run.firstAt ?? run.receivedAt),
    words(run.why),
  ]
  return withMore(terminal, page, table(terminal, columns, page.items.map(row)))
}

function describe(terminal: Terminal, run: RunDetail): string {
  const head = facts(terminal, [
    ['run', runId(run)],
    ['state', stateCell(run.state)],
    ['why', words(run.why)],
    ['steps', stepsInWords(run.steps)],
    ['event', `${run.eventId} from ${run.source}, ${run.type}, place ${run.seq} in the log`],
    ['key', run.key],
    ['accepted', moment(run.receivedAt)],
    ['next try', run.nextAt === null ? null : moment(run.nextAt)],
    ['system', run.system],
    ['error', run.code === null ? null : `${run.code}: ${run.message ?? ''}`],
    ['problem', run.problem],
    ['data', JSON.stringify(run.event.data).slice(0, 400)],
  ])
  const steps = run.steps.length > 1 ? `\n\n${stepsTable(terminal, run)}` : ''
  if (run.history.length === 0) return head + steps
  const columns = [
    { title: 'TRY', right: true },
    { title: 'STEP' },
    { title: 'KIND' },
    { title: 'AT' },
    { title: 'MS', right: true },
    { title: 'STATUS', right: true },
    { title: 'OUTCOME' },
    { title: 'MESSAGE', shrinks: true },
  ]
  const rows = run.history.map((attempt) => [
    String(attempt.number),
    attempt.step,
    attempt.kind,
    moment(attempt.at),
    number(attempt.ms),
    attempt.status === null ? '' : String(attempt.status),
    {
      text: attempt.outcome,
      style: attempt.outcome === 'succeeded' ? ('green' as const) : ('yellow' as const),
    },
    attempt.message ?? '',
  ])
  return `${head}${steps}\n\n${table(terminal, columns, rows)}${exchangeOf(terminal, run)}`
}

/** What each step came to, in the flow's order. */
function stepsTable(terminal: Terminal, { steps }: RunDetail): string {
  const columns = [
    { title: 'STEP' },
    { title: 'STATE' },
    { title: 'SYSTEM' },
    { title: 'TRIES', right: true },
    { title: 'UNTIL' },
    { title: 'RESULT OR ERROR', shrinks: true },
  ]
  const said = (step: RunDetail['steps'][number]) =>
    step.message ?? step.reason ?? (step.result === null ? '' : JSON.stringify(step.result))
  const rows = steps.map((step) => [
    step.name,
    step.inDoubt ? `${step.state}, in doubt` : step.state,
    step.system ?? '',
    String(step.tries),
    step.nextAt === null ? '' : moment(step.nextAt),
    said(step),
  ])
  return table(terminal, columns, rows)
}

/** What was said last: usually what a person needs to see. */
function exchangeOf(terminal: Terminal, { history }: RunDetail): string {
  const last = history.at(-1)
  if (!last?.request) return ''
  const block = (title: string, text: string) =>
    `\n\n${styled(terminal, 'dim', title)}\n${text.trimEnd().split('\n').map(safe).join('\n')}`
  return block('last request', last.request) + (last.response ? block('last response', last.response) : '')
}

async function retry(
  context: Context,
  run: string | undefined,
  options: Filter & BulkOptions & { readonly mayDouble: boolean; readonly dryRun: boolean },
): Promise<void> {
  const { client } = context
  const reason = options.reason === undefined ? {} : { reason: options.reason }
  const { reason: _, mayDouble, dryRun, ramp, maxErrors: _share, planOnly, yes, ...given } = options
  if (run !== undefined) {
    refuseOptions({ ...given, dryRun, ramp, planOnly, yes }, 'a run that is named')
    const done = await client.retryRun({ ...parseRun(run), ...reason, mayDouble })
    return context.show(done, () => `${run} was ${done.before}, and is tried again now`)
  }
  const filter = filterOf(options)
  if (Object.keys(filter).length === 0)
    throw new BusbarError(
      'config.invalid',
      'name a run (book-order/1042), or say which: --flow, --system, --problem, …',
    )
  refuseOptions({ mayDouble }, 'a filter: whether an effect may happen twice is to be judged run by run')
  if (ramp !== undefined) {
    refuseOptions({ dryRun }, '--ramp: --plan-only counts')
    const alone = filter.problem !== undefined && Object.keys(filter).length > 1
    if (alone) throw new BusbarError('config.invalid', '--ramp takes a problem, or other filters, not both')
    return startBulk(context, { verb: 'retry', ...filter }, options)
  }
  refuseOptions({ planOnly, yes }, 'a retry at once: they belong to --ramp')
  await retryMany(context, { ...filter, ...reason, dryRun })
}

/** Page after page, so that any number can be retried; says how far it has come on a terminal. */
async function retryMany(
  context: Context,
  filter: ReturnType<typeof filterOf> & { readonly reason?: string; readonly dryRun: boolean },
): Promise<void> {
  const total = { matched: 0, retried: 0, refused: [] as string[] }
  let cursor: string | undefined
  do {
    const page = await context.client.retryRuns({ ...filter, ...(cursor !== undefined && { cursor }) })
    total.matched += page.matched
    total.retried += page.retried
    total.refused.push(...page.refused)
    cursor = page.next ?? undefined
    if (cursor !== undefined)
      context.terminal.err(`${number(filter.dryRun ? total.matched : total.retried)} so far …`)
  } while (cursor !== undefined)
  context.show(total, (result) => outcomeOf(result, filter.dryRun))
  if (total.refused.length > 0) process.exitCode = exitCode.refused
}

function outcomeOf(
  { matched, retried, refused }: { matched: number; retried: number; refused: readonly string[] },
  dryRun: boolean,
): string {
  if (matched === 0) return 'no parked run is like that'
  if (dryRun) return `${count(matched, 'parked run')} would be tried again`
  const not = refused.length > 0 ? `; not: ${refused.join(', ')}` : ''
  return `${number(retried)} of ${count(matched, 'parked run')} ${retried === 1 ? 'is' : 'are'} tried again now${not}`
}

async function skip(
  context: Context,
  run: string,
  options: { readonly reason: string; readonly step?: string },
): Promise<void> {
  const { step, reason } = options
  if (step !== undefined) {
    const left = await context.client.skipStep({ ...parseRun(run), step, reason })
    return context.show(left, () => `step ${step} of ${run} is left as it is; the run is ${left.state}`)
  }
  const done = await context.client.skipRun({ ...parseRun(run), reason: options.reason })
  context.show(done, () => `${run} was ${done.before}, and is skipped`)
}
