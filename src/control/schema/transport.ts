import { z } from 'zod'
import { Moment, named, Sentence } from './common.ts'

const Count = z.number().int().nonnegative()

/** How far the log has been carried to the broker, and who does it. */
export const Relay = named(
  'Relay',
  'How far the log has been carried to the broker, and who does it',
  z.object({
    /** The process whose lease runs; null: nobody carries now. */
    holder: z.string().nullable(),
    position: Count,
    head: Count,
    /** Events that were accepted and are not carried yet; when the oldest of them was. */
    behind: Count,
    oldestAt: Moment.nullable(),
    oldestMs: z.number().nullable(),
  }),
)
export type Relay = z.infer<typeof Relay>

/** A queue that busbar has declared at the broker. */
export const BrokerQueue = named(
  'BrokerQueue',
  'A queue that busbar has declared for one partition of a lane group; left over: nobody needs it any more',
  z.object({
    queue: z.string(),
    group: z.string(),
    partition: Count,
    partitions: Count,
    /** Messages that no worker holds; null: the broker does not answer, or has no such queue. */
    messages: Count.nullable(),
    state: z.enum(['in-use', 'left-over']),
  }),
)
export type BrokerQueue = z.infer<typeof BrokerQueue>

/** What carries events to the workers. */
export const TransportStatus = named(
  'TransportStatus',
  'What carries events from the log to the workers: the log itself, or a broker with its relay',
  z.object({
    kind: z.enum(['log', 'rabbitmq']),
    /** Where the broker is, without credentials. */
    address: z.string(),
    /** Whether the broker answers the process that was asked; null: there is none to ask. */
    reachable: z.boolean().nullable(),
    /** Null where the log is the transport, and before the first relay has begun. */
    relay: Relay.nullable(),
    /** Queues that nobody needs any more. */
    leftOver: Count,
  }),
)
export type TransportStatus = z.infer<typeof TransportStatus>

/** The same in words, with each queue. */
export const Transport = named(
  'Transport',
  'What carries events from the log to the workers, in words and in numbers, with each queue',
  TransportStatus.extend({ sentence: Sentence, ok: z.boolean(), queues: z.array(BrokerQueue) }),
)
export type Transport = z.infer<typeof Transport>

/** Names a queue in a path. */
export const QueuePath = z.object({ queue: z.string().min(1).max(255) })

/** What a removal did. */
export const RemovedQueue = named(
  'RemovedQueue',
  'A queue that is not at the broker any more; null messages: it was gone already',
  z.object({ queue: z.string(), removed: z.literal(true), messages: Count.nullable() }),
)
export type RemovedQueue = z.infer<typeof RemovedQueue>
