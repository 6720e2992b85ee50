import type { Command } from 'commander'
import type { Status } from '../../control/schema/overview.ts'
import type { System, SystemDetail } from '../../control/schema/system.ts'
import type { Action, Context } from '../context.ts'
import { exitCode } from '../exit-code.ts'
import type { Cell } from '../table.ts'
import { facts, table } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { styled } from '../terminal.ts'
import { moment, number, span, words } from '../words.ts'
import { brokerWords, lagWords } from './queues.ts'

/** `status`, `systems`, `pause`, `resume`. */
export function addOverviewCommands(program: Command, action: Action): void {
  program
    .command('status')
    .description('what is true now; exit code 1 when something needs attention')
    .action(action(status))
  program
    .command('systems [name]')
    .description('list the systems and how they stand; or show one')
    .action(action(systems))
  for (const verb of ['pause', 'resume'] as const)
    program
      .command(`${verb} <name>`)
      .description(
        verb === 'pause'
          ? 'stop calling a system, or with --group a lane group; what needs it waits and uses up no attempts'
          : 'go on with a paused system or lane group',
      )
      .option('--group', 'the name is a lane group', false)
      .option('--reason <text>', 'kept in the audit trail')
      .action(action(pause(verb)))
}

async function status(context: Context): Promise<void> {
  const value = await context.client.status({})
  context.show(value, (now) => describe(context.terminal, now))
  if (!value.ok) process.exitCode = exitCode.failed
}

function describe(terminal: Terminal, now: Status): string {
  const sentence = styled(terminal, now.ok ? 'green' : 'yellow', words(now.sentence))
  const flows = now.flows.map((flow) => [
    flow.flow,
    flow.group,
    `${flow.exact ? '' : 'about '}${number(flow.pending)}`,
    flow.oldestPendingAt === null ? '' : span(Date.now() - Date.parse(flow.oldestPendingAt)),
  ])
  const columns = [
    { title: 'FLOW' },
    { title: 'LANE GROUP' },
    { title: 'PENDING', right: true },
    { title: 'OLDEST', right: true },
  ]
  const { open, workers } = now
  return [
    sentence,
    '',
    facts(terminal, [
      ['log', `${number(now.head)} events`],
      [
        'open runs',
        `${number(open.parked)} parked, ${number(open.retrying)} retrying, ${number(open.waiting)} waiting, ${number(open.running)} running`,
      ],
      ['transport', transportWords(now.transport)],
      ['workers', `${workers.live} live${workers.late > 0 ? `, ${workers.late} late` : ''}`],
      [
        'systems',
        now.systems.map(({ name, standing }) => `${name} ${standing.replace('-', ' ')}`).join(', ') || 'none',
      ],
    ]),
    '',
    flows.length === 0 ? 'no flows' : table(terminal, columns, flows),
  ].join('\n')
}

function transportWords(transport: Status['transport']): string {
  const { kind, relay } = transport
  const broker = brokerWords(transport)
  if (kind === 'log') return broker
  return `${broker}; relay ${relay === null ? 'not begun' : lagWords(relay)}`
}

async function systems(context: Context, name: string | undefined): Promise<void> {
  const { client, terminal } = context
  if (name !== undefined)
    return context.show(await client.getSystem({ name }), (system) => describeSystem(terminal, system))
  context.show(await client.listSystems({}), ({ items }) => {
    if (items.length === 0) return 'no systems'
    const columns = [
      { title: 'SYSTEM' },
      { title: 'STANDING' },
      { title: 'ADDRESS', shrinks: true },
      { title: 'LANES', right: true },
      { title: 'WHY', shrinks: true },
    ]
    const row = (system: System) => [
      system.name,
      standing(system),
      system.address,
      number(system.lanes),
      words(system.why),
    ]
    return table(terminal, columns, items.map(row))
  })
}

function standing({ standing: word }: Pick<System, 'standing'>): Cell {
  const style = word === 'connected' ? 'green' : word === 'cut-off' ? 'red' : 'yellow'
  return { text: word.replace('-', ' '), style }
}

function describeSystem(terminal: Terminal, system: SystemDetail): string {
  return facts(terminal, [
    ['system', system.name],
    ['standing', standing(system)],
    ['why', words(system.why)],
    ['until', system.until === null ? null : moment(system.until)],
    ['address', system.address],
    ['flows', system.flows.join(', ') || 'none'],
    ['lanes', `${number(system.lanes)} wait for it`],
    ...system.problems.map(({ title, fingerprint }) => ['problem', `${title} (${fingerprint})`] as const),
  ])
}

function pause(verb: 'pause' | 'resume') {
  return async (
    context: Context,
    name: string,
    options: { readonly group: boolean; readonly reason?: string },
  ): Promise<void> => {
    const { client } = context
    const input = { name, ...(options.reason !== undefined && { reason: options.reason }) }
    const ids = options.group
      ? (['pauseGroup', 'resumeGroup'] as const)
      : (['pauseSystem', 'resumeSystem'] as const)
    const done = await client[ids[verb === 'pause' ? 0 : 1]](input)
    context.show(done, () => `${name} is ${done.paused ? 'paused' : 'no longer paused'}`)
  }
}
