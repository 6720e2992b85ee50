import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import type { KnownQueue } from '../../journal/port-relay.ts'
import { knownQueues } from '../queries/transport.ts'
import type { TransportInUse } from '../queries/transport.ts'
import type { RemovedQueue } from '../schema/transport.ts'

/**
 * Removes a queue that is left over, first at the broker, then from the journal with the audit row: whatever fails, the
 * act can be repeated. Nothing is lost with its messages, which the log has. A worker that begins to use it meanwhile
 * declares it anew and notes that, and then the journal keeps it. Throws `request.not-found`, `act.refused` for a queue
 * in use and where this process has no broker, `call.unavailable` when the broker does not answer.
 */
export async function removeQueue(
  database: Database,
  transport: TransportInUse,
  act: { readonly queue: string; readonly actor: string; readonly reason: string },
): Promise<RemovedQueue> {
  const { kind, address, connection } = transport
  const { queue, actor, reason } = act
  if (!connection)
    throw new BusbarError(
      'act.refused',
      'the process that was asked has the log as its transport, and no broker: ask one that has',
    )
  const known = (await knownQueues(database, kind)).find((each) => each.queue === queue)
  if (!known)
    throw new BusbarError(
      'request.not-found',
      `busbar knows of no queue ${queue} at ${address}: look among them`,
    )
  if (known.inUse)
    throw new BusbarError(
      'act.refused',
      `queue ${queue} is in use: it is for partition ${known.part} of ${known.parts} of lane group ${known.group}`,
    )
  const messages = await connection.removeQueue(queue).catch((cause: unknown) => {
    throw new BusbarError(
      'call.unavailable',
      `the broker at ${address} does not answer, or refuses to remove queue ${queue}: look at its log, and repeat this`,
      { cause },
    )
  })
  await forget(database, known, { actor, reason, messages: messages ?? null })
  return { queue, removed: true, messages: messages ?? null }
}

async function forget(
  database: Database,
  { transport, queue, group, part, parts, declaredAt }: KnownQueue,
  act: { readonly actor: string; readonly reason: string; readonly messages: number | null },
): Promise<void> {
  await database.query({
    text: `WITH gone AS (
             DELETE FROM broker_queues WHERE transport = $1 AND queue = $2 AND declared_at = $3::timestamptz
           )
           INSERT INTO audit (actor, verb, object, reason, before, after)
           VALUES ($4, 'remove', 'queue ' || $2, $5, $6::jsonb, '{"removed": true}')`,
    values: [
      transport,
      queue,
      declaredAt,
      act.actor,
      act.reason,
      JSON.stringify({ transport, group, partition: part, partitions: parts, messages: act.messages }),
    ],
  })
}
