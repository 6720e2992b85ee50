import { z } from 'zod'
import { Limit, Moment, named, pageOf, Reason, RunStateSchema, Sentence, Seq, SeqText } from './common.ts'

/** How many events one replay may hold. */
export const mostReplayed = 1_000_000

const keysFault =
  '"same" sends the idempotency keys of the first time, so that a system which remembers them does nothing twice; "new" makes it do everything again: say which'

/** The states of an event's latest run that a replay may select; `none`: the flow began after the event. */
export const replayableStates = ['succeeded', 'skipped', 'superseded', 'compensated', 'none'] as const

/** What to replay, and how. Without any filter `all` must be said. */
export const ReplayBody = z.object({
  flow: z.string().min(1).max(80),
  /** Of events accepted since. */
  from: Moment.optional(),
  /** Of events accepted before. */
  to: Moment.optional(),
  key: z.string().min(1).max(255).optional(),
  types: z.array(z.string().min(1).max(255)).min(1).max(50).optional(),
  /** Of the latest run of each event. An open run is never replayed: retry it. */
  states: z
    .array(
      z.enum(replayableStates, {
        error: `one of ${replayableStates.join(', ')}: a run that is not over is not replayed but retried`,
      }),
    )
    .min(1)
    .optional(),
  all: z.boolean().default(false),
  keys: z.enum(['same', 'new'], { error: keysFault }),
  /** Runs a second at most. */
  rate: z.number().min(0.001).max(10_000).default(50),
  /** Stops when a larger share of a stage's runs has failed. */
  maxErrors: z.number().min(0).max(1).default(0.1),
  /** Sizes of the first stages; the rest is the last one. */
  ramp: z.array(z.number().int().min(1).max(1_000_000)).max(10).default([1, 10, 100]),
  /** How many runs are compared with what was sent before. */
  sample: z.number().int().min(0).max(100).default(20),
  reason: Reason,
})
export type ReplayBody = z.output<typeof ReplayBody>

/** Names a replay in a path. */
export const ReplayPath = z.object({ id: SeqText })

/** Which replays to list, newest first. */
export const ReplaysQuery = z.object({ before: SeqText.optional(), limit: Limit })
export type ReplaysQuery = z.output<typeof ReplaysQuery>

/** What became of an item of a replay. */
export const replayOutcomes = ['left', 'fed', 'held', 'succeeded', 'failed', 'ended', 'open', 'gone'] as const

/** Which items of a replay to list. */
export const ReplayItemsQuery = z.object({
  after: SeqText.default(0),
  outcome: z.enum(replayOutcomes).optional(),
  limit: Limit,
})
export type ReplayItemsQuery = z.output<typeof ReplayItemsQuery>

const Counts = z.object({
  /** Not reached yet. */
  left: Seq,
  /** Given to their lanes, and not through. */
  underWay: Seq,
  /** Of these, those that wait for a person, a time or an event. */
  held: Seq,
  succeeded: Seq,
  /** Parked, tried again, or compensated, at the time the replay looked. */
  failed: Seq,
  /** Of the failed, those that have succeeded since. */
  recovered: Seq,
  /** Skipped or superseded. */
  ended: Seq,
  /** Left out: an earlier run of the event was open, or the event is no longer kept. */
  passedOver: Seq,
})

/** A replay as planned, and how far it has come. */
export const Replay = named(
  'Replay',
  'A replay: which events, how, and how far it has come',
  z.object({
    id: Seq,
    flow: z.string(),
    state: z.enum(['planned', 'running', 'paused', 'stopped', 'cancelled', 'done']),
    why: Sentence,
    keys: z.enum(['same', 'new']),
    selection: z.record(z.string(), z.unknown()),
    rate: z.number(),
    maxErrors: z.number(),
    ramp: z.array(z.number().int()),
    stage: z.number().int(),
    stageEnd: Seq,
    total: Seq,
    counts: Counts,
    head: Seq,
    createdBy: z.string(),
    createdAt: Moment,
    reason: z.string(),
    startedAt: Moment.nullable(),
    endedAt: Moment.nullable(),
    plan: z.object({
      events: Seq,
      /** Distinct keys. */
      objects: Seq,
      firstObjects: z.array(z.string()),
      /** By state of the latest run; `none`: the flow began after the event. */
      states: z.record(z.string(), Seq),
      /** Runs of which a person had edited a step: the edit is not repeated. */
      edited: Seq,
      /** By system of the flow: how long it remembers an idempotency key, and for how many runs that time has passed. */
      keyLives: z.array(z.object({ system: z.string(), lifeMs: z.number(), passed: Seq })),
    }),
  }),
)
export type Replay = z.infer<typeof Replay>

/** A field of a request that would differ. */
export const Difference = named(
  'Difference',
  'A field of a request that would differ from what was sent: null where it is not there',
  z.object({ field: z.string(), before: z.string().nullable(), now: z.string().nullable() }),
)
export type Difference = z.infer<typeof Difference>

/** What one step would send. */
export const PreviewedStep = named(
  'PreviewedStep',
  'What one step of a run would send now, beside what it sent before',
  z.object({
    step: z.string(),
    system: z.string(),
    /**
     * `same`, `changed`; `not-recorded`: what was sent before is not known; `several`: the recorded request is a later
     * one of the step; `skipped`: its condition says no; `not-shown`: see `why`.
     */
    result: z.enum(['same', 'changed', 'not-recorded', 'several', 'skipped', 'not-shown']),
    why: z.string().nullable(),
    request: z.string().nullable(),
    recorded: z.string().nullable(),
    differences: z.array(Difference),
  }),
)
export type PreviewedStep = z.infer<typeof PreviewedStep>

const Preview = z.array(z.object({ seq: Seq, key: z.string().nullable(), steps: z.array(PreviewedStep) }))

/** A replay with a comparison of some of its runs. */
export const ReplayPlan = named(
  'ReplayPlan',
  'A planned replay, and for a sample of its runs what would be sent now beside what was sent',
  Replay.extend({ preview: Preview }),
)
export type ReplayPlan = z.infer<typeof ReplayPlan>

/** How many runs of a planned replay to compare. */
export const CompareBody = z.object({ sample: z.number().int().min(1).max(100).default(20) })

/** The comparison alone. */
export const ReplayComparison = named(
  'ReplayComparison',
  'For a sample of the runs of a planned replay, what would be sent now beside what was sent',
  z.object({ preview: Preview }),
)
export type ReplayComparison = z.infer<typeof ReplayComparison>

/** A replay with a page of its items. */
export const ReplayDetail = named(
  'ReplayDetail',
  'A replay and a page of its items, in their order',
  Replay.extend({
    items: z.array(
      z.object({
        place: Seq,
        seq: Seq,
        key: z.string().nullable(),
        outcome: z.enum(replayOutcomes),
        generation: z.number().int().nullable(),
        /** Of its new run, now. */
        state: RunStateSchema.nullable(),
        /** What its new run has failed with, if it has not succeeded since. */
        message: z.string().nullable(),
      }),
    ),
    /** Give it as `after` to go on. */
    next: z.string().nullable(),
  }),
)
export type ReplayDetail = z.infer<typeof ReplayDetail>

export const ReplayPage = named('ReplayPage', 'One page of replays, newest first', pageOf(Replay))
export type ReplayPage = z.infer<typeof ReplayPage>
