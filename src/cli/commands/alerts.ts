import type { Command } from 'commander'
import type { AlertChannel, AlertDelivery } from '../../control/schema/alert.ts'
import { BusbarError } from '../../errors.ts'
import type { Action, Context } from '../context.ts'
import { countOf } from '../options.ts'
import { mostListed } from '../pages.ts'
import type { Cell } from '../table.ts'
import { table } from '../table.ts'
import { moment } from '../words.ts'

/** `alerts`, `alerts sent`, `alerts test`. */
export function addAlertCommands(program: Command, action: Action): void {
  const alerts = program
    .command('alerts')
    .description('who is told of problems, and what became of the messages')
  alerts
    .command('list', { isDefault: true })
    .description('list the channels, each with its newest message. The word "list" may be left out')
    .action(action(list))
  alerts
    .command('sent')
    .description('list the messages, newest first')
    .option('--channel <name>', 'only those of this channel')
    .option('--limit <n>', 'how many', '50')
    .action(action(sent))
  alerts
    .command('test <channel>')
    .description('send a test message, and wait for what becomes of it')
    .action(action(test))
}

async function list(context: Context): Promise<void> {
  context.show(await context.client.listAlertChannels({}), ({ items }) => {
    if (items.length === 0) return 'nobody is told: no alert channels are configured'
    const columns = [
      { title: 'CHANNEL', shrinks: true },
      { title: 'KIND' },
      { title: 'TO', shrinks: true },
      { title: 'TELLS', shrinks: true },
      { title: 'LAST MESSAGE' },
      { title: 'OUTCOME', shrinks: true },
    ]
    const row = ({ name, kind, address, tells, last }: AlertChannel) => [
      name,
      kind,
      address,
      tells.join(', '),
      moment(last?.at ?? null),
      last ? outcome(last) : '',
    ]
    return table(context.terminal, columns, items.map(row))
  })
}

async function sent(
  context: Context,
  options: { readonly channel?: string; readonly limit: string },
): Promise<void> {
  const limit = countOf('--limit', options.limit, mostListed)
  const { channel } = options
  const page = await context.client.listAlertDeliveries({ limit, ...(channel !== undefined && { channel }) })
  context.show(page, ({ items }) => {
    if (items.length === 0) return 'no message yet'
    const columns = [
      { title: 'WRITTEN' },
      { title: 'CHANNEL', shrinks: true },
      { title: 'OUTCOME', shrinks: true },
      { title: 'MESSAGE', shrinks: true },
    ]
    const row = (each: AlertDelivery) => [moment(each.at), each.channel, outcome(each), each.subject]
    return table(context.terminal, columns, items.map(row))
  })
}

function outcome({ state, endedAt, nextAt, error }: AlertDelivery): Cell {
  if (state === 'sent') return { text: `sent ${moment(endedAt)}` }
  if (state === 'failed') return { text: `failed: ${error ?? ''}`, style: 'red' }
  return nextAt === null
    ? { text: 'to be sent' }
    : { text: `again ${moment(nextAt)}: ${error ?? ''}`, style: 'red' }
}

const waitMs = 20_000
const askEveryMs = 300

/** Resolves when the message has arrived; throws when it has not. */
async function test(context: Context, name: string): Promise<void> {
  const { client } = context
  const { id } = await client.testAlertChannel({ name })
  const until = Date.now() + waitMs
  for (;;) {
    const { items } = await client.listAlertDeliveries({ channel: name, before: id + 1, limit: 1 })
    const [delivery] = items
    if (delivery?.state === 'sent')
      return context.show(delivery, () => `the test message over ${name} has arrived`)
    const failed = delivery && delivery.error !== null
    if (failed || Date.now() > until)
      throw new BusbarError(
        'call.unavailable',
        failed
          ? `the test message over ${name} could not be sent: ${delivery.error}`
          : `nobody has sent the test message over ${name} yet: alerts are sent by processes with the role "worker" or "console"`,
      )
    await new Promise((resolve) => setTimeout(resolve, askEveryMs))
  }
}
