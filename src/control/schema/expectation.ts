import { z } from 'zod'
import { Limit, Moment, named, pageOf, Reason, Seq, SeqText } from './common.ts'

const Count = z.number().int().nonnegative()

/** An event that must follow another, and how that goes. */
export const Expectation = named(
  'Expectation',
  'An event that must follow another about the same object, and how that goes',
  z.object({
    name: z.string(),
    expected: z.string(),
    after: z.string(),
    /** In words: `2 h of business time`. */
    within: z.string(),
    /** Awaited and not due yet, counted up to 10,000. */
    open: Count,
    /** Due and not there, counted up to 10,000. */
    overdue: Count,
    /** When the event was accepted that the longest overdue one follows, or else the first that is due. */
    oldestAt: Moment.nullable(),
    /** When the first of those that are open is due. */
    nextDueAt: Moment.nullable(),
    /** That came in time, since it was first registered. */
    met: Count,
    /** That a person has cancelled. */
    cancelled: Count,
    /** Events whose object nobody could say: no key, or a function that failed. */
    unread: Count,
    position: Seq,
  }),
)
export type Expectation = z.infer<typeof Expectation>
export const ExpectationList = named(
  'ExpectationList',
  'The expectations in force',
  z.object({ items: z.array(Expectation) }),
)

/** What is awaited for one object. */
export const Awaited = named(
  'Awaited',
  'An event that is awaited for one object, and the event that it must follow',
  z.object({
    seq: Seq,
    key: z.string(),
    state: z.enum(['open', 'overdue']),
    openedAt: Moment,
    dueAt: Moment,
    /** Of an overdue one. */
    problem: z.string().nullable(),
  }),
)
export type Awaited = z.infer<typeof Awaited>
export const AwaitedPage = named(
  'AwaitedPage',
  'One page of what is awaited: what is overdue first, then by when it is due',
  pageOf(Awaited),
)
export type AwaitedPage = z.infer<typeof AwaitedPage>
export const AwaitedQuery = z.object({
  state: z.enum(['open', 'overdue']).optional(),
  cursor: z.string().max(100).optional(),
  limit: Limit,
})
export type AwaitedQuery = z.output<typeof AwaitedQuery>

/** Names an expectation in a path; by default its name is made of two event types. */
export const ExpectationPath = z.object({ name: z.string().min(1).max(600) })
/** Names what is awaited after an event. */
export const AwaitedPath = ExpectationPath.extend({ seq: SeqText })
/** Why it need not come. */
export const CancelBody = z.object({ reason: Reason })

/** What a cancellation did. */
export const Cancelled = named(
  'Cancelled',
  'What is not awaited any more',
  z.object({ name: z.string(), seq: Seq, key: z.string(), before: z.enum(['open', 'overdue']) }),
)
export type Cancelled = z.infer<typeof Cancelled>
