import type { Command } from 'commander'
import type { MaintenanceWindow, System, SystemDetail } from '../../control/schema/system.ts'
import { count } from '../../control/sentence.ts'
import type { Duration } from '../../define/duration.ts'
import { durationMs } from '../../define/duration.ts'
import { BusbarError } from '../../errors.ts'
import type { Action, Context } from '../context.ts'
import { exitCode } from '../exit-code.ts'
import { countOf, refuseOptions } from '../options.ts'
import type { Cell } from '../table.ts'
import { facts, table } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { moment, number, span, words } from '../words.ts'

/** `systems`, `systems test`, `systems maintenance`. */
export function addSystemCommands(program: Command, action: Action): void {
  const systems = program.command('systems').description('the systems, and how they stand')
  systems
    .command('list [name]', { isDefault: true })
    .description('list the systems and how they stand; or show one. The word "list" may be left out')
    .action(action(list))
  systems
    .command('test <name>')
    .description(
      'have a worker make one harmless call, beside the breaker; exit code 1 unless it is answered',
    )
    .option('--reason <text>', 'kept in the audit trail')
    .action(action(test))
  systems
    .command('maintenance <name>')
    .description('do not call a system for a time; or list or end its maintenance windows')
    .option('--for <duration>', 'so long, from now or from --from: 30m, 2h, 1d')
    .option('--from <moment>', 'when it begins; default now')
    .option('--until <moment>', 'when it ends')
    .option('--end <window>', 'end this window now, or take it back before it begins')
    .option('--reason <text>', 'what for; kept in the audit trail')
    .action(action(maintenance))
}

async function list(context: Context, name: string | undefined): Promise<void> {
  const { client, terminal } = context
  if (name !== undefined)
    return context.show(await client.getSystem({ name }), (system) => describeSystem(terminal, system))
  context.show(await client.listSystems({}), ({ items }) => {
    if (items.length === 0) return 'no systems'
    const columns = [
      { title: 'SYSTEM' },
      { title: 'STANDING' },
      { title: 'ADDRESS', shrinks: true },
      { title: 'WAITING', right: true },
      { title: 'P95', right: true },
      { title: 'ERRORS', right: true },
      { title: 'WHY', shrinks: true },
    ]
    const row = (system: System) => [
      system.name,
      standing(system),
      system.address,
      waiting(system),
      system.recent.p95 === null ? '' : `${number(system.recent.p95)} ms`,
      errors(system),
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
    ['waiting', waiting(system)],
    ['limit', limitWords(system)],
    ['last 5 min', `${number(system.recent.calls)} calls, ${errors(system)} failed`],
    ['p95', system.recent.p95 === null ? 'no calls' : `${number(system.recent.p95)} ms`],
    ['credentials', credentialWords(system)],
    ...system.maintenance.map(
      ({ id, from, until, note }) =>
        ['maintenance', `${id}: ${moment(from)} until ${moment(until)}${note ? `, ${note}` : ''}`] as const,
    ),
    ...system.tests
      .slice(0, 1)
      .map(({ at, sentence }) => ['test call', `${moment(at)}: ${words(sentence)}`] as const),
    ...system.problems.map(({ title, fingerprint }) => ['problem', `${title} (${fingerprint})`] as const),
  ])
}

function waiting({ waiting: { count: many, noun, exact } }: System): string {
  return many === 0 ? 'none' : `${exact ? '' : 'about '}${count(many, noun)}`
}

function errors({ recent: { calls, failed } }: System): string {
  return calls === 0 ? '' : `${Math.round((failed / calls) * 1_000) / 10} %`
}

function limitWords({ limit }: System): string | null {
  if (limit === null) return null
  const { kind, used, max, perMs } = limit
  return kind === 'at-once'
    ? `${number(used)} of ${number(max)} calls at once`
    : `${number(used)} of ${number(max)} calls in ${span(perMs ?? 0)}`
}

function credentialWords({ credentials }: System): string | null {
  if (credentials === null) return null
  const { kind, obtainedAt, expiresAt } = credentials
  const ages = [
    ...(obtainedAt === null ? [] : [`obtained ${moment(obtainedAt)}`]),
    ...(expiresAt === null ? [] : [`end ${moment(expiresAt)}`]),
  ]
  return [kind, ...ages].join(', ')
}

async function test(context: Context, name: string, { reason }: { readonly reason?: string }): Promise<void> {
  const done = await context.client.testSystem({ name, ...(reason !== undefined && { reason }) })
  context.show(done, ({ sentence }) => words(sentence))
  if (done.outcome !== 'answered') process.exitCode = exitCode.failed
}

interface MaintenanceOptions {
  readonly for?: string
  readonly from?: string
  readonly until?: string
  readonly end?: string
  readonly reason?: string
}

async function maintenance(context: Context, name: string, options: MaintenanceOptions): Promise<void> {
  const { client } = context
  const { reason, end, ...window } = options
  if (end !== undefined) {
    refuseOptions(window, '--end')
    const input = { name, window: countOf('--end', end, Number.MAX_SAFE_INTEGER) }
    const done = await client.endMaintenance({ ...input, ...(reason !== undefined && { reason }) })
    return context.show(done, () => `window ${done.window} of ${name} is over`)
  }
  if (window.for === undefined && window.until === undefined) {
    const { maintenance: windows } = await client.getSystem({ name })
    return context.show({ items: windows }, ({ items }) => windowTable(context, items))
  }
  const from = window.from === undefined ? new Date() : momentOf('--from', window.from)
  const set = await client.setMaintenance({
    name,
    until: endOf(from, window).toISOString(),
    ...(window.from !== undefined && { from: from.toISOString() }),
    ...(reason !== undefined && { note: reason }),
  })
  context.show(set, ({ id, until }) => `${name} is under maintenance until ${moment(until)} (window ${id})`)
}

function endOf(from: Date, { for: length, until }: MaintenanceOptions): Date {
  if (until !== undefined) {
    refuseOptions({ for: length }, '--until')
    return momentOf('--until', until)
  }
  return new Date(from.getTime() + durationMs((length ?? '') as Duration))
}

function momentOf(option: string, given: string): Date {
  const moment = new Date(given)
  if (Number.isNaN(moment.getTime()))
    throw new BusbarError(
      'config.invalid',
      `${option} is a moment such as 2026-12-31T22:00:00Z, not "${given}"`,
    )
  return moment
}

function windowTable({ terminal }: Context, windows: readonly MaintenanceWindow[]): string {
  if (windows.length === 0) return 'no maintenance is set'
  const columns = [
    { title: 'WINDOW', right: true },
    { title: 'FROM' },
    { title: 'UNTIL' },
    { title: 'BY' },
    { title: 'NOTE', shrinks: true },
  ]
  const row = ({ id, from, until, by, note }: MaintenanceWindow) => [
    String(id),
    moment(from),
    moment(until),
    by,
    note ?? '',
  ]
  return table(terminal, columns, windows.map(row))
}
