import { z } from 'zod'
import { Moment, named, Sentence } from './common.ts'

/** How a system stands, in the words people see. */
export const systemStandings = ['connected', 'cut-off', 'trying', 'slowed', 'paused'] as const
export const SystemStanding = z.enum(systemStandings)

/** A business application that busbar calls. */
export const System = named(
  'System',
  'A business application that busbar calls, and how it stands',
  z.object({
    name: z.string(),
    address: z.string(),
    standing: SystemStanding,
    /** The technical word. */
    breaker: z.enum(['closed', 'open', 'probing']),
    paused: z.boolean(),
    why: Sentence,
    /** When it is tried again, or may be called again. */
    until: Moment.nullable(),
    changedAt: Moment,
    /** Attempts that workers may run at once right now. */
    permits: z.number().int(),
    /** Lanes whose next run needs it, counted up to 10,000. */
    lanes: z.number().int(),
  }),
)
export type System = z.infer<typeof System>

export const SystemList = named('SystemList', 'All systems', z.object({ items: z.array(System) }))

/** The flows that call a system, and the problems it has. */
export const SystemDetail = named(
  'SystemDetail',
  'A system, the flows that call it, and its unresolved problems',
  System.extend({
    flows: z.array(z.string()),
    problems: z.array(z.object({ fingerprint: z.string(), title: z.string(), code: z.string() })),
  }),
)
export type SystemDetail = z.infer<typeof SystemDetail>

/** A lane group: flows with one order per key; each of its partitions is run by one owner. */
export const Group = named(
  'Group',
  'A lane group (one partition of it): flows that share one order per key, and the worker that runs them',
  z.object({
    name: z.string(),
    /** From 0 on, of so many. */
    partition: z.number().int(),
    partitions: z.number().int(),
    /** How many there are to be: another number until all owners of the present ones have given them up. */
    wantedPartitions: z.number().int(),
    flows: z.array(z.string()),
    owner: z.string().nullable(),
    paused: z.boolean(),
    /** The lowest position of its flows, and the end of the log. */
    position: z.number().int(),
    head: z.number().int(),
    /** Rises with each change of owner. */
    epoch: z.number().int(),
    /** Events its flows have not reached; an estimate when `exact` is false. */
    pending: z.number().int().nonnegative(),
    exact: z.boolean(),
    oldestPendingAt: Moment.nullable(),
    /** Lanes held by an open run, counted up to 10,000. */
    lanes: z.number().int(),
  }),
)
export type Group = z.infer<typeof Group>

export const GroupList = named('GroupList', 'All lane groups', z.object({ items: z.array(Group) }))

const Partition = z.object({ name: z.string(), partition: z.number().int() })

/** A process of the hub. */
export const Worker = named(
  'Worker',
  'A process of the hub: live, late (its lease has run out) or dead (it ended without saying so)',
  z.object({
    id: z.string(),
    host: z.string(),
    pid: z.number().int().nullable(),
    roles: z.array(z.string()),
    state: z.enum(['live', 'late', 'dead']),
    /** It is about to end, and hands over what it owns. */
    draining: z.boolean(),
    startedAt: Moment,
    leaseUntil: Moment,
    /** When it was declared dead. */
    deadAt: Moment.nullable(),
    /** Attempts under way at its last heartbeat. */
    attempts: z.number().int().nonnegative(),
    /** The lane groups it owns, by partition. */
    groups: z.array(Partition),
    /** The flows it runs, and whether that version is the one in force. */
    flows: z.array(z.object({ flow: z.string(), version: z.number().int(), current: z.boolean() })),
    /** What it owned when it was declared dead, and who has it now. */
    left: z.array(Partition.extend({ owner: z.string().nullable() })),
  }),
)
export type Worker = z.infer<typeof Worker>

export const WorkerList = named(
  'WorkerList',
  'Processes, newest first, those that ended without saying so last',
  z.object({ items: z.array(Worker) }),
)

/** Whether a system or lane group is paused now. */
export const Paused = named(
  'Paused',
  'Whether the system or lane group is paused now',
  z.object({ name: z.string(), paused: z.boolean() }),
)
export type Paused = z.infer<typeof Paused>
