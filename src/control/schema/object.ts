import { z } from 'zod'
import { Limit, Moment, named, pageOf, RunStateSchema, Sentence, Seq, SeqText } from './common.ts'
import { Link, LinkConflict } from './link.ts'
import { RunRef, StepStateSchema } from './run.ts'

const Count = z.number().int().nonnegative()

/** How an object stands: its worst open run; `overdue`: what must follow has not come; `done`: nothing is open. */
export const objectStates = [
  'parked',
  'retrying',
  'running',
  'waiting',
  'pending',
  'overdue',
  'done',
] as const
export const ObjectState = z.enum(objectStates)

/** Names an object by its business key. */
export const ObjectPath = z.object({ key: z.string().min(1).max(255) })

/** Names an object by the id that it has in a system. */
export const ExternalIdQuery = z.object({
  system: z.string().min(1).max(255),
  external: z.string().min(1).max(255),
})

/** Which objects to list: the last seen first, or by key where it begins with `prefix`. */
export const ObjectsQuery = z.object({
  prefix: z.string().max(255).optional(),
  /** Only those with an open run in this state; `open`: in any. */
  state: z.enum(['open', 'parked', 'retrying', 'waiting']).optional(),
  cursor: z.string().max(400).optional(),
  limit: Limit,
})
export type ObjectsQuery = z.output<typeof ObjectsQuery>

/** An object in a list. */
export const ObjectSummary = named(
  'ObjectSummary',
  'A business object, known by its key: how it stands and what came last about it',
  z.object({
    key: z.string(),
    state: ObjectState,
    /** Open runs, counted up to 100 in each lane group. */
    open: Count,
    /** The newest event about it. */
    seq: Seq,
    type: z.string(),
    source: z.string(),
    lastSeen: Moment,
  }),
)
export type ObjectSummary = z.infer<typeof ObjectSummary>

export const ObjectPage = named(
  'ObjectPage',
  'One page of objects; it may hold fewer than asked, even none, and still have a next',
  pageOf(ObjectSummary),
)
export type ObjectPage = z.infer<typeof ObjectPage>

/** Which part of an object's story to tell: newest events first; `before` goes on with older ones. */
export const StoryQuery = z.object({
  before: SeqText.optional(),
  limit: z.coerce.number<number>().int().min(1).max(50).default(20),
})
export type StoryQuery = z.output<typeof StoryQuery>

const Entry = z.object({
  at: Moment,
  /** The system it happened in; of an event, where it came from. */
  system: z.string().nullable(),
  /** The run that it belongs to. */
  run: RunRef.nullable(),
  step: z.string().nullable(),
})

/** One thing that happened to an object. */
export const StoryEntry = named(
  'StoryEntry',
  'One thing that happened to an object: an event, an attempt that failed, a step that came to an end, a run that waits or has ended, an act of a person',
  z.discriminatedUnion('kind', [
    Entry.extend({
      kind: z.literal('event'),
      seq: Seq,
      type: z.string(),
      source: z.string(),
      id: z.string(),
      /** Its own key, where that is an external id of the object. */
      key: z.string(),
      /** The write of ours that it only tells of. */
      echoOf: RunRef.extend({ step: z.string(), system: z.string() }).nullable(),
    }),
    Entry.extend({
      kind: z.literal('attempt'),
      number: z.number().int(),
      /** `send`, `find`, `verify`, `undo`. */
      phase: z.string(),
      outcome: z.string(),
      ms: Count,
      status: z.number().int().nullable(),
      code: z.string().nullable(),
      message: z.string().nullable(),
      /** Nobody tries it again by itself: a person is needed. */
      final: z.boolean(),
    }),
    Entry.extend({
      kind: z.literal('step'),
      state: StepStateSchema,
      attempts: Count,
      ms: Count.nullable(),
      status: z.number().int().nullable(),
      reason: z.string().nullable(),
      /** The ids that it gave, in its system. */
      ids: z.array(z.object({ kind: z.string(), id: z.string(), external: z.string() })),
    }),
    Entry.extend({
      kind: z.literal('run'),
      state: RunStateSchema,
      why: Sentence,
      until: Moment.nullable(),
    }),
    Entry.extend({
      kind: z.literal('act'),
      actor: z.string(),
      verb: z.string(),
      /** What was acted on, as the audit trail names it. */
      object: z.string(),
      reason: z.string().nullable(),
    }),
  ]),
)
export type StoryEntry = z.infer<typeof StoryEntry>

/** A run of an object that is not over. */
export const OpenRun = named(
  'OpenRun',
  'A run of an object that is not over: where it is, why, and until when',
  RunRef.extend({
    state: RunStateSchema,
    system: z.string().nullable(),
    step: z.string().nullable(),
    problem: z.string().nullable(),
    why: Sentence,
    until: Moment.nullable(),
  }),
)
export type OpenRun = z.infer<typeof OpenRun>

/** What must follow an event of an object and has not come. */
export const ExpectedEvent = named(
  'ExpectedEvent',
  'An event that must follow one about this object and has not come yet',
  z.object({
    name: z.string(),
    expected: z.string(),
    after: z.string(),
    seq: Seq,
    state: z.enum(['open', 'overdue']),
    openedAt: Moment,
    dueAt: Moment,
    problem: z.string().nullable(),
  }),
)
export type ExpectedEvent = z.infer<typeof ExpectedEvent>

/** How far an object has come in the flow that says most about it. */
export const Journey = named(
  'Journey',
  'The steps of the run that says most about an object: the one it is stuck in, or the longest of the newest ones',
  RunRef.extend({
    state: RunStateSchema,
    /** The event that began it. */
    type: z.string(),
    source: z.string(),
    receivedAt: Moment,
    steps: z.array(
      z.object({
        name: z.string(),
        kind: z.string(),
        after: z.array(z.string()),
        system: z.string().nullable(),
        state: StepStateSchema,
        endedAt: Moment.nullable(),
        /** Of the object, in the step's system. */
        external: z.string().nullable(),
      }),
    ),
  }),
)
export type Journey = z.infer<typeof Journey>

/** An object's whole story. */
export const ObjectDetail = named(
  'ObjectDetail',
  'A business object: where it is stuck and why, or that all is done; its ids, what it waits for, and what happened to it',
  z.object({
    key: z.string(),
    /** What it is (`order`), as cross-references call it; null where none does. */
    kind: z.string().nullable(),
    state: ObjectState,
    verdict: Sentence,
    /** Until when it stays so, if that is known. */
    until: Moment.nullable(),
    /** Events about it, counted up to 1,000. */
    events: Count,
    firstAt: Moment.nullable(),
    lastAt: Moment.nullable(),
    links: z.array(Link),
    conflicts: z.array(LinkConflict),
    open: z.array(OpenRun),
    expected: z.array(ExpectedEvent),
    journey: Journey.nullable(),
    /** Where things happened, in the order in which they came in. */
    systems: z.array(z.string()),
    /** In time order. All that belongs to one page of its events; the newest page holds acts on its problems, too. */
    story: z.array(StoryEntry),
    /** Give it as `before` to go on with what is older. */
    next: z.string().nullable(),
    nowAt: Moment,
  }),
)
export type ObjectDetail = z.infer<typeof ObjectDetail>
