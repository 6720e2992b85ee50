import { z } from 'zod'
import { Because } from './act.ts'
import { Limit, Moment, named, pageOf, Reason } from './common.ts'

const Count = z.number().int().nonnegative()
const RowId = z.number().int().positive()

/** A row of the outbox that was set aside, as it stands in a list. */
export const RejectedRow = named(
  'RejectedRow',
  'An event of the outbox that cannot go into the log, and why; `data` is the beginning of its JSON text',
  z.object({
    id: RowId,
    source: z.string(),
    eventId: z.string(),
    type: z.string(),
    key: z.string().nullable(),
    publishedAt: Moment,
    rejectedAt: Moment,
    code: z.string(),
    message: z.string(),
    problem: z.string(),
    data: z.string(),
    bytes: Count,
  }),
)
export type RejectedRow = z.infer<typeof RejectedRow>

/** The outbox: what waits, and a page of what was set aside. */
export const Outbox = named(
  'Outbox',
  'The outbox: rows that wait for the relay, and one page of those that were set aside, newest first',
  z.object({
    /** An estimate, a little high, when `exact` is false (more than 10,000). */
    waiting: Count,
    exact: z.boolean(),
    oldestAt: Moment.nullable(),
    oldestMs: z.number().nullable(),
    /** Rows that are set aside, counted up to 10,000. */
    rejectedCount: Count,
    rejected: pageOf(RejectedRow),
  }),
)
export type Outbox = z.infer<typeof Outbox>

/** Which rejected rows, by event type and by error code. */
const Filter = z.object({
  type: z.string().min(1).max(255).optional(),
  code: z.string().min(1).max(80).optional(),
})

export const OutboxQuery = Filter.extend({
  /** Rows before this one: the `next` of an earlier page. */
  cursor: z.coerce.number<number>().int().positive().max(Number.MAX_SAFE_INTEGER).optional(),
  limit: Limit,
})
export type OutboxQuery = z.output<typeof OutboxQuery>

/** Names a rejected row in a path. */
export const RejectedPath = z.object({
  id: z.coerce.number<number>().int().positive().max(Number.MAX_SAFE_INTEGER),
})

/** A retry, with other data where `data` is given: JSON as text, so that every digit stays as it was written. */
export const RetryRejectedBody = Because.extend({
  data: z.string().min(1).max(60_000).refine(isJson, 'must be JSON, as text').optional(),
})

/** Which rejected rows to put back, at most how many, oldest first. */
export const RetryManyRejectedBody = Filter.extend({
  /** No row after this one: what is set aside anew meanwhile is not put back again. */
  upTo: z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).default(Number.MAX_SAFE_INTEGER),
  limit: z.number().int().min(1).max(1_000).default(1_000),
  reason: Reason.optional(),
})
export type RetryManyRejectedBody = z.output<typeof RetryManyRejectedBody>

/** What an act did to a rejected row. */
export const RejectedActed = named(
  'RejectedActed',
  'What became of a rejected row: back in the outbox, where the relay judges it again within a second, or ended',
  z.object({ id: RowId, state: z.enum(['waiting', 'discarded']) }),
)
export type RejectedActed = z.infer<typeof RejectedActed>

/** What a retry of many did. */
export const RejectedRetried = named(
  'RejectedRetried',
  'How many rejected rows are back in the outbox, where the relay judges them again',
  z.object({ retried: Count }),
)
export type RejectedRetried = z.infer<typeof RejectedRetried>

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
