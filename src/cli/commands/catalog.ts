import type { Command } from 'commander'
import type { Catalog, EventType } from '../../control/schema/catalog.ts'
import { BusbarError } from '../../errors.ts'
import type { Action, Context } from '../context.ts'
import { facts, table } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { moment, number } from '../words.ts'

interface Options {
  readonly asyncapi: boolean
  readonly openapi: boolean
}

/** `catalog`. */
export function addCatalogCommand(program: Command, action: Action): void {
  program
    .command('catalog [type]')
    .description('list the event types: who sends them, which flows take them, how many come; or show one')
    .option('--asyncapi', 'print the event types as an AsyncAPI 3 document', false)
    .option('--openapi', 'print how to publish over HTTP as an OpenAPI 3.1 document', false)
    .action(action(catalog))
}

async function catalog(context: Context, type: string | undefined, options: Options): Promise<void> {
  const { client, terminal } = context
  if (options.asyncapi) return terminal.out(JSON.stringify(await client.asyncApi({}), null, 2))
  if (options.openapi) return terminal.out(JSON.stringify(await client.doorOpenApi({}), null, 2))
  const all = await client.readCatalog({})
  if (type === undefined) return context.show(all, (value) => list(terminal, value))
  const one = all.items.find((each) => each.type === type)
  if (!one) throw new BusbarError('request.not-found', `there is no event type "${type}" here`)
  context.show(one, (value) => describe(terminal, value))
}

function list(terminal: Terminal, { items, sample }: Catalog): string {
  if (items.length === 0) return 'no event types: declare one with defineEvent, and a flow that runs on it'
  const columns = [
    { title: 'TYPE', shrinks: true },
    { title: 'VERSION' },
    { title: 'FROM', shrinks: true },
    { title: 'FLOWS', shrinks: true },
    { title: 'AN HOUR', right: true },
    { title: 'LAST' },
  ]
  const rows = items.map((each) => [
    each.type,
    each.version,
    each.producers.join(', '),
    each.consumers.map(({ flow }) => flow).join(', '),
    each.perHour === null ? '' : number(each.perHour),
    each.lastAt === null ? 'never' : moment(each.lastAt),
  ])
  const since = sample.since === null ? '' : `\nvolumes: of the newest ${number(sample.events)} events`
  return `${table(terminal, columns, rows)}${since}`
}

function describe(terminal: Terminal, one: EventType): string {
  const head = facts(terminal, [
    ['type', one.type],
    ['version', one.version],
    ['from', one.producers.join(', ') || null],
    ['flows', one.consumers.map(({ flow, systems }) => `${flow} (${systems.join(', ')})`).join(', ') || null],
    ['awaited by', one.awaitedBy.join(', ') || null],
    ['never shown', one.redacted.join(', ') || null],
    ['last', one.lastAt === null ? 'never' : moment(one.lastAt)],
  ])
  const schema =
    one.schema === null ? 'its library cannot say its schema' : JSON.stringify(one.schema, null, 2)
  return `${head}\n\n${schema}\n\nexample\n${JSON.stringify(one.example, null, 2)}`
}
