import { z } from 'zod'

/** The named schemas of the control API: what `components/schemas` of its OpenAPI document holds. */
export const apiSchemas = z.registry<{ id: string; description: string }>()

/** Names a schema in the OpenAPI document and says what it is. */
export function named<S extends z.ZodType>(id: string, description: string, schema: S): S {
  apiSchemas.add(schema, { id, description })
  return schema
}

/** A moment, RFC 3339 in UTC. */
export const Moment = z.iso.datetime({ offset: true })

/** A place in the log. */
export const Seq = z.number().int().nonnegative()

/** The same, as it stands in a path or a query. */
export const SeqText = z.coerce.number<number>().int().nonnegative().max(Number.MAX_SAFE_INTEGER)

/** Every state a run can be seen in; `pending` has no row: its flow has not come so far in the log. */
export const runStateNames = [
  'pending',
  'waiting',
  'retrying',
  'running',
  'parked',
  'succeeded',
  'skipped',
  'superseded',
  'compensated',
] as const
export const RunStateSchema = z.enum(runStateNames)
export type RunStateWord = z.infer<typeof RunStateSchema>

/** How many items a list answers with: 1 to 200, default 50. */
export const Limit = z.coerce.number<number>().int().min(1).max(200).default(50)

/** A piece of a sentence: plain words, a thing that can be opened, or a moment that the reader's own clock formats. */
export const Part = named(
  'Part',
  'A piece of a sentence: plain words, a link to a thing, or a moment for the reader to format',
  z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('text'), text: z.string() }),
    z.object({
      kind: z.literal('link'),
      to: z.enum(['event', 'run', 'object', 'system', 'group', 'flow', 'problem']),
      id: z.string(),
      text: z.string(),
    }),
    z.object({ kind: z.literal('time'), at: Moment }),
  ]),
)
export type Part = z.infer<typeof Part>

/** A sentence as its parts; joined, they read as one or more whole sentences. */
export const Sentence = z.array(Part)
export type Sentence = z.infer<typeof Sentence>

/** One page of a list, newest first. `next` asks for the page after it; null: there is nothing more. */
export function pageOf<S extends z.ZodType>(item: S) {
  return z.object({ items: z.array(item), next: z.string().nullable() })
}

/** What an act may say about itself. */
export const Reason = z.string().trim().min(1).max(500)
