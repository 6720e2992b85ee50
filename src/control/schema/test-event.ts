import { z } from 'zod'
import { named, Reason } from './common.ts'

const Name = z.string().min(1).max(255)

/** A test event; what is left out is made up. */
export const TestEventBody = z.object({
  type: Name,
  data: z.unknown(),
  id: Name.optional(),
  source: Name.optional(),
  subject: Name.optional(),
  /** Only say whether it would be accepted. */
  dryRun: z.boolean().default(false),
  reason: Reason.optional(),
})

/** What became of it, or what would. */
export const TestEvent = named(
  'TestEvent',
  'A test event that was published, or would be accepted: its identity, key, and the flows that run on it',
  z.object({
    id: z.string(),
    source: z.string(),
    key: z.string().nullable(),
    /** Null: nothing was published. */
    seq: z.number().int().nullable(),
    duplicate: z.boolean(),
    flows: z.array(z.string()),
  }),
)
export type TestEvent = z.infer<typeof TestEvent>
