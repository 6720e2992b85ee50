import type { Command } from 'commander'
import type { Status } from '../../control/schema/overview.ts'
import type { Action, Context } from '../context.ts'
import { exitCode } from '../exit-code.ts'
import { facts, table } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { styled } from '../terminal.ts'
import { number, span, words } from '../words.ts'
import { brokerWords, lagWords } from './queues.ts'

/** `status`, `pause`, `resume`. */
export function addOverviewCommands(program: Command, action: Action): void {
  program
    .command('status')
    .description('what is true now; exit code 1 when something needs attention')
    .action(action(status))
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
