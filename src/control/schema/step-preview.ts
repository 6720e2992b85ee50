import { z } from 'zod'
import { Moment, named, Sentence } from './common.ts'
import { Difference, PreviewedStep } from './replay.ts'
import { RunRef } from './run.ts'

/** What a step would be given in the place of its event's data; left out: what it has now. */
export const PreviewBody = z.object({ data: z.unknown().optional() })

/** What a step would send if it were tried now. */
export const StepPreview = named(
  'StepPreview',
  'What a step would send if it were tried now, beside what it sent the last time, and what follows; nothing is sent',
  PreviewedStep.extend({
    run: RunRef,
    /** When the recorded request was sent. */
    sentAt: Moment.nullable(),
    /** The data that the step had, and that it would have. */
    input: z.object({ before: z.unknown(), now: z.unknown(), differences: z.array(Difference) }),
    /** The idempotency keys then and now: another one after an edit. Null: not known in this process. */
    keys: z.object({ before: z.string().nullable(), now: z.string().nullable() }),
    /** Why the act would be refused, in words; null: it is allowed as things stand. */
    refused: z.string().nullable(),
    /** What will happen, one thing after another. */
    happens: z.array(Sentence),
  }),
)
export type StepPreview = z.infer<typeof StepPreview>
