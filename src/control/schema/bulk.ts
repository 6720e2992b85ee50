import { z } from 'zod'
import { Limit, Moment, named, pageOf, Reason, RunStateSchema, Sentence, Seq, SeqText } from './common.ts'
import { RunRef } from './run.ts'
import { SystemStanding } from './system.ts'

/** How many runs one act may hold. */
export const mostInBulk = 100_000

/** What may be done to many runs at once. */
export const bulkVerbs = ['retry', 'skip', 'compensate'] as const

/** Which runs, and how carefully. Of a problem, those that are named, or by a filter: at least one of these must be said. */
export const BulkBody = z.object({
  verb: z.enum(bulkVerbs),
  problem: z.string().min(1).max(255).optional(),
  runs: z
    .array(z.object({ flow: z.string().min(1).max(80), seq: Seq, generation: z.number().int().default(0) }))
    .min(1)
    .max(1_000)
    .optional(),
  flow: z.string().min(1).max(80).optional(),
  system: z.string().min(1).max(80).optional(),
  key: z.string().min(1).max(255).optional(),
  /** Of events accepted since. */
  from: Moment.optional(),
  /** Of events accepted before. */
  to: Moment.optional(),
  states: z
    .array(z.enum(['parked', 'retrying']))
    .min(1)
    .default(['parked', 'retrying']),
  /** Sizes of the first stages; the rest is the last one. */
  ramp: z.array(z.number().int().min(1).max(mostInBulk)).max(10).default([1, 10, 100]),
  /** It stops when a larger share of a stage has failed; of the first stage, when any has. */
  maxErrors: z.number().min(0).max(1).default(0.1),
  /** Needed for all but a retry. */
  reason: Reason.optional(),
})
export type BulkBody = z.output<typeof BulkBody>

/** Names an act in a path. */
export const BulkPath = z.object({ id: SeqText })

/** Which acts to list, newest first. */
export const BulkActsQuery = z.object({
  problem: z.string().max(255).optional(),
  before: SeqText.optional(),
  limit: Limit,
})
export type BulkActsQuery = z.output<typeof BulkActsQuery>

/** What became of a run of an act. */
export const bulkOutcomes = [
  'left',
  'begun',
  'held',
  'succeeded',
  'skipped',
  'compensated',
  'failed',
  'moved',
  'unfit',
  'gone',
] as const

/** Which runs of an act to list. */
export const BulkItemsQuery = z.object({
  outcome: z.enum(bulkOutcomes).optional(),
  /** `log`: in log order; `latest`: those that were begun last first. */
  order: z.enum(['log', 'latest']).default('log'),
  after: SeqText.optional(),
  limit: Limit,
})
export type BulkItemsQuery = z.output<typeof BulkItemsQuery>

const Plan = z.object({
  runs: Seq,
  /** Distinct ones. */
  objects: Seq,
  /** The key of the first. */
  first: z.string().nullable(),
  states: z.record(z.string(), Seq),
  flows: z.record(z.string(), Seq),
  systems: z.array(
    z.object({
      system: z.string(),
      runs: Seq,
      standing: SystemStanding.nullable(),
      /** Requests a minute that its limit allows; null: none, or not known in this process. */
      perMinute: z.number().nullable(),
    }),
  ),
  /** Runs of which nobody knows whether the last request took effect. */
  inDoubt: Seq,
  /** Steps that are done, and are not sent again. */
  doneSteps: Seq,
  /** Later runs of the same objects, counted up to 10,000: they follow by themselves. */
  behind: Seq,
  /** About how long it takes, by the systems' limits and how fast they answered in the last hour; null: not known. */
  durationMs: z.number().nullable(),
  /** What is sent and what is not. */
  tells: Sentence,
})
/** What an act would do. */
export type BulkPlan = z.infer<typeof Plan>

const Stage = z.object({
  size: Seq,
  state: z.enum(['next', 'running', 'stopped', 'done']),
  /** How many of it are through, and how many of these have failed. */
  through: Seq,
  failed: Seq,
  /** How long it took; null: it is not through. */
  ms: z.number().nullable(),
  /** It stops above so many failures. */
  maxFailed: Seq,
})

/** An act on many runs, as planned, and how far it has come. */
export const BulkAct = named(
  'BulkAct',
  'An act on many runs: which, how carefully, and how far it has come',
  z.object({
    id: Seq,
    verb: z.enum(bulkVerbs),
    /** The problem whose runs were selected. */
    problem: z.object({ fingerprint: z.string(), title: z.string() }).nullable(),
    selection: z.record(z.string(), z.unknown()),
    state: z.enum(['planned', 'running', 'paused', 'stopped', 'cancelled', 'done']),
    why: Sentence,
    total: Seq,
    counts: z.object({
      left: Seq,
      underWay: Seq,
      /** Of those under way: they stand behind an earlier run of their key that needs a person or goes on later. */
      behind: Seq,
      /** Begun, and waiting for a time, an event or a decision. */
      held: Seq,
      succeeded: Seq,
      failed: Seq,
      /** Left alone because somebody else had acted on them, they had another problem, or nothing to compensate. */
      moved: Seq,
    }),
    ramp: z.array(z.number().int()),
    maxErrors: z.number(),
    stage: z.number().int(),
    stages: z.array(Stage),
    /** About how long it still takes, by how fast it was so far. */
    leftMs: z.number().nullable(),
    plan: Plan,
    createdBy: z.string(),
    createdAt: Moment,
    reason: z.string().nullable(),
    startedAt: Moment.nullable(),
    endedAt: Moment.nullable(),
  }),
)
export type BulkAct = z.infer<typeof BulkAct>

/** An act with a page of its runs. */
export const BulkDetail = named(
  'BulkDetail',
  'An act on many runs, and a page of these with what became of each',
  BulkAct.extend({
    items: z.array(
      RunRef.extend({
        place: Seq,
        key: z.string().nullable(),
        outcome: z.enum(bulkOutcomes),
        /** Of the run, now. */
        state: RunStateSchema.nullable(),
        message: z.string().nullable(),
        /** The earlier run of its key that it stands behind. */
        behind: RunRef.extend({ state: RunStateSchema }).nullable(),
        /** Of a failure: the problem that it has now. */
        problem: z.string().nullable(),
        ms: z.number().int().nullable(),
        begunAt: Moment.nullable(),
        endedAt: Moment.nullable(),
      }),
    ),
    /** Give it as `after` to go on. */
    next: z.string().nullable(),
  }),
)
export type BulkDetail = z.infer<typeof BulkDetail>

export const BulkPage = named('BulkPage', 'One page of acts on many runs, newest first', pageOf(BulkAct))
export type BulkPage = z.infer<typeof BulkPage>
