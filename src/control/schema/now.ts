import { z } from 'zod'
import { Moment, named, Sentence } from './common.ts'
import { AuditEntry, StatusSentence } from './overview.ts'
import { Problem, ProblemPage } from './problem.ts'
import { System, SystemStanding } from './system.ts'

const Count = z.number().int().nonnegative()

/** A long act under way. */
export const UnderWay = z.object({
  kind: z.enum(['replay', 'bulk']),
  id: z.number().int(),
  /** What it does, in words. */
  title: Sentence,
  by: z.string(),
  state: z.enum(['running', 'paused', 'stopped']),
  done: Count,
  failed: Count,
  total: Count,
  startedAt: Moment.nullable(),
  /** About how long it still takes; null: it is not known. */
  leftMs: z.number().nullable(),
})
export type UnderWay = z.infer<typeof UnderWay>

/** Pictures of the last hours. */
export const Charts = z.object({
  from: Moment,
  until: Moment,
  sliceMinutes: z.number().int(),
  /** One for each slice, oldest first, whole minutes of UTC; the last one is not over yet. */
  slices: z.array(
    z.object({
      at: Moment,
      /** Events accepted, runs finished, runs handed to a person. */
      accepted: Count,
      finished: Count,
      parked: Count,
    }),
  ),
  /** Failed calls of each system that had any, one number for each slice. */
  failed: z.array(z.object({ system: z.string(), label: z.string(), counts: z.array(Count) })),
  /** When systems were cut off and connected again: the newest 20, oldest first. */
  marks: z.array(
    z.object({
      at: Moment,
      system: z.string(),
      label: z.string(),
      kind: z.enum(['cut-off', 'connected']),
      reason: z.string().nullable(),
    }),
  ),
})
export type Charts = z.infer<typeof Charts>

/** Everything about this moment at once. */
export const Now = named(
  'Now',
  'What is true now at a glance: sentences, systems, problems, what is under way, who did what lately, the last hours in numbers',
  z.object({
    at: Moment,
    ok: z.boolean(),
    sentences: z.array(StatusSentence),
    accepted: z.object({
      /** Events accepted a minute, over the last five. */
      perMinute: z.number().nonnegative(),
      newestAt: Moment.nullable(),
    }),
    /** What flows have not reached yet. */
    unread: z.object({ pending: Count, exact: z.boolean(), oldestAt: Moment.nullable() }),
    workers: z.object({ live: Count, late: Count }),
    systems: z.array(System),
    /** Unresolved ones, last seen first, at most 5; and how many there are of each kind. */
    problems: z.object({ items: z.array(Problem), counts: ProblemPage.shape.counts }),
    underWay: z.array(UnderWay),
    /** The newest 6 acts. */
    lately: z.array(AuditEntry),
    charts: Charts,
  }),
)
export type Now = z.infer<typeof Now>
export const NowQuery = z.object({ hours: z.coerce.number<number>().int().min(1).max(24).default(4) })

/** Events, runs and calls of the last minutes as a graph. */
export const MapOfFlows = named(
  'Map',
  'Where events come from, which flows take them, which systems they call: from the declarations and from real traffic',
  z.object({
    at: Moment,
    minutes: z.number().int(),
    /** Accepted a minute. */
    perMinute: z.number().nonnegative(),
    /** Where events of the stretch came from; of much traffic a part is looked at. */
    sources: z.array(
      z.object({
        source: z.string(),
        perMinute: z.number().nonnegative(),
        newestAt: Moment.nullable(),
        types: z.array(z.object({ type: z.string(), perMinute: z.number().nonnegative() })),
      }),
    ),
    flows: z.array(
      z.object({
        name: z.string(),
        group: z.string(),
        types: z.array(z.string()),
        /** Runs that ended. */
        perMinute: z.number().nonnegative(),
        pending: Count,
        exact: z.boolean(),
        oldestPendingAt: Moment.nullable(),
        open: z.object({ waiting: Count, retrying: Count, running: Count, parked: Count }),
        deployed: z.boolean().nullable(),
        paused: z.boolean(),
        /** What people call its objects. */
        noun: z.string(),
      }),
    ),
    systems: z.array(System),
    /** Flows call systems: attempts a minute, and whether they pass. */
    calls: z.array(
      z.object({
        flow: z.string(),
        system: z.string(),
        perMinute: z.number().nonnegative(),
        failedPerMinute: z.number().nonnegative(),
        standing: SystemStanding,
      }),
    ),
  }),
)
export type MapOfFlows = z.infer<typeof MapOfFlows>
export const MapQuery = z.object({
  minutes: z.coerce.number<number>().int().min(1).max(1_440).default(5),
})
