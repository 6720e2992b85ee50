import { z } from 'zod'
import { Limit, Moment, named, pageOf, RunStateSchema, runStateNames, Sentence, Seq } from './common.ts'
import { EventDetail } from './event.ts'
import { AuditEntry } from './overview.ts'

/** Names a run: one event handled by one flow; generation 0 unless it was replayed. */
export const RunRef = named(
  'RunRef',
  'Names a run: the flow, the seq of its event, and its generation (0 unless replayed)',
  z.object({ flow: z.string(), seq: Seq, generation: z.number().int() }),
)
export type RunRef = z.infer<typeof RunRef>

/** A run in a list. */
export const Run = named(
  'Run',
  'One event handled by one flow',
  RunRef.extend({
    state: RunStateSchema,
    group: z.string(),
    key: z.string().nullable(),
    type: z.string(),
    source: z.string(),
    eventId: z.string(),
    receivedAt: Moment,
    system: z.string().nullable(),
    /** Counted against the retry policy. */
    tries: z.number().int(),
    /** All attempts, also those that do not count. */
    attempts: z.number().int(),
    firstAt: Moment.nullable(),
    endedAt: Moment.nullable(),
    nextAt: Moment.nullable(),
    ms: z.number().int().nullable(),
    status: z.number().int().nullable(),
    code: z.string().nullable(),
    message: z.string().nullable(),
    problem: z.string().nullable(),
    reason: z.string().nullable(),
    /** Why it is where it is. */
    why: Sentence,
    /** Until when it stays so, if that is known. */
    until: Moment.nullable(),
  }),
)
export type Run = z.infer<typeof Run>

/** What a step can have come to. */
export const StepStateSchema = z.enum([
  'pending',
  'waiting',
  'retrying',
  'running',
  'failed',
  'undoing',
  'undo-failed',
  'done',
  'skipped',
  'undone',
  'kept',
])

/** What a person can do to a step, and to a run. */
export const stepActs = ['edit', 'result', 'skip', 'approve', 'refuse'] as const
export const runActs = ['retry', 'skip', 'compensate'] as const

/** A step of a run. */
export const Step = named(
  'Step',
  'One step of a run: a call to a system, or a wait',
  z.object({
    name: z.string(),
    /** `call`, `wait`, `waitFor` or `approve`. */
    kind: z.string(),
    /** The steps that must have ended before it. */
    after: z.array(z.string()),
    system: z.string().nullable(),
    state: StepStateSchema,
    tries: z.number().int(),
    attempts: z.number().int(),
    firstAt: Moment.nullable(),
    endedAt: Moment.nullable(),
    /** When it is tried again, or what it waits for is given up. */
    nextAt: Moment.nullable(),
    /** Its effect may have happened: an attempt got no answer. */
    inDoubt: z.boolean(),
    status: z.number().int().nullable(),
    code: z.string().nullable(),
    message: z.string().nullable(),
    reason: z.string().nullable(),
    result: z.unknown(),
    /** The event's data as a person has edited it for this step; null where nobody has. */
    input: z.unknown(),
    /** Sent with each try; null: this process does not have the flow's code. */
    idempotencyKey: z.string().nullable(),
    /** The trace that its requests belong to; null: not known in this process. */
    traceId: z.string().nullable(),
    /** The ids that it gave, in its system. */
    ids: z.array(z.object({ kind: z.string(), id: z.string(), external: z.string() })),
    /** What a person may do to it now. */
    acts: z.array(z.enum(stepActs)),
  }),
)
export type Step = z.infer<typeof Step>

/** One try of a step. */
export const Attempt = named(
  'Attempt',
  'One try of a step, with what was sent and answered, redacted and bounded',
  z.object({
    step: z.string(),
    number: z.number().int(),
    kind: z.string(),
    outcome: z.string(),
    at: Moment,
    ms: z.number().int(),
    status: z.number().int().nullable(),
    code: z.string().nullable(),
    message: z.string().nullable(),
    request: z.string().nullable(),
    response: z.string().nullable(),
    worker: z.string().nullable(),
  }),
)
export type Attempt = z.infer<typeof Attempt>

/** The lane of an open run. */
export const Lane = named(
  'Lane',
  'The runs of one key in one lane group, which follow each other',
  z.object({
    group: z.string(),
    key: z.string(),
    /** The first open run of the lane: the others wait behind it. */
    head: RunRef.extend({ state: RunStateSchema }).nullable(),
    /** When it is looked at again; null: not before its head has moved. */
    nextAt: Moment.nullable(),
    awaits: z.string().nullable(),
    reason: z.string().nullable(),
    /** Open runs that stand before this one, counted up to 1,000. */
    before: z.number().int(),
    /** Those that stand behind it, counted up to 1,000. */
    behind: z.number().int(),
  }),
)
export type Lane = z.infer<typeof Lane>

/** A run whole: its event, steps, attempts and lane. */
export const RunDetail = named(
  'RunDetail',
  'A run with its event, steps, attempts (the newest 200), lane, and what people did to it',
  Run.extend({
    event: EventDetail.omit({ runs: true }),
    steps: z.array(Step),
    history: z.array(Attempt),
    lane: Lane.nullable(),
    /** The event's own trace; null: each step begins one of its own. */
    traceId: z.string().nullable(),
    /** What it did is being undone. */
    compensating: z.boolean(),
    /** What a person may do to it now. */
    acts: z.array(z.enum(runActs)),
    /** What people did to it, oldest first; the newest 200. */
    audit: z.array(AuditEntry),
  }),
)
export type RunDetail = z.infer<typeof RunDetail>

/** Which runs to list: `open` stands for waiting, retrying, running and parked. */
export const RunStateFilter = z.enum(['open', ...runStateNames.filter((name) => name !== 'pending')])

/** Which runs to list; newest event first. Times are those at which the events were accepted. */
export const RunsQuery = z.object({
  flow: z.string().max(80).optional(),
  state: RunStateFilter.optional(),
  system: z.string().max(80).optional(),
  key: z.string().max(255).optional(),
  problem: z.string().max(255).optional(),
  from: Moment.optional(),
  to: Moment.optional(),
  cursor: z
    .string()
    .regex(/^\d{1,16}-\d{1,5}-\d{1,5}$/)
    .optional(),
  limit: Limit,
})
export type RunsQuery = z.output<typeof RunsQuery>

export const RunPage = named(
  'RunPage',
  'One page of runs, newest event first; a page may hold fewer than asked, even none, and still have a next',
  pageOf(Run),
)
export type RunPage = z.infer<typeof RunPage>

/** What an act on a run did. */
export const ActResult = named(
  'ActResult',
  'What an act on a run did',
  RunRef.extend({ before: RunStateSchema, after: RunStateSchema }),
)
export type ActResult = z.infer<typeof ActResult>
