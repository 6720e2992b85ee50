import type { TransportConfig, TransportConnection } from '../../define/transport.ts'
import type { Database } from '../../journal/database.ts'
import type { KnownQueue } from '../../journal/port-relay.ts'
import { sqlRelay } from '../../journal/sql-relay.ts'
import { explainTransport } from '../explain-transport.ts'
import type { DatabaseTime } from '../moment.ts'
import { iso } from '../moment.ts'
import type { BrokerQueue, Relay, Transport, TransportStatus } from '../schema/transport.ts'

/** The transport of the process that is asked. */
export interface TransportInUse extends Pick<TransportConfig, 'kind' | 'address'> {
  /** Absent where the log is the transport. */
  readonly connection?: Pick<TransportConnection, 'reach' | 'queueLength' | 'removeQueue'>
}

/** A broker that is slower is said not to answer: whoever looks is not kept waiting for it. */
const answerMs = 2_000
/** Queues whose messages are counted at the same time. */
const atOnce = 8

/** How far the relay of a transport has come; null before the first has begun. By log_relays_pkey and events_pkey. */
export async function relayOf(database: Database, kind: string): Promise<Relay | null> {
  const [row] = await database.query<{
    holder: string | null
    position: number
    head: number
    at: DatabaseTime
    age: number | null
  }>({
    name: 'relay',
    text: `SELECT CASE WHEN r.until >= clock_timestamp() THEN r.holder END AS holder, r.position, h.seq AS head,
                  first.received_at AS at, extract(epoch FROM clock_timestamp() - first.received_at)::float8 * 1000 AS age
           FROM log_relays r
           CROSS JOIN (SELECT coalesce(max(seq), 0) AS seq FROM events) h
           LEFT JOIN LATERAL (SELECT e.received_at FROM events e WHERE e.seq > r.position ORDER BY e.seq LIMIT 1) first ON true
           WHERE r.transport = $1`,
    values: [kind],
  })
  if (!row) return null
  const { holder, position, head, at, age } = row
  return {
    holder,
    position,
    head,
    // The log has no gaps; one that was restored to an earlier moment may end before the position.
    behind: Math.max(0, head - position),
    oldestAt: iso(at),
    oldestMs: age === null ? null : Math.max(0, Math.round(age)),
  }
}

/** The queues of a transport that the journal knows of. */
export async function knownQueues(database: Database, kind: string): Promise<readonly KnownQueue[]> {
  return (await sqlRelay(database).queues()).filter(({ transport }) => transport === kind)
}

/** Whether the broker answers, how far the relay is, how many queues are left over. */
export async function readTransportStatus(
  database: Database,
  transport: TransportInUse,
): Promise<TransportStatus> {
  return statusOf(database, transport, await knownQueues(database, transport.kind))
}

async function statusOf(
  database: Database,
  { kind, address, connection }: TransportInUse,
  queues: readonly KnownQueue[],
): Promise<TransportStatus> {
  const [reachable, relay] = await Promise.all([
    connection ? answers(connection) : null,
    relayOf(database, kind),
  ])
  return {
    kind,
    address,
    reachable,
    relay,
    leftOver: queues.filter(({ inUse }) => !inUse).length,
  }
}

/** The same with every queue and its messages, as far as the broker says them in time. */
export async function readTransport(database: Database, transport: TransportInUse): Promise<Transport> {
  const known = await knownQueues(database, transport.kind)
  const status = await statusOf(database, transport, known)
  const lengths = status.reachable ? await lengthsOf(known, transport.connection) : new Map<string, number>()
  const queues = known.map(({ queue, group, part, parts, inUse }): BrokerQueue => ({
    queue,
    group,
    partition: part,
    partitions: parts,
    messages: lengths.get(queue) ?? null,
    state: inUse ? 'in-use' : 'left-over',
  }))
  return { ...status, ...explainTransport(status), queues }
}

async function answers(connection: Pick<TransportConnection, 'reach'>): Promise<boolean> {
  const answered = connection.reach().then(
    () => true,
    () => false,
  )
  return (await within(answered)) ?? false
}

async function lengthsOf(
  queues: readonly KnownQueue[],
  connection: TransportInUse['connection'],
): Promise<ReadonlyMap<string, number>> {
  const lengths = new Map<string, number>()
  const left = queues.map(({ queue }) => queue)
  const ask = async (): Promise<void> => {
    for (let queue = left.pop(); queue !== undefined; queue = left.pop()) {
      const length = await connection?.queueLength(queue)
      if (length !== undefined) lengths.set(queue, length)
    }
  }
  await within(Promise.all(Array.from({ length: atOnce }, ask))).catch(() => undefined)
  left.length = 0 // nobody waits for what is left
  return new Map(lengths)
}

/** Undefined when it takes too long. */
async function within<T>(work: Promise<T>): Promise<T | undefined> {
  const slow = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => slow.resolve(undefined), answerMs)
  try {
    return await Promise.race([work, slow.promise])
  } finally {
    clearTimeout(timer)
    work.catch(() => undefined)
  }
}
