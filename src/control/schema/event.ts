import { z } from 'zod'
import { Limit, Moment, named, pageOf, RunStateSchema, Sentence, Seq, SeqText } from './common.ts'

/** An event without its data, and what became of it in each flow that subscribes to it. */
export const EventSummary = named(
  'EventSummary',
  'An event in the log, without its data',
  z.object({
    seq: Seq,
    source: z.string(),
    id: z.string(),
    type: z.string(),
    key: z.string().nullable(),
    subject: z.string().nullable(),
    time: z.string().nullable(),
    receivedAt: Moment,
    bytes: z.number().int(),
    runs: z.array(z.object({ flow: z.string(), generation: z.number().int(), state: RunStateSchema })),
  }),
)
export type EventSummary = z.infer<typeof EventSummary>

/** What one flow made of an event. */
export const EventRun = named(
  'EventRun',
  'What one flow made of an event, and why it is where it is',
  z.object({
    flow: z.string(),
    generation: z.number().int(),
    state: RunStateSchema,
    why: Sentence,
    until: Moment.nullable(),
  }),
)
export type EventRun = z.infer<typeof EventRun>

/** An event whole. */
export const EventDetail = named(
  'EventDetail',
  'An event with its data and all its attributes',
  EventSummary.omit({ runs: true }).extend({
    /** The data; numbers keep every digit they came with. */
    data: z.unknown(),
    dataschema: z.string().nullable(),
    datacontenttype: z.string().nullable(),
    extensions: z.record(z.string(), z.string()),
    runs: z.array(EventRun),
  }),
)
export type EventDetail = z.infer<typeof EventDetail>

/** Which events to list; newest first. `before` is also how paging goes on: give it the page's `next`. */
export const EventsQuery = z.object({
  key: z.string().max(255).optional(),
  type: z.string().max(255).optional(),
  source: z.string().max(255).optional(),
  id: z.string().max(255).optional(),
  /** Events of which a flow made this. */
  state: RunStateSchema.exclude(['pending']).optional(),
  /** Accepted at or after, and before. */
  from: Moment.optional(),
  to: Moment.optional(),
  after: SeqText.optional(),
  before: SeqText.optional(),
  limit: Limit,
})
export type EventsQuery = z.output<typeof EventsQuery>

export const EventPage = named(
  'EventPage',
  'One page of events, newest first, and how far the log was looked through for it',
  pageOf(EventSummary).extend({
    /** The page is not full, since only so many events were looked through: those from here on. null: all that fit are told. */
    looked: z.object({ from: Seq, since: Moment }).nullable(),
  }),
)
export type EventPage = z.infer<typeof EventPage>
