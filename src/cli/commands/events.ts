import type { Command } from 'commander'
import type { EventDetail, EventPage } from '../../control/schema/event.ts'
import type { Action, Context } from '../context.ts'
import { BusbarError } from '../../errors.ts'
import { countOf, refuseOptions } from '../options.ts'
import { listed, mostListed } from '../pages.ts'
import { facts, table, withMore } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { moment, number, stateCell, words } from '../words.ts'

interface Filter {
  readonly keyOf?: string
  readonly type?: string
  readonly source?: string
  readonly id?: string
  readonly limit: string
}

/** `events`. */
export function addEventCommands(program: Command, action: Action): void {
  program
    .command('events [seq]')
    .description('list events, newest first; or show one, by its place in the log or by --source and --id')
    .option('--key-of <key>', 'events about this business object')
    .option('--type <type>', 'events of this type')
    .option('--source <source>', 'events of this source')
    .option('--id <id>', 'the event with this id; needs --source')
    .option('--limit <n>', 'how many', '50')
    .action(action(events))
}

async function events(context: Context, seq: string | undefined, options: Filter): Promise<void> {
  const { client, terminal } = context
  const one = await oneEvent(context, seq, options)
  if (one) return context.show(one, (event) => describe(terminal, event))
  let looked: EventPage['looked'] = null
  const page = await listed(countOf('--limit', options.limit, mostListed), async ({ limit, next }) => {
    const found = await client.listEvents({
      ...(options.keyOf !== undefined && { key: options.keyOf }),
      ...(options.type !== undefined && { type: options.type }),
      ...(options.source !== undefined && { source: options.source }),
      ...(next !== undefined && { before: Number(next) }),
      limit,
    })
    looked = found.items.length === 0 ? found.looked : null
    return found
  })
  context.show({ ...page, looked }, (value) => list(terminal, value))
}

async function oneEvent(
  { client }: Context,
  seq: string | undefined,
  options: Filter,
): Promise<EventDetail | undefined> {
  if (seq !== undefined) {
    const { limit: _, ...filter } = options
    refuseOptions(filter, 'a place in the log, which names one event')
    if (!/^\d{1,16}$/.test(seq))
      throw new BusbarError(
        'config.invalid',
        `"${seq}" is no place in the log; for an id write --source <source> --id <id>`,
      )
    return client.getEvent({ seq: Number(seq) })
  }
  if (options.id === undefined) return undefined
  if (options.source === undefined)
    throw new BusbarError('config.invalid', '--id needs --source: an id is unique within its source')
  return client.findEvent({ source: options.source, id: options.id })
}

function list(terminal: Terminal, page: EventPage): string {
  const looked =
    page.looked === null ? '' : `\n\nlooked through back to ${moment(page.looked.since)}: older ones may fit`
  if (page.items.length === 0) return `no events${looked}`
  const columns = [
    { title: 'SEQ', right: true },
    { title: 'ACCEPTED' },
    { title: 'TYPE', shrinks: true },
    { title: 'KEY', shrinks: true },
    { title: 'ID', shrinks: true },
    { title: 'BYTES', right: true },
    { title: 'RUNS', shrinks: true },
  ]
  const rows = page.items.map((event) => [
    String(event.seq),
    moment(event.receivedAt),
    event.type,
    event.key ?? '',
    event.id,
    number(event.bytes),
    event.runs.map(({ flow, state }) => `${flow} ${state}`).join(', '),
  ])
  return withMore(terminal, page, table(terminal, columns, rows)) + looked
}

function describe(terminal: Terminal, event: EventDetail): string {
  const head = facts(terminal, [
    ['event', `${event.id} from ${event.source}`],
    ['type', event.type],
    ['key', event.key],
    ['subject', event.subject],
    ['time', event.time],
    ['accepted', `${moment(event.receivedAt)}, place ${event.seq} in the log`],
    ...Object.entries(event.extensions).map(([name, value]) => [name, value] as const),
    ['data', JSON.stringify(event.data).slice(0, 2_000)],
  ])
  if (event.runs.length === 0) return `${head}\n\nno flow subscribes to it`
  const columns = [{ title: 'FLOW' }, { title: 'STATE' }, { title: 'WHY', shrinks: true }]
  const rows = event.runs.map((run) => [run.flow, stateCell(run.state), words(run.why)])
  return `${head}\n\n${table(terminal, columns, rows)}`
}
