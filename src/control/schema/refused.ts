import { z } from 'zod'
import { Limit, Moment, named, pageOf, SeqText } from './common.ts'

/** What the door refused. */
export const Refused = named(
  'Refused',
  'An intake that was refused: where, why, and the beginning of what was sent, without what must not be shown',
  z.object({
    id: z.number().int(),
    at: Moment,
    /** `events`, or the name of a source. */
    door: z.string(),
    code: z.string(),
    why: z.string(),
    /** Of the event, as far as it could be read. */
    source: z.string().nullable(),
    type: z.string().nullable(),
    eventId: z.string().nullable(),
    faults: z.array(z.object({ pointer: z.string(), message: z.string() })),
    /** Of what was sent. */
    bytes: z.number().int(),
    sample: z.string(),
    /** How often the same was refused within the same second. */
    times: z.number().int(),
  }),
)
export type Refused = z.infer<typeof Refused>

export const RefusedQuery = z.object({
  door: z.string().max(255).optional(),
  code: z.string().max(80).optional(),
  before: SeqText.optional(),
  limit: Limit,
})
export type RefusedQuery = z.output<typeof RefusedQuery>
export const RefusedPage = named(
  'RefusedPage',
  'What was refused, newest first; the newest 10,000 are kept',
  pageOf(Refused).extend({ lastDay: z.number().int() }),
)
export type RefusedPage = z.infer<typeof RefusedPage>
