import { z } from 'zod'
import { Moment, named, Reason, Sentence, SeqText } from './common.ts'

/** How a system stands, in the words people see. */
export const systemStandings = ['connected', 'cut-off', 'trying', 'slowed', 'paused', 'maintenance'] as const
export const SystemStanding = z.enum(systemStandings)

const Count = z.number().int().nonnegative()

/** What waits for something: a number, and what people call the things. */
export const Waiting = z.object({
  count: Count,
  /** In the singular: `order`; `event` where no contract says another. */
  noun: z.string(),
  /** Otherwise an estimate, or there are more. */
  exact: z.boolean(),
  /** When the oldest of them was accepted; of long queues a part is looked at. */
  oldestAt: Moment.nullable(),
})
export type Waiting = z.infer<typeof Waiting>

/** How much of a limit is used: attempts at once, or calls in `perMs`. */
export const LimitUse = z.object({
  kind: z.enum(['at-once', 'rate']),
  used: Count,
  max: Count,
  perMs: Count.nullable(),
})

/** The calls of a stretch of time. */
export const CallFigures = z.object({
  calls: Count,
  /** Those that speak against the system: no answer, or a failure of its own. */
  failed: Count,
  /** Milliseconds; null: there were no calls. */
  p50: z.number().nullable(),
  p95: z.number().nullable(),
})
export type CallFigures = z.infer<typeof CallFigures>

/** What credentials it is called with, and how old they are; never the credentials. */
export const Credentials = z.object({
  kind: z.string(),
  obtainedAt: Moment.nullable(),
  expiresAt: Moment.nullable(),
})

/** What a test call came to; `outcome` is null while it is under way. */
export const SystemTest = named(
  'SystemTest',
  'A test call: what it came to, in words, too; `outcome` is null while it is under way',
  z.object({
    id: z.number().int(),
    at: Moment,
    by: z.string(),
    outcome: z.enum(['answered', 'failed', 'not-made']).nullable(),
    ms: Count.nullable(),
    status: z.number().int().nullable(),
    class: z.string().nullable(),
    /** What was sent, up to 4,000 characters, without credentials; null: not recorded, or nothing was sent. */
    request: z.string().nullable(),
    response: z.string().nullable(),
    sentence: Sentence,
  }),
)
export type SystemTest = z.infer<typeof SystemTest>

/** A time in which the system is not called. */
export const MaintenanceWindow = named(
  'MaintenanceWindow',
  'A time in which a system is not called: what needs it waits and uses up no attempts',
  z.object({
    id: z.number().int(),
    from: Moment,
    until: Moment,
    note: z.string().nullable(),
    by: z.string(),
  }),
)
export type MaintenanceWindow = z.infer<typeof MaintenanceWindow>

/** A business application that busbar calls. */
export const System = named(
  'System',
  'A business application that busbar calls, and how it stands',
  z.object({
    name: z.string(),
    /** What people call it. */
    label: z.string(),
    address: z.string(),
    standing: SystemStanding,
    /** The technical word. */
    breaker: z.enum(['closed', 'open', 'probing']),
    paused: z.boolean(),
    why: Sentence,
    /** What it does instead of answering, as far as it is known: `erp refuses connections`. */
    reason: z.string().nullable(),
    /** When it is tried again, or may be called again. */
    until: Moment.nullable(),
    changedAt: Moment,
    /** Attempts that workers may run at once right now. */
    permits: z.number().int(),
    /** Lanes whose next run needs it, counted up to 10,000. */
    lanes: z.number().int(),
    /** What waits for it, counted up to 10,000. */
    waiting: Waiting,
    /** The limit of which the largest share is used. */
    limit: LimitUse.nullable(),
    /** In the last 5 minutes; workers write every 10 s. */
    recent: CallFigures,
    /** Mean latency by hour, oldest first, for 24 hours; null where there was no call. */
    day: z.array(z.number().nullable()),
    credentials: Credentials.nullable(),
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
    /** In force, as the deployment declares them; null until a worker of this version has started. */
    rules: z
      .object({
        concurrency: Count,
        rate: z.object({ max: Count, perMs: Count }).nullable(),
        timeoutMs: Count,
        /** 0: it knows no idempotency keys. */
        keyLifeMs: Count,
        breaker: z.object({
          consecutiveFailures: Count,
          failureRatio: z.number(),
          minimumCalls: Count,
          probeDelayMs: Count,
          maxProbeDelayMs: Count,
        }),
        /** Every week, in local time of the zone; days from 0, Sunday. */
        maintenance: z.array(
          z.object({
            timeZone: z.string(),
            days: z.array(z.number().int()),
            fromMinute: Count,
            toMinute: Count,
          }),
        ),
      })
      .nullable(),
    /** Set by people: under way or ahead, soonest first. */
    maintenance: z.array(MaintenanceWindow),
    /** The newest 10. */
    tests: z.array(SystemTest),
  }),
)
export type SystemDetail = z.infer<typeof SystemDetail>

/** How a system did over time. */
export const SystemHistory = named(
  'SystemHistory',
  'How a system stood and how it answered, over time',
  z.object({
    from: Moment,
    until: Moment,
    sliceMinutes: z.number().int(),
    /** Slices without a call are left out. */
    slices: z.array(CallFigures.extend({ at: Moment })),
    /** How it stood at the beginning; null: it is not known. */
    standingBefore: z.enum(['connected', 'cut-off', 'paused']).nullable(),
    /** Newest first, at most 200. `tried`: it was called once and had not recovered. */
    changes: z.array(
      z.object({
        at: Moment,
        kind: z.enum(['cut-off', 'tried', 'connected', 'slowed', 'paused', 'resumed', 'maintenance']),
        reason: z.string().nullable(),
      }),
    ),
  }),
)
export type SystemHistory = z.infer<typeof SystemHistory>
export const SystemHistoryQuery = z.object({
  hours: z.coerce.number<number>().int().min(1).max(720).default(24),
})

/** A window that a person sets: from now unless it says when, at most 30 days long. */
export const SetMaintenanceBody = z.object({
  from: Moment.optional(),
  until: Moment,
  note: Reason.optional(),
})
export const MaintenancePath = z.object({ name: z.string().min(1).max(80), window: SeqText })
export const MaintenanceEnded = named(
  'MaintenanceEnded',
  'A maintenance window that was ended, or taken back before it began',
  z.object({ name: z.string(), window: z.number().int() }),
)

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
