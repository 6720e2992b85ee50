import type { Command } from 'commander'
import type { Worker } from '../../control/schema/system.ts'
import type { Action, Context } from '../context.ts'
import type { Cell } from '../table.ts'
import { table } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { moment, number, span } from '../words.ts'

/** `workers`. */
export function addWorkerCommands(program: Command, action: Action): void {
  program
    .command('workers')
    .description(
      'list the processes: what they do, the lane groups they own, their attempts; and those that died',
    )
    .action(action(workers))
}

async function workers(context: Context): Promise<void> {
  context.show(await context.client.listWorkers({}), ({ items }) => describe(context.terminal, items))
}

function describe(terminal: Terminal, items: readonly Worker[]): string {
  const living = items.filter(({ state }) => state !== 'dead')
  const dead = items.filter(({ state }) => state === 'dead')
  return [
    living.length === 0 ? 'no process is live' : livingTable(terminal, living),
    ...(dead.length === 0 ? [] : ['', deadTable(terminal, dead)]),
  ].join('\n')
}

function livingTable(terminal: Terminal, living: readonly Worker[]): string {
  const columns = [
    { title: 'PROCESS' },
    { title: 'ROLES' },
    { title: 'STATE' },
    { title: 'UP', right: true },
    { title: 'LEASE', right: true },
    { title: 'ATTEMPTS', right: true },
    { title: 'FLOWS' },
    { title: 'LANE GROUPS', shrinks: true },
  ]
  const now = Date.now()
  const row = (worker: Worker) => [
    worker.id,
    worker.roles.join(', '),
    stateOf(worker),
    span(now - Date.parse(worker.startedAt)),
    worker.state === 'late' ? 'run out' : span(Math.max(0, Date.parse(worker.leaseUntil) - now)),
    runsFlows(worker) ? number(worker.attempts) : '',
    flowsOf(worker),
    worker.groups.map(nameOf).join(', '),
  ]
  return table(terminal, columns, living.map(row))
}

function deadTable(terminal: Terminal, dead: readonly Worker[]): string {
  const columns = [
    { title: 'ENDED UNEXPECTEDLY' },
    { title: 'ROLES' },
    { title: 'DECLARED DEAD', right: true },
    { title: 'WHO HAS ITS LANE GROUPS NOW', shrinks: true },
  ]
  const row = (worker: Worker) => [
    worker.id,
    worker.roles.join(', '),
    worker.deadAt === null ? '' : moment(worker.deadAt),
    heirs(worker),
  ]
  return table(terminal, columns, dead.map(row))
}

/** By heir: one may have taken many. */
function heirs({ left }: Worker): string {
  const byOwner = Map.groupBy(left, ({ owner }) => owner ?? 'nobody')
  return [...byOwner].map(([owner, groups]) => `${owner}: ${groups.map(nameOf).join(', ')}`).join('; ')
}

function stateOf({ state, draining }: Worker): Cell {
  if (state === 'late') return { text: 'late', style: 'red' }
  return draining ? { text: 'draining', style: 'yellow' } : { text: 'live', style: 'green' }
}

function runsFlows({ roles }: Worker): boolean {
  return roles.includes('worker')
}

function flowsOf(worker: Worker): string {
  if (!runsFlows(worker)) return ''
  const older = worker.flows.filter(({ current }) => !current).length
  return `${number(worker.flows.length)}${older > 0 ? `, ${number(older)} not current` : ''}`
}

function nameOf({ name, partition }: { readonly name: string; readonly partition: number }): string {
  return partition === 0 ? name : `${name}/${partition}`
}
