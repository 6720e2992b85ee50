import type { Command } from 'commander'
import type { Flow } from '../../control/schema/overview.ts'
import type { Action, Context } from '../context.ts'
import type { Cell } from '../table.ts'
import { table } from '../table.ts'
import { number } from '../words.ts'

/** `flows`, `flows remove`. */
export function addFlowCommands(program: Command, action: Action): void {
  const flows = program.command('flows').description('the flows, and how far they have come')
  flows
    .command('list', { isDefault: true })
    .description('list the flows. The word "list" may be left out')
    .action(action(list))
  flows
    .command('remove <name>')
    .description(
      'forget a flow that is not deployed any more and has no open runs: no event waits for it then',
    )
    .requiredOption('--reason <text>', 'why; kept in the audit trail')
    .action(action(remove))
}

async function list(context: Context): Promise<void> {
  const { client, terminal } = context
  context.show(await client.listFlows({}), ({ items }) => {
    if (items.length === 0) return 'no flows'
    const columns = [
      { title: 'FLOW', shrinks: true },
      { title: 'VERSION', right: true },
      { title: 'LANE GROUP', shrinks: true },
      { title: 'DEPLOYED' },
      { title: 'PENDING', right: true },
      { title: 'OPEN RUNS', right: true },
      { title: 'CANNOT GO ON', right: true },
    ]
    return table(terminal, columns, items.map(row))
  })
}

function row(flow: Flow): (string | Cell)[] {
  const { waiting, retrying, running, parked } = flow.open
  return [
    flow.flow,
    String(flow.version),
    flow.group,
    deployedCell(flow.deployed),
    `${flow.exact ? '' : 'about '}${number(flow.pending)}`,
    number(waiting + retrying + running + parked),
    flow.stranded === 0 ? '0' : { text: number(flow.stranded), style: 'red' },
  ]
}

function deployedCell(deployed: boolean | null): string | Cell {
  if (deployed === null) return 'no worker'
  return deployed ? 'yes' : { text: 'no', style: 'yellow' }
}

async function remove(
  context: Context,
  name: string,
  { reason }: { readonly reason: string },
): Promise<void> {
  const done = await context.client.removeFlow({ name, reason })
  context.show(done, () => `flow ${name} is removed: no event waits for it any more`)
}
