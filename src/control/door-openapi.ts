import type { Declared } from './declared.ts'
import { componentName, components, exampleOf } from './json-schema.ts'

type Json = Record<string, unknown>

/** How to publish over HTTP, as an OpenAPI 3.1 document: `POST /events`, and a path for each webhook. */
export function doorDocument({ name, types, sources }: Pick<Declared, 'name' | 'types' | 'sources'>): Json {
  return {
    openapi: '3.1.1',
    info: {
      title: `${name}: publishing events`,
      version: '1.0.0',
      description: 'CloudEvents 1.0 over HTTP. 202 means that the event is committed.',
    },
    servers: [{ url: '/' }],
    security: [{ key: [] }],
    paths: {
      '/events': { post: publish(types) },
      ...Object.fromEntries(
        sources
          .filter(({ kind }) => kind === 'webhook')
          .map(({ name: source, address }) => [address, { post: webhook(source) }]),
      ),
    },
    components: {
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'An API key with the scope publish' },
      },
      schemas: { ...envelopes(types), ...components(types), accepted, problem },
    },
  }
}

const accepted = {
  type: 'object',
  required: ['id', 'seq', 'duplicate'],
  properties: {
    id: { type: 'string' },
    seq: { type: 'integer', description: 'Its place in the log' },
    duplicate: { type: 'boolean', description: 'It had been accepted before' },
  },
}
const problem = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string' },
    errors: {
      type: 'array',
      items: { type: 'object', properties: { pointer: { type: 'string' }, message: { type: 'string' } } },
    },
  },
}

const envelopeOf = (type: string) => `${componentName(type)}.event`

function envelopes(types: Declared['types']): Json {
  return Object.fromEntries(
    types.map(({ type }) => [
      envelopeOf(type),
      {
        type: 'object',
        required: ['specversion', 'id', 'source', 'type', 'data'],
        properties: {
          specversion: { const: '1.0' },
          id: { type: 'string', maxLength: 255 },
          source: { type: 'string', maxLength: 255 },
          type: { const: type },
          subject: { type: 'string', maxLength: 255 },
          time: { type: 'string', format: 'date-time' },
          data: { $ref: `#/components/schemas/${componentName(type)}` },
        },
      },
    ]),
  )
}

function publish(types: Declared['types']): Json {
  const one =
    types.length === 0
      ? { type: 'object' }
      : { oneOf: types.map(({ type }) => ({ $ref: `#/components/schemas/${envelopeOf(type)}` })) }
  const examples = Object.fromEntries(
    types.map(({ type, schema }) => [
      componentName(type),
      { value: { specversion: '1.0', id: '1', source: 'urn:example', type, data: exampleOf(schema) } },
    ]),
  )
  return {
    operationId: 'publish',
    summary: 'Publish an event, or several as a batch',
    requestBody: {
      required: true,
      content: {
        'application/cloudevents+json': { schema: one, ...(types.length > 0 && { examples }) },
        'application/cloudevents-batch+json': { schema: { type: 'array', items: one } },
      },
    },
    responses: answers({ oneOf: [{ $ref: '#/components/schemas/accepted' }, { type: 'array', items: {} }] }),
  }
}

function webhook(source: string): Json {
  return {
    operationId: `in.${componentName(source)}`,
    summary: `Webhooks of ${source}, signed as its sender signs them`,
    security: [],
    requestBody: { required: true, content: { 'application/json': { schema: {} } } },
    responses: answers({ $ref: '#/components/schemas/accepted' }),
  }
}

function answers(schema: Json): Json {
  return {
    202: { description: 'Committed', content: { 'application/json': { schema } } },
    default: {
      description: 'Refused, and why (RFC 9457)',
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/problem' } } },
    },
  }
}
