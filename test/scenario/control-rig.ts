/** The control API in process, over the journal of a rig: every answer is checked against the schema that declares it. */
import Fastify from 'fastify'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { expect } from 'vitest'
import { controlServerOptions, registerControl } from '../../src/control/routes.ts'
import type { ControlDeps } from '../../src/control/routes.ts'
import { apiPrefix, routes } from '../../src/control/route-table.ts'
import type { RouteId, Routes } from '../../src/control/route-table.ts'
import type { Route, RouteAnswer, RouteInput } from '../../src/control/route.ts'
import type { Flow } from '../../src/define/flow.ts'
import { flowCode } from '../../src/hub/flow-code.ts'
import { openDatabase } from '../../src/journal/database.ts'
import type { Database } from '../../src/journal/database.ts'
import { databaseUrl, openRig } from './rig.ts'
import type { Rig } from './rig.ts'

export interface ControlRig extends Rig {
  readonly app: FastifyInstance
  readonly database: Database
  /** What failed inside and was not meant to. */
  readonly faults: unknown[]
  /** Asks for an operation of the route table; fails unless it answers 200 with what its schema says, and nothing else. */
  ask<Id extends RouteId>(id: Id, input?: RouteInput<Routes[Id]>): Promise<RouteAnswer<Routes[Id]>>
  /** Asks for what should be refused; answers the problem document. */
  refused<Id extends RouteId>(id: Id, input?: object): Promise<ProblemAnswer>
}

export interface ProblemAnswer {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly errors?: readonly { pointer: string; message: string }[]
}

export async function openControlRig(
  deps: (database: Database) => Partial<ControlDeps> = () => ({}),
): Promise<ControlRig> {
  const rig = await openRig()
  const database = openDatabase({
    url: databaseUrl,
    schema: rig.schema,
    applicationName: 'control-test',
    maxConnections: 3,
  })
  const app = Fastify(controlServerOptions)
  const faults: unknown[] = []
  let flows: readonly Flow[] = []
  registerControl(app, {
    database: () => database,
    code: (name) => flowCode({ name: 'test', redact: [], flows })(name),
    onError: (error) => faults.push(error),
    ...deps(database),
  })
  await app.ready()
  return {
    ...rig,
    async startWorker(own, options) {
      flows = own
      return rig.startWorker(own, options)
    },
    app,
    database,
    faults,
    async ask<Id extends RouteId>(id: Id, input?: RouteInput<Routes[Id]>) {
      const response = await request(app, id, input)
      expect(response.statusCode, response.body).toBe(200)
      const answer: unknown = response.json()
      expect(routes[id].answer.parse(answer)).toEqual(answer)
      return answer as RouteAnswer<Routes[Id]>
    },
    async refused(id, input = {}) {
      const response = await request(app, id, input as Record<string, unknown>)
      expect(response.headers['content-type']).toMatch('application/problem+json')
      const problem = response.json<ProblemAnswer>()
      expect(problem.status).toBe(response.statusCode)
      return problem
    },
    async close() {
      await app.close()
      await database.close()
      await rig.close()
    },
  }
}

/** The request that the route table says; fields that no part of the route knows go into the query, or into the body of an act. */
export function request(
  app: FastifyInstance,
  id: RouteId,
  input: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Promise<LightMyRequestResponse> {
  const route: Route = routes[id]
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(input[name])),
  )
  const rest = Object.entries(input).filter(
    ([name, value]) => !(name in route.params.shape) && value !== undefined,
  )
  const inQuery = (name: string) => route.method === 'GET' || name in route.query.shape
  const query = Object.fromEntries(
    rest.filter(([name]) => inQuery(name)).map(([name, value]) => [name, String(value)]),
  )
  const body = Object.fromEntries(rest.filter(([name]) => !inQuery(name)))
  return app.inject({
    method: route.method,
    url: apiPrefix + path,
    query,
    headers,
    ...(route.method === 'POST' && { payload: body }),
  })
}
