import { z } from 'zod'
import { act, defineRoute, read } from './route.ts'
import { ApiDocument, Catalog } from './schema/catalog.ts'
import { SeqText } from './schema/common.ts'
import { EventDetail, EventPage, EventsQuery } from './schema/event.ts'
import { RefusedPage, RefusedQuery } from './schema/refused.ts'
import { TestEvent, TestEventBody } from './schema/test-event.ts'

/** The operations on events, what was refused, and the event types. */
export const eventRoutes = {
  listEvents: defineRoute({
    ...read,
    path: '/events',
    tag: 'events',
    summary: 'Events, newest first, by key, type, source, outcome, time, or source and id',
    query: EventsQuery,
    answer: EventPage,
  }),
  findEvent: defineRoute({
    ...read,
    path: '/events/by-identity',
    tag: 'events',
    summary: 'The event with this source and id',
    query: z.object({ source: z.string().min(1).max(255), id: z.string().min(1).max(255) }),
    answer: EventDetail,
  }),
  listRefused: defineRoute({
    ...read,
    path: '/events/refused',
    tag: 'events',
    summary: 'What the door refused, newest first, and why',
    query: RefusedQuery,
    answer: RefusedPage,
  }),
  publishTest: defineRoute({
    ...act,
    path: '/events/test',
    tag: 'events',
    summary: 'Publish an event to try, marked by the extension attribute busbartest; or only check it',
    body: TestEventBody,
    answer: TestEvent,
  }),
  getEvent: defineRoute({
    ...read,
    path: '/events/{seq}',
    tag: 'events',
    summary: 'The event at this place in the log, with its data and what each flow made of it',
    params: z.object({ seq: SeqText }),
    answer: EventDetail,
  }),
  readCatalog: defineRoute({
    ...read,
    path: '/catalog',
    tag: 'catalog',
    summary: 'The event types: schemas, examples, who makes and takes them, volumes',
    answer: Catalog,
  }),
  asyncApi: defineRoute({
    ...read,
    path: '/catalog/asyncapi',
    tag: 'catalog',
    summary: 'The event types as an AsyncAPI 3 document',
    answer: ApiDocument,
  }),
  doorOpenApi: defineRoute({
    ...read,
    path: '/catalog/openapi',
    tag: 'catalog',
    summary: 'How to publish over HTTP, as an OpenAPI 3.1 document: POST /events and the webhooks',
    answer: ApiDocument,
  }),
} as const
