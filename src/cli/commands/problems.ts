import type { Command } from 'commander'
import type { Problem, ProblemDetail, ProblemPage } from '../../control/schema/problem.ts'
import { problemStates } from '../../control/schema/problem.ts'
import { BusbarError } from '../../errors.ts'
import type { Action, Context } from '../context.ts'
import { countOf, oneOf } from '../options.ts'
import { listed, mostListed } from '../pages.ts'
import { parseMoment } from '../run-argument.ts'
import type { Cell } from '../table.ts'
import { facts, table, withMore } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { safe } from '../terminal.ts'
import { moment, number, stateCell, words } from '../words.ts'

/** `problems list`, which may be left out, and what can be said of a problem. */
export function addProblemCommands(program: Command, action: Action): void {
  const problems = program
    .command('problems')
    .description('unfinished runs by cause, and who looks after them')
  problems
    .command('list [problem]', { isDefault: true })
    .description('list problems, last seen first; or show one with its runs ("list" may be left out)')
    .option('--state <state>', `${problemStates.join(', ')}; default: open and acknowledged`)
    .option('--system <system>', 'of this system')
    .option('--flow <flow>', 'of runs of this flow')
    .option('--owner <owner>', 'that this person looks after')
    .option('--needs <whom>', 'person, or busbar for those that go on by themselves')
    .option('--limit <n>', 'how many', '50')
    .action(action(list))
  problems
    .command('acknowledge <problem>')
    .description('say that somebody looks after it; you, unless --owner says who')
    .option('--owner <name>', 'who looks after it')
    .option('--note <text>', 'for the others')
    .option('--runbook <url>', 'where it is written what to do; it stays when the problem comes back')
    .action(action(acknowledge))
  problems
    .command('ignore <problem>')
    .description('leave it out of sight; with --until it comes back by itself')
    .option('--until <time>', 'a time to come, such as 2026-12-01T08:00:00Z, or 4h, 2d from now')
    .option('--note <text>', 'why')
    .action(action(ignore))
  problems
    .command('open <problem>')
    .description('see it again, or take an acknowledgement back')
    .action(
      action(async (context: Context, fingerprint: string) =>
        changed(context, await context.client.changeProblem({ fingerprint, state: 'open' })),
      ),
    )
}

interface ListOptions {
  readonly state?: string
  readonly system?: string
  readonly flow?: string
  readonly owner?: string
  readonly needs?: string
  readonly limit: string
}

async function list(context: Context, fingerprint: string | undefined, options: ListOptions): Promise<void> {
  const { client, terminal } = context
  if (fingerprint !== undefined) return showOne(context, fingerprint, options)
  const { state, system, flow, owner, needs } = options
  const filter = {
    ...(state !== undefined && { state: oneOf('--state', state, problemStates) }),
    ...(system !== undefined && { system }),
    ...(flow !== undefined && { flow }),
    ...(owner !== undefined && { owner }),
    ...(needs !== undefined && { needs: oneOf('--needs', needs, ['person', 'busbar']) }),
  }
  const page = await listed(countOf('--limit', options.limit, mostListed), ({ limit, next }) =>
    client.listProblems({ ...filter, limit, ...(next !== undefined && { cursor: next }) }),
  )
  context.show(page, (value) => {
    if (value.items.length === 0) return 'no problems'
    const columns = [
      { title: 'PROBLEM' },
      { title: 'STATE' },
      { title: 'SYSTEM' },
      { title: 'OBJECTS', right: true },
      { title: 'SINCE' },
      { title: 'OWNER' },
      { title: 'CAUSE', shrinks: true },
    ]
    return withMore(terminal, value, table(terminal, columns, value.items.map(row)))
  })
}

function row(problem: ProblemPage['items'][number]) {
  const { fingerprint, system, objects, open, countedTo, since, owner, title } = problem
  const many = `${number(objects)}${open >= countedTo ? '+' : ''}`
  return [fingerprint, stateOf(problem), system, many, moment(since), owner ?? '', title]
}

function stateOf({ state, needs }: Pick<Problem, 'state' | 'needs'>): Cell {
  if (state === 'open' && needs === 'person') return { text: 'needs a person', style: 'red' }
  const styles = { open: 'yellow', acknowledged: 'blue', ignored: 'dim', resolved: 'green' } as const
  return { text: state === 'open' ? 'tries by itself' : state, style: styles[state] }
}

async function showOne(context: Context, fingerprint: string, options: ListOptions): Promise<void> {
  const { client, terminal } = context
  const problem = await client.getProblem({ fingerprint })
  const runs = await listed(countOf('--limit', options.limit, mostListed), ({ limit, next }) =>
    client.listProblemRuns({ fingerprint, limit, ...(next !== undefined && { cursor: next }) }),
  )
  context.show({ ...problem, runs }, (value) => {
    const head = describe(terminal, value)
    if (runs.items.length === 0) return head
    const columns = [
      { title: 'KEY', shrinks: true },
      { title: 'RUN' },
      { title: 'STEP' },
      { title: 'STATE' },
      { title: 'ATTEMPTS', right: true },
      { title: 'NEXT TRY' },
      { title: 'BEHIND', right: true },
    ]
    const rows = runs.items.map((run) => [
      run.key ?? '',
      `${run.flow}/${run.seq}${run.generation === 0 ? '' : `/${run.generation}`}`,
      run.step ?? '',
      stateCell(run.state),
      number(run.attempts),
      moment(run.nextAt),
      number(run.behind),
    ])
    return `${head}\n\n${withMore(terminal, runs, table(terminal, columns, rows))}`
  })
}

function describe(terminal: Terminal, problem: ProblemDetail): string {
  const { owner, note, runbook, example, times, earlier, bulkAct } = problem
  return facts(terminal, [
    ['problem', problem.title],
    ['what', words(problem.why)],
    ['state', stateOf(problem)],
    ['system', problem.system],
    ['code', problem.code],
    ['owner', owner ?? 'nobody yet'],
    ['note', note],
    ['runbook', runbook],
    ['since', moment(problem.since)],
    ['seen before', times > 1 ? `${times - 1} times, last until ${moment(earlier[0]?.until ?? null)}` : null],
    [
      'example',
      example && `${example.key ?? ''} (${example.flow}/${example.seq}): ${safe(example.message ?? '')}`,
    ],
    ['last act', bulkAct && `${bulkAct.verb}, ${bulkAct.state}: busbar bulk ${bulkAct.id}`],
  ])
}

async function acknowledge(
  context: Context,
  fingerprint: string,
  { owner, note, runbook }: { readonly owner?: string; readonly note?: string; readonly runbook?: string },
): Promise<void> {
  const said = {
    ...(owner !== undefined && { owner }),
    ...(note !== undefined && { note }),
    ...(runbook !== undefined && { runbook }),
  }
  changed(context, await context.client.changeProblem({ fingerprint, state: 'acknowledged', ...said }))
}

async function ignore(
  context: Context,
  fingerprint: string,
  { until, note }: { readonly until?: string; readonly note?: string },
): Promise<void> {
  changed(
    context,
    await context.client.changeProblem({
      fingerprint,
      state: 'ignored',
      ...(until !== undefined && { ignoredUntil: comingMoment(until) }),
      ...(note !== undefined && { note }),
    }),
  )
}

const units = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** `4h` from now, or a time. */
function comingMoment(given: string): string {
  const match = /^(\d{1,4})([mhd])$/.exec(given)
  const at = match
    ? new Date(Date.now() + Number(match[1]) * units[match[2] as keyof typeof units]).toISOString()
    : parseMoment(given)
  if (Date.parse(at) > Date.now()) return at
  throw new BusbarError('config.invalid', `--until is a time to come, not "${given}"`)
}

function changed(context: Context, problem: Problem): void {
  context.show(problem, ({ title, state, owner, ignoredUntil }) => {
    const who = state === 'acknowledged' && owner !== null ? `: ${owner} looks after it` : ''
    const until = ignoredUntil === null ? '' : ` until ${moment(ignoredUntil)}`
    return `${title} is ${state}${until}${who}`
  })
}
