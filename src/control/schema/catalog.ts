import { z } from 'zod'
import { Moment, named } from './common.ts'

const Count = z.number().int().nonnegative()
const Document = z.record(z.string(), z.unknown())

/** An event type as it is declared, who makes it, who takes it, and how much of it there is. */
export const EventType = named(
  'EventType',
  'An event type: its schema and example, where it comes from, what it starts, and how much of it there is',
  z.object({
    type: z.string(),
    version: z.string(),
    /** JSON Schema 2020-12 of the data; null: the schema's library cannot say it. */
    schema: Document.nullable(),
    /** Made from the schema. */
    example: z.unknown(),
    /** Fields that are never shown, as paths. */
    redacted: z.array(z.string()),
    /** Whether the contract says which object an event is about. */
    keyed: z.boolean(),
    /** What brings it: declared sources that name it, and the sources of the newest events. */
    producers: z.array(z.string()),
    /** Flows that run on it, with the systems they call. */
    consumers: z.array(z.object({ flow: z.string(), systems: z.array(z.string()) })),
    /** Flows whose runs may wait for it, and expectations that tell of it. */
    awaitedBy: z.array(z.string()),
    /** How many of the newest events are of this type, and when the last one came. */
    count: Count,
    lastAt: Moment.nullable(),
    /** Events an hour, taken from the newest events. */
    perHour: z.number().nullable(),
  }),
)
export type EventType = z.infer<typeof EventType>

/** All event types. */
export const Catalog = named(
  'Catalog',
  'The event types of this hub, with volumes taken from the newest events',
  z.object({
    name: z.string(),
    items: z.array(EventType),
    /** Sources that are declared: webhooks and what is fetched. */
    sources: z.array(z.object({ name: z.string(), kind: z.string(), address: z.string() })),
    /** How many of the newest events the volumes are taken from, and since when. */
    sample: z.object({ events: Count, since: Moment.nullable() }),
  }),
)
export type Catalog = z.infer<typeof Catalog>

/** An AsyncAPI or OpenAPI document. */
export const ApiDocument = named('ApiDocument', 'An AsyncAPI 3 or OpenAPI 3.1 document', Document)
