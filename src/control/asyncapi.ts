import type { Declared } from './declared.ts'
import { componentName, components, exampleOf } from './json-schema.ts'

type Json = Record<string, unknown>

/**
 * The event types as an AsyncAPI 3.0 document: one channel for each, to which others send over HTTP as CloudEvents, and what
 * each flow receives.
 */
export function asyncApiDocument({ name, types }: Pick<Declared, 'name' | 'types'>, host: string): Json {
  const named = types.map((each) => ({ ...each, id: componentName(each.type) }))
  return {
    asyncapi: '3.0.0',
    info: {
      title: `${name}: events`,
      version: '1.0.0',
      description: 'Every event type that this busbar takes: who may send it, and which flows run on it.',
    },
    defaultContentType: 'application/cloudevents+json',
    servers: { door: { host, protocol: 'http', description: 'POST /events, CloudEvents 1.0' } },
    channels: Object.fromEntries(
      named.map(({ id, type }) => [
        id,
        {
          address: '/events',
          title: type,
          messages: { [id]: { $ref: `#/components/messages/${id}` } },
          bindings: { http: {} },
        },
      ]),
    ),
    operations: Object.fromEntries(named.flatMap((each) => operations(each))),
    components: {
      messages: Object.fromEntries(
        named.map(({ id, type, version, schema, redacted }) => [
          id,
          {
            name: type,
            title: type,
            summary: `Version ${version}${redacted.length === 0 ? '' : `; never shown: ${redacted.join(', ')}`}`,
            contentType: 'application/json',
            headers: { $ref: '#/components/schemas/cloudevent' },
            payload: { $ref: `#/components/schemas/${id}` },
            examples: [{ name: 'example', payload: exampleOf(schema) }],
          },
        ]),
      ),
      schemas: { cloudevent, ...components(types) },
    },
  }
}

/** CloudEvents 1.0 in the HTTP binding's binary mode. */
const cloudevent = {
  type: 'object',
  required: ['ce-specversion', 'ce-id', 'ce-source', 'ce-type'],
  properties: {
    'ce-specversion': { type: 'string', const: '1.0' },
    'ce-id': {
      type: 'string',
      description: 'With the source it is the identity: a repeat is told as a duplicate',
    },
    'ce-source': { type: 'string' },
    'ce-type': { type: 'string' },
    'ce-subject': { type: 'string' },
    'ce-time': { type: 'string', format: 'date-time' },
  },
}

function operations({
  id,
  type,
  consumers,
}: Declared['types'][number] & { readonly id: string }): [string, Json][] {
  const at = {
    channel: { $ref: `#/channels/${id}` },
    messages: [{ $ref: `#/channels/${id}/messages/${id}` }],
  }
  const takes = consumers.map(({ flow, systems }): [string, Json] => [
    `${componentName(flow)}.takes.${id}`,
    {
      action: 'receive',
      ...at,
      title: flow,
      summary: `Flow ${flow} runs on it${systems.length === 0 ? '' : ` and calls ${systems.join(', ')}`}`,
    },
  ])
  return takes.length > 0
    ? takes
    : [[`takes.${id}`, { action: 'receive', ...at, summary: `${type} is stored; no flow runs on it` }]]
}
