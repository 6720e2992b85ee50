import { strict as assert } from 'node:assert'
import type { FastifyBodyParser, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Redaction } from '../define/redaction.ts'
import { redactionOf } from '../define/redaction.ts'
import { withoutSecrets } from '../define/secrets.ts'
import { log } from '../define/transport.ts'
import { BusbarError } from '../errors.ts'
import type { Caller } from '../access/caller.ts'
import { admit, giveToken, ownUrl, takeToken } from '../access/gate.ts'
import type { AccessSettings } from '../define/access-config.ts'
import { accessSettings } from '../define/access-config.ts'
import type { Authenticate } from '../ingress/principal.ts'
import { EventRefused } from '../ingress/faults.ts'
import { sendProblem } from '../ingress/problem.ts'
import type { Database } from '../journal/database.ts'
import { checkInput } from './check-input.ts'
import { parseExactly } from './exact-json.ts'
import type { Declared } from './declared.ts'
import { handlers } from './handlers.ts'
import type { FlowCode } from './flow-code.ts'
import type { AccessDoor } from './access-handlers.ts'
import type { Call } from './handlers.ts'
import { LiveFeed } from './live/feed.ts'
import { readMarks } from './live/marks.ts'
import { serveLive } from './live/serve.ts'
import type { TransportInUse } from './queries/transport.ts'
import type { NounOf } from './queries/waiting.ts'
import { oidcPath, registerOidc } from './oidc-routes.ts'
import { openApiDocument } from './openapi.ts'
import { isShared, SharedAnswers } from './shared-answers.ts'
import type { Route } from './route.ts'
import { apiPrefix, routes } from './route-table.ts'
import type { RouteId } from './route-table.ts'
import { checkForLimited, checkWithinSystems } from './within-systems.ts'

/** What the control API needs. */
export interface ControlDeps {
  /** Asked at each request: the journal may be opened after the server. */
  readonly database: () => Database
  /** Absent: everybody may do everything, as `local` in the audit trail (a development hub on loopback). */
  readonly authenticate?: Authenticate
  /** How people sign in, where keys are asked for; default: the defaults of `access`. */
  readonly access?: AccessSettings
  /** Hears why somebody whom the provider of single sign-on knows did not come in. */
  readonly onRefusedSignIn?: (why: string) => void
  /** The code of the flows that this process has; absent: it has none. */
  readonly code?: FlowCode
  /** Default: the log itself. */
  readonly transport?: TransportInUse
  /** What people call the objects of an event type; default: they are events. */
  readonly nounOf?: NounOf
  /** What must not be shown; default: the names that are secret everywhere. */
  readonly redaction?: Redaction
  /** What the configuration of this process declares; absent: it has none. */
  readonly declared?: Declared
  /** Called with what failed and was not meant to; the caller of the API is told nothing of it. */
  readonly onError?: (error: unknown) => void
}

/** What a server of the control API needs: names in a path may have 600 characters, each of up to nine signs. */
export const controlServerOptions = { routerOptions: { maxParamLength: 6_000 } } as const

type Handler = (call: Call, input: Record<string, unknown>) => Promise<unknown>

/** Far above what an act may bring, 64 KiB: what is a little too much is told so in the act's own words. */
const maxBodyBytes = 256 * 1024
const onlyNames = redactionOf({ contracts: new Map(), redact: [] })

/**
 * Serves the control API below `/api/v1`, and its OpenAPI 3.1 document at `/api/v1/openapi.json` (which needs no key).
 * Every error is a problem document (RFC 9457). Acts take `application/json` only, so that no page of another site can
 * send one without asking first.
 */
export function registerControl(app: FastifyInstance, deps: ControlDeps): void {
  let document: string | undefined
  const answers = new SharedAnswers()
  void app.register(
    async (api) => {
      api.addHook('onSend', async (_request, reply) => {
        reply.header('x-content-type-options', 'nosniff')
        if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
      })
      api.removeContentTypeParser('application/json')
      api.addContentTypeParser('application/json', { parseAs: 'string' }, bodyParser(api))
      api.setErrorHandler((error: FastifyError, _request, reply) => refuse(deps, reply, error))
      api.setNotFoundHandler((_request, reply) =>
        sendProblem(reply, new BusbarError('request.not-found', 'the control API has no such operation')),
      )
      api.get('/openapi.json', async (_request, reply) =>
        json(reply, (document ??= JSON.stringify(openApiDocument()))),
      )
      registerLive(api, deps, answers)
      if (deps.authenticate) registerOidc(api, oidcDeps(deps))
      for (const [id, route] of Object.entries(routes))
        serve(api, deps, { id: id as RouteId, route, handler: handlers[id as RouteId] as Handler, answers })
    },
    { prefix: apiPrefix },
  )
}

function oidcDeps(deps: ControlDeps): Parameters<typeof registerOidc>[1] {
  const onRefused = (why: string) => deps.onRefusedSignIn?.(why)
  const onError = (error: unknown) => deps.onError?.(error)
  return { settings: deps.access ?? accessSettings(), database: deps.database, onRefused, onError }
}

/** The stream of changes; it ends before the server waits for its connections. */
function registerLive(api: FastifyInstance, deps: ControlDeps, answers: SharedAnswers): void {
  const feed = new LiveFeed({
    look: () => readMarks(deps.database()),
    onError: (error) => deps.onError?.(error),
    onChange: () => answers.forget(),
  })
  api.addHook('preClose', async () => feed.end())
  const settings = deps.access ?? accessSettings()
  serveLive(api, feed, {
    admit: async (request) => void (await admit(request, { ...deps, settings }, 'read')),
    admitEveryMs: Math.min(60_000, settings.idleMs / 4),
  })
}

function serve(
  api: FastifyInstance,
  deps: ControlDeps,
  { id, route, handler, answers }: { id: RouteId; route: Route; handler: Handler; answers: SharedAnswers },
): void {
  const callers = new WeakMap<FastifyRequest, Caller>()
  const settings = deps.access ?? accessSettings()
  api.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    bodyLimit: maxBodyBytes,
    // Before the body is read: who may not act must not make the server parse.
    onRequest: async (request) => {
      const caller = await admit(request, { ...deps, settings }, route.scope)
      checkForLimited({ caller, id, scope: route.scope })
      callers.set(request, caller)
      if (route.method === 'POST') checkContentType(request)
    },
    handler: async (request, reply) => {
      const { params, query, body } = request
      const input = checkInput(route, { params, query, body: route.method === 'POST' ? body : undefined })
      const caller = callers.get(request)
      assert(caller, 'a request reaches its handler through the gate')
      const database = deps.database()
      await checkWithinSystems(database, { caller, id, scope: route.scope, input })
      const { code, transport = log(), nounOf = () => undefined, redaction = onlyNames, declared } = deps
      const door = doorOf({ request, reply }, settings, deps.authenticate !== undefined)
      const own = { code, transport, nounOf, redaction, declared }
      const call = { database, actor: caller.id, caller, door, ...own }
      const answer = async () => JSON.stringify(await handler(call, input))
      if (isShared(id, request.headers))
        return json(reply, await answers.take(JSON.stringify([id, input, caller.scopes]), answer))
      try {
        return json(reply, await answer())
      } finally {
        if (route.method !== 'GET') answers.forget()
      }
    },
  })
}

function doorOf(
  web: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  settings: AccessSettings,
  needed: boolean,
): AccessDoor {
  const { request } = web
  const { oidc } = settings
  return {
    needed,
    oidc: oidc ? { path: oidcPath, label: oidc.label } : null,
    url: ownUrl(request, settings),
    life: settings,
    device: { address: request.ip, agent: request.headers['user-agent'] ?? '' },
    giveToken: (token) => giveToken(web, token, settings),
    takeToken: () => takeToken(web, settings),
  }
}

/** What a person gives as it is, to be stored digit by digit; all else is ours, and is read as usual. */
const given = ['data', 'result'] as const

/** JSON as the server reads it; but `data` and `result` keep the digits of numbers that a double cannot hold. */
function bodyParser(api: FastifyInstance): FastifyBodyParser<string> {
  const parse = api.getDefaultJsonParser('error', 'ignore')
  return (request, text, done) =>
    parse(request, text, (error, body: unknown) => {
      if (error || typeof body !== 'object' || body === null) return done(error, body)
      const names = given.filter((name) => Object.hasOwn(body, name))
      if (names.length === 0) return done(null, body)
      const exact = parseExactly(text) as Record<string, unknown>
      done(null, { ...body, ...Object.fromEntries(names.map((name) => [name, exact[name]])) })
    })
}

/** Written here: numbers with more digits than a double holds pass through as they came. */
function json(reply: FastifyReply, text: string): FastifyReply {
  return reply.type('application/json').header('cache-control', 'no-store').send(withoutSecrets(text))
}

function checkContentType({ headers }: FastifyRequest): void {
  if (/^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')) return
  throw new BusbarError(
    'request.unsupported-media-type',
    'send a JSON object as application/json, if only {}',
  )
}

function refuse(deps: ControlDeps, reply: FastifyReply, error: FastifyError): FastifyReply {
  const problem = expected(error)
  if (!(problem instanceof BusbarError) || problem.code === 'journal.unavailable') deps.onError?.(error)
  return sendProblem(reply, problem)
}

/** What the server and the database refuse, in the API's own words. */
function expected(error: FastifyError): unknown {
  if (error instanceof BusbarError)
    return error.code === 'event.invalid' && !(error instanceof EventRefused)
      ? new BusbarError('request.invalid', 'the database refuses a value of the request', { cause: error })
      : error
  if (error.statusCode === 413) return new BusbarError('event.too-large', 'the request body is too large')
  if (error.statusCode !== undefined && error.statusCode < 500)
    return new BusbarError('request.malformed', error.message, { cause: error })
  return error
}
