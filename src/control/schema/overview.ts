import { z } from 'zod'
import { Moment, named, Sentence } from './common.ts'
import { SystemStanding } from './system.ts'
import { TransportStatus } from './transport.ts'

const Count = z.number().int().nonnegative()

/** How far a flow is behind the log. */
export const FlowStatus = named(
  'FlowStatus',
  'How far a flow is behind the log',
  z.object({
    flow: z.string(),
    group: z.string(),
    /** Events it has not reached; an estimate when `exact` is false. */
    pending: Count,
    exact: z.boolean(),
    oldestPendingAt: Moment.nullable(),
    position: z.number().int(),
  }),
)
export type FlowStatus = z.infer<typeof FlowStatus>

/** A flow as it is declared, and how far it has come. */
export const Flow = named(
  'Flow',
  'A flow as it is declared, and how far it is behind the log',
  FlowStatus.extend({
    version: z.number().int(),
    types: z.array(z.string()),
    steps: z.array(
      z.object({
        name: z.string(),
        kind: z.string(),
        after: z.array(z.string()),
        system: z.string().nullable(),
      }),
    ),
    /** Whether a live worker runs it; null: nobody lives who would say. */
    deployed: z.boolean().nullable(),
    /** Open runs that have begun steps which it no longer has, or has as something else; counted up to 1,000. */
    stranded: Count,
    /** Events up to here were never meant for it. */
    startsAfter: z.number().int(),
    /** Open runs by state, each counted up to 10,000. */
    open: z.object({ waiting: Count, retrying: Count, running: Count, parked: Count }),
  }),
)
export type Flow = z.infer<typeof Flow>
export const FlowList = named('FlowList', 'All flows', z.object({ items: z.array(Flow) }))

/** One thing that is true now: how grave it is, in words, and what a person may do about it. */
export const StatusSentence = named(
  'StatusSentence',
  'One thing that is true now: its tone (park: a person must act; retry, wait, rest: busbar takes care; ok), its words, and the act that helps',
  z.object({
    tone: z.enum(['park', 'retry', 'wait', 'rest', 'ok']),
    /** What it is about, for the sign before it. */
    about: z.enum([
      'system',
      'run',
      'flow',
      'group',
      'backlog',
      'outbox',
      'worker',
      'transport',
      'expected',
      'rest',
    ]),
    /** The standing of the system that it is about. */
    standing: SystemStanding.nullable(),
    sentence: Sentence,
    act: z
      .object({
        /** `test`: make a test call of the system; `resume`: resume the system or lane group; `open`: look at it. */
        verb: z.enum(['test', 'resume', 'open']),
        to: z.enum(['run', 'system', 'group', 'flow', 'problem']),
        id: z.string(),
        /** For a button. */
        text: z.string(),
      })
      .nullable(),
  }),
)
export type StatusSentence = z.infer<typeof StatusSentence>

/** What is true now. */
export const Status = named(
  'Status',
  'What is true now: in words, and in numbers',
  z.object({
    /** All of `sentences` as one text. */
    sentence: Sentence,
    /** First what needs a person, then what stands still, then what waits; the last one speaks of the rest. */
    sentences: z.array(StatusSentence),
    ok: z.boolean(),
    head: z.number().int(),
    flows: z.array(FlowStatus),
    /** Open runs by state, each counted up to 10,000. */
    open: z.object({ waiting: Count, retrying: Count, running: Count, parked: Count }),
    oldestPendingMs: z.number().nullable(),
    /** Expected events that are due and not there, counted up to 10,000. */
    overdue: Count,
    systems: z.array(
      z.object({ name: z.string(), standing: SystemStanding, since: Moment, until: Moment.nullable() }),
    ),
    workers: z.object({ live: Count, late: Count }),
    /** Flows that no live worker runs although something of them is left to do. */
    undeployed: z.array(z.object({ flow: z.string(), open: Count, pending: z.boolean() })),
    /** Flows with open runs that cannot go on with what is deployed. */
    stranded: z.array(z.object({ flow: z.string(), runs: Count })),
    pausedGroups: z.array(z.string()),
    transport: TransportStatus,
  }),
)
export type Status = z.infer<typeof Status>

/** What runs came to, per slice of time, flow, system and outcome. */
export const Stats = named(
  'Stats',
  'What attempts came to, in slices of equal length, by flow, system and outcome',
  z.object({
    from: Moment,
    sliceMinutes: z.number().int(),
    slices: z.array(
      z.object({
        at: Moment,
        flow: z.string(),
        system: z.string(),
        outcome: z.string(),
        count: Count,
        meanMs: z.number(),
        maxMs: Count,
      }),
    ),
  }),
)
export type Stats = z.infer<typeof Stats>
export const StatsQuery = z.object({
  minutes: z.coerce.number<number>().int().min(1).max(10_080).default(60),
  /** The end of the range; now when it is left out. */
  until: Moment.optional(),
})
export type StatsQuery = z.output<typeof StatsQuery>

/** Who did what. */
export const AuditEntry = named(
  'AuditEntry',
  'An act of a person or a token: who, what, when, why, before and after',
  z.object({
    id: z.number().int(),
    at: Moment,
    actor: z.string(),
    verb: z.string(),
    object: z.string(),
    reason: z.string().nullable(),
    before: z.unknown(),
    after: z.unknown(),
  }),
)
export type AuditEntry = z.infer<typeof AuditEntry>
