import type { Command } from 'commander'
import type { BrokerQueue, Transport, TransportStatus } from '../../control/schema/transport.ts'
import { count } from '../../control/sentence.ts'
import type { Action, Context } from '../context.ts'
import type { Cell } from '../table.ts'
import { facts, table } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { styled } from '../terminal.ts'
import { number, span, words } from '../words.ts'

/** `queues`, `queues remove`. */
export function addQueueCommands(program: Command, action: Action): void {
  const queues = program
    .command('queues')
    .description('the transport: what carries events to the workers, its relay, its queues')
  queues
    .command('list', { isDefault: true })
    .description('show the transport, how far its relay is, and each queue. The word "list" may be left out')
    .action(action(list))
  queues
    .command('remove <queue>')
    .description('remove a queue at the broker that is left over: the log has what is in it')
    .requiredOption('--reason <text>', 'why; kept in the audit trail')
    .action(action(remove))
}

async function list(context: Context): Promise<void> {
  const { client, terminal } = context
  context.show(await client.readTransport({}), (transport) => describe(terminal, transport))
}

function describe(terminal: Terminal, transport: Transport): string {
  const sentence = styled(terminal, transport.ok ? 'green' : 'yellow', words(transport.sentence))
  const { kind, relay, queues } = transport
  if (kind === 'log' && queues.length === 0) return sentence
  const columns = [
    { title: 'QUEUE', shrinks: true },
    { title: 'LANE GROUP' },
    { title: 'PARTITION' },
    { title: 'MESSAGES', right: true },
    { title: 'STATE' },
  ]
  return [
    sentence,
    '',
    facts(terminal, [
      ['transport', brokerWords(transport)],
      ['relay', relay?.holder ?? { text: 'none is live', style: 'yellow' }],
      ['carried', relay && `up to ${number(relay.position)} of ${number(relay.head)}, ${lagWords(relay)}`],
    ]),
    '',
    queues.length === 0
      ? 'no queues yet: a worker declares those of the partitions that it runs'
      : table(
          terminal,
          columns,
          queues.map((queue) => row(queue, transport)),
        ),
  ].join('\n')
}

function row(
  { queue, group, partition, partitions, messages, state }: BrokerQueue,
  { reachable }: Pick<Transport, 'reachable'>,
): (string | Cell)[] {
  const unknown = reachable ? { text: 'not there', style: 'yellow' as const } : 'unknown'
  return [
    queue,
    group,
    `${partition} of ${partitions}`,
    messages === null ? unknown : number(messages),
    state === 'in-use' ? 'in use' : { text: 'left over', style: 'yellow' },
  ]
}

/** Where the broker is, and whether it answers. */
export function brokerWords({ kind, address, reachable }: TransportStatus): string {
  if (kind === 'log') return 'the log itself: workers read it'
  return `${kind} at ${address}, ${reachable ? 'reachable' : 'does not answer'}`
}

/** How far the relay is behind the log's head. */
export function lagWords({ behind, oldestMs }: NonNullable<TransportStatus['relay']>): string {
  if (behind === 0) return 'nothing is behind'
  return `${count(behind, 'event')} behind${oldestMs === null ? '' : `, the oldest for ${span(oldestMs)}`}`
}

async function remove(
  context: Context,
  queue: string,
  { reason }: { readonly reason: string },
): Promise<void> {
  const done = await context.client.removeQueue({ queue, reason })
  context.show(done, ({ messages }) => {
    if (messages === null) return `queue ${queue} was not at the broker any more, and is forgotten`
    const had =
      messages === 0 ? 'it was empty' : `it had ${count(messages, 'message')}, which the log has, too`
    return `queue ${queue} is removed: ${had}`
  })
}
