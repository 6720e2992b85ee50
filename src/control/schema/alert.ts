import { z } from 'zod'
import { alertKinds } from '../../define/alerts.ts'
import { Limit, Moment, named, pageOf, Sentence, SeqText } from './common.ts'

/** What became of a message. */
export const alertStates = ['pending', 'sent', 'failed'] as const

/** A message to people, over one channel. */
export const AlertDelivery = named(
  'AlertDelivery',
  'A message to people over one channel, and what became of it',
  z.object({
    id: z.number().int(),
    at: Moment,
    channel: z.string(),
    /** One line: what it tells. */
    subject: z.string(),
    test: z.boolean(),
    changes: z.array(
      z.object({
        kind: z.enum(alertKinds),
        problem: z.string(),
        headline: z.string(),
        sentence: Sentence,
      }),
    ),
    state: z.enum(alertStates),
    tries: z.number().int(),
    /** When it arrived, or was given up. */
    endedAt: Moment.nullable(),
    /** Of a pending one that could not be sent yet: when it is sent again. */
    nextAt: Moment.nullable(),
    /** Why the last try failed. */
    error: z.string().nullable(),
  }),
)
export type AlertDelivery = z.infer<typeof AlertDelivery>

export const AlertDeliveriesQuery = z.object({
  channel: z.string().max(80).optional(),
  before: SeqText.optional(),
  limit: Limit,
})
export type AlertDeliveriesQuery = z.output<typeof AlertDeliveriesQuery>
export const AlertDeliveryPage = named(
  'AlertDeliveryPage',
  'One page of messages, newest first',
  pageOf(AlertDelivery),
)
export type AlertDeliveryPage = z.infer<typeof AlertDeliveryPage>

/** A way to tell people. */
export const AlertChannel = named(
  'AlertChannel',
  'A way to tell people of problems, as it is configured, without its secrets',
  z.object({
    name: z.string(),
    kind: z.string(),
    address: z.string(),
    tells: z.array(z.enum(alertKinds)),
    /** The newest message over it; null: there was none. */
    last: AlertDelivery.nullable(),
  }),
)
export type AlertChannel = z.infer<typeof AlertChannel>
export const AlertChannelList = named(
  'AlertChannelList',
  'The channels over which people are told',
  z.object({ items: z.array(AlertChannel) }),
)
export type AlertChannelList = z.infer<typeof AlertChannelList>
