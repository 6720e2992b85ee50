import type { Command } from 'commander'
import type { Group } from '../../control/schema/system.ts'
import type { Action, Context } from '../context.ts'
import type { Cell } from '../table.ts'
import { table } from '../table.ts'
import { number } from '../words.ts'

/** `groups`. */
export function addGroupCommands(program: Command, action: Action): void {
  program
    .command('groups')
    .description('list the lane groups by partition: who runs each, and how far it has come')
    .action(action(groups))
}

async function groups(context: Context): Promise<void> {
  const { client, terminal } = context
  context.show(await client.listGroups({}), ({ items }) => {
    if (items.length === 0) return 'no lane groups'
    const columns = [
      { title: 'LANE GROUP', shrinks: true },
      { title: 'PARTITION', right: true },
      { title: 'WORKER', shrinks: true },
      { title: 'PENDING', right: true },
      { title: 'LANES', right: true },
      { title: 'STANDING' },
    ]
    return table(terminal, columns, items.map(row))
  })
}

function row(group: Group): (string | Cell)[] {
  return [
    group.name,
    `${group.partition + 1} of ${group.partitions}`,
    group.owner ?? { text: 'nobody', style: 'yellow' },
    `${group.exact ? '' : 'about '}${number(group.pending)}`,
    number(group.lanes),
    standing(group),
  ]
}

function standing({ paused, partitions, wantedPartitions }: Group): string | Cell {
  if (paused) return { text: 'paused', style: 'yellow' }
  if (partitions === wantedPartitions) return 'runs'
  return { text: `to be ${wantedPartitions} partition${wantedPartitions === 1 ? '' : 's'}`, style: 'yellow' }
}
