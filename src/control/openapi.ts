import { z } from 'zod'
import { liveTopics } from './live/marks.ts'
import type { Route, RouteScope } from './route.ts'
import { apiPrefix, routes } from './route-table.ts'
import { apiSchemas, named } from './schema/common.ts'

/** JSON, as far as the document needs to know. */
type Json = Record<string, unknown>

const ProblemDocument = named(
  'ProblemDocument',
  'What went wrong (RFC 9457); `code` is from the closed list of error codes',
  z.object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.string(),
    errors: z.array(z.object({ pointer: z.string(), message: z.string() })).optional(),
  }),
)

/** The OpenAPI 3.1 document of the control API, made from the route table and the named schemas. */
export function openApiDocument(): Json {
  return {
    openapi: '3.1.1',
    info: {
      title: 'busbar control API',
      version: '1',
      description: 'Where every event and run is, why it is there, and what people may do about it.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: apiPrefix }],
    security: [{ key: [] }, { session: [] }],
    tags: [...new Set(Object.values(routes).map(({ tag }) => tag))].map((name) => ({ name })),
    paths: paths(),
    components: {
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'An API key of busbar' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: 'busbar-session',
          description: 'Set by signing in (over TLS named `__Host-busbar-session`); for the console',
        },
      },
      schemas: components(),
    },
  }
}

function paths(): Json {
  const all: Record<string, Json> = { '/live': { get: live() } }
  for (const [id, route] of Object.entries(routes) as [string, Route][])
    (all[route.path] ??= {})[route.method.toLowerCase()] = operation(id, route)
  return all
}

const needs: Readonly<Record<RouteScope, string>> = {
  public: 'Needs no key.',
  self: 'Needs a session, or a key of any scope where the answer is about the caller.',
  read: 'Needs a key with the scope `read`, or a session.',
  operate: 'Needs a key with the scope `operate`, or the session of an operator.',
  admin: 'Needs a key with the scope `admin`, or the session of an admin.',
}

function operation(id: string, route: Route): Json {
  const fields = Object.keys(route.body.shape)
  return {
    operationId: id,
    tags: [route.tag],
    summary: route.summary,
    description: needs[route.scope],
    ...(route.scope === 'public' && { security: [] }),
    parameters: [...parameters(route.params, 'path'), ...parameters(route.query, 'query')],
    ...(route.method === 'POST' && {
      requestBody: {
        required: true,
        content: {
          'application/json': { schema: fields.length > 0 ? inline(route.body) : { type: 'object' } },
        },
      },
    }),
    responses: {
      200: { description: 'Done', content: { 'application/json': { schema: reference(route.answer) } } },
      default: problemAnswer(),
    },
  }
}

/** The one operation beside the table: its answer does not end. */
function live(): Json {
  return {
    operationId: 'live',
    tags: [routes.status.tag],
    summary: 'What changes, as it changes: server-sent events that name topics, not what is in them',
    description: [
      needs.read,
      'Each event `changed` has the data `{"topics":[…]}` and an id; comments come while nothing changes.',
      'The stream ends with the right to read, and when its client does not read. Answers 503 when too many watch.',
    ].join(' '),
    parameters: [
      {
        name: 'last-event-id',
        in: 'header',
        required: false,
        description: 'The id of the last event: the stream begins with what has changed since',
        schema: { type: 'string' },
      },
    ],
    responses: {
      200: { description: 'The stream', content: { 'text/event-stream': { schema: { type: 'string' } } } },
      default: problemAnswer(),
    },
    'x-topics': liveTopics,
  }
}

function problemAnswer(): Json {
  return {
    description: 'A problem document',
    content: { 'application/problem+json': { schema: reference(ProblemDocument) } },
  }
}

function parameters(schema: z.ZodObject, place: 'path' | 'query'): Json[] {
  return Object.entries(schema.shape).map(([name, field]) => {
    const needed = place === 'path' || !(field as z.ZodType).safeParse(undefined).success
    return { name, in: place, required: needed, schema: inline(field as z.ZodType) }
  })
}

function components(): Json {
  const { schemas } = z.toJSONSchema(apiSchemas, { uri: (id) => `#/components/schemas/${id}`, override })
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, bare(schema)]))
}

function reference(schema: z.ZodType): Json {
  const meta = apiSchemas.get(schema)
  return meta ? { $ref: `#/components/schemas/${meta.id}` } : inline(schema)
}

function inline(schema: z.core.$ZodType): Json {
  return bare(z.toJSONSchema(schema, { io: 'input', override }))
}

function bare(schema: object): Json {
  const { $schema: _schema, $id: _id, ...rest } = schema as Json
  return rest
}

/** A moment's format says enough; an answer may grow fields without being another API. */
function override({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodTypes; jsonSchema: Json }): void {
  if (jsonSchema['format'] === 'date-time') delete jsonSchema['pattern']
  const { def } = zodSchema._zod
  if (def.type === 'object' && !def.catchall) delete jsonSchema['additionalProperties']
}
