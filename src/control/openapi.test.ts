import { expect, it } from 'vitest'
import { openApiDocument } from './openapi.ts'
import type { Route } from './route.ts'
import { routes } from './route-table.ts'
import { apiSchemas } from './schema/common.ts'

interface Operation {
  readonly operationId: string
  readonly parameters: readonly { name: string; in: string; required: boolean; schema: object }[]
  readonly requestBody?: { content: Record<string, { schema: { properties?: object; required?: string[] } }> }
  readonly responses: Record<string, object>
}

const document = JSON.parse(JSON.stringify(openApiDocument())) as {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object> }
}
const all = Object.entries(routes) as [string, Route][]

it('lists every operation of the route table, with its parameters, body and answer', () => {
  for (const [id, route] of all) {
    const operation = document.paths[route.path]?.[route.method.toLowerCase()]
    expect(operation?.operationId).toBe(id)
    const names = (place: string) =>
      operation?.parameters.filter((one) => one.in === place).map((one) => one.name)
    expect(names('path')).toEqual(Object.keys(route.params.shape))
    expect(names('query')).toEqual(Object.keys(route.query.shape))
    expect(operation?.requestBody !== undefined).toBe(route.method === 'POST')
    expect(operation?.responses['200']).toMatchObject({
      content: {
        'application/json': { schema: { $ref: `#/components/schemas/${apiSchemas.get(route.answer)?.id}` } },
      },
    })
  }
  const count = Object.values(document.paths).reduce((sum, path) => sum + Object.keys(path).length, 0)
  expect(count).toBe(all.length + 1) // and the stream
})

it('describes the stream of changes, which is beside the table', () => {
  const live = document.paths['/live']?.['get']
  expect(live?.responses['200']).toMatchObject({ content: { 'text/event-stream': {} } })
  expect(live?.parameters.map(({ name, in: place }) => [name, place])).toEqual([['last-event-id', 'header']])
})

it('asks for what must be given, and for nothing that has a default', () => {
  const skip = document.paths['/runs/{flow}/{seq}/skip']?.['post']
  expect(skip?.parameters.map(({ name, required }) => [name, required])).toEqual([
    ['flow', true],
    ['seq', true],
    ['generation', false],
  ])
  expect(skip?.requestBody?.content['application/json']?.schema.required).toEqual(['reason'])
  const retry = document.paths['/runs/{flow}/{seq}/retry']?.['post']
  expect(retry?.requestBody?.content['application/json']?.schema.required ?? []).toEqual([])
})

it('refers only to schemas that it holds', () => {
  const references = JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)
  const known = Object.keys(document.components.schemas).map((id) => `#/components/schemas/${id}`)
  expect([...references].map(([, to]) => to).filter((to) => !known.includes(to ?? ''))).toEqual([])
})

it('params, query and body of an operation share no name, so that one object can hold them', () => {
  for (const [, { path, params, query, body }] of all) {
    const names = [params, query, body].flatMap((schema) => Object.keys(schema.shape))
    expect(new Set(names).size, path).toBe(names.length)
    expect([...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])).toEqual(Object.keys(params.shape))
  }
})
