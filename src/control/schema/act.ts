import { z } from 'zod'
import { named, Reason, RunStateSchema, Seq, SeqText } from './common.ts'
import { RunRef, RunsQuery, stepActs } from './run.ts'

/** Names a run in a path. */
export const RunPath = z.object({ flow: z.string().min(1).max(80), seq: SeqText })

/** A run that was replayed has generations; 0 is the first. */
export const GenerationQuery = z.object({
  generation: z.coerce.number<number>().int().min(0).max(32_767).default(0),
})

/** Names a thing in a path. */
export const NamePath = z.object({ name: z.string().min(1).max(80) })

/** A reason that may be left out. */
export const Because = z.object({ reason: Reason.optional() })

/** A retry: the same run with the same idempotency keys. */
export const RetryBody = Because.extend({
  /** Retry although the effect may have happened and cannot be looked up. */
  mayDouble: z.boolean().default(false),
})

/** A skip needs a reason: it ends a run for good. */
export const SkipBody = z.object({ reason: Reason })

/** Names a step of a run in a path. */
export const StepPath = RunPath.extend({ step: z.string().min(1).max(80) })

/** Other data for one step of a run, in the place of the event's. */
export const EditBody = Because.extend({ data: z.unknown() })

/** What a step gave, as a person knows it. */
export const SupplyBody = SkipBody.extend({ result: z.unknown() })

/** Why a person approves, if there is something to say. */
export const ApproveBody = z.object({ note: Reason.optional() })

/** What an act on a step did. */
export const StepActResult = named(
  'StepActResult',
  'What an act on a step did; `state` is that of its run',
  RunRef.extend({
    step: z.string(),
    act: z.enum(stepActs),
    state: RunStateSchema,
  }),
)
export type StepActResult = z.infer<typeof StepActResult>

/** Which parked or retrying runs to retry, at most how many; `cursor` goes on where an earlier call stopped. */
export const BulkRetryBody = RunsQuery.omit({ state: true, limit: true }).extend({
  state: z.enum(['parked', 'retrying']).default('parked'),
  limit: z.number().int().min(1).max(2_000).default(1_000),
  reason: Reason.optional(),
  /** Only count. */
  dryRun: z.boolean().default(false),
})
export type BulkRetryBody = z.output<typeof BulkRetryBody>

/** What a removal of a flow did. */
export const RemovedFlow = named(
  'RemovedFlow',
  'A flow for which no event waits any more',
  z.object({ name: z.string(), removed: z.literal(true) }),
)
export type RemovedFlow = z.infer<typeof RemovedFlow>

/** What a retry of many runs did. */
export const BulkResult = named(
  'BulkResult',
  'What a retry of many runs did: how many the filter found, how many were retried, and the first of those that were not',
  z.object({
    matched: Seq,
    retried: Seq,
    /** Their state changed meanwhile. */
    refused: z.array(z.string()),
    /** Give it as `cursor` to go on; null: all were seen. */
    next: z.string().nullable(),
  }),
)
export type BulkResult = z.infer<typeof BulkResult>
