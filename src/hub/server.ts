import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { TransportInUse } from '../control/queries/transport.ts'
import { registerTransportSecurity } from '../access/transport-security.ts'
import { registerConsole } from '../console/serve.ts'
import { controlServerOptions, registerControl } from '../control/routes.ts'
import type { Config } from '../define/config.ts'
import type { Role } from '../define/roles.ts'
import { BusbarError } from '../errors.ts'
import type { Appender } from '../ingress/appender.ts'
import { registerIngress } from '../ingress/http.ts'
import type { Refusals } from '../ingress/refusals.ts'
import { problemOptions, registerProblems } from '../ingress/problem.ts'
import type { Authenticate } from '../ingress/principal.ts'
import type { Database } from '../journal/database.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { declaredBy } from './declared.ts'
import { flowCode } from './flow-code.ts'
import { guardLoopback, isLoopback } from './loopback-guard.ts'
import type { Session } from './session.ts'
import type { HubTracer } from './tracer.ts'

/** What the server serves. */
export interface ServerParts {
  readonly config: Config
  readonly session: Session
  readonly appender: Appender
  readonly metrics: Metrics
  /** Absent where nothing is traced. */
  readonly tracer?: HubTracer | undefined
  readonly log: Log
  /** For the control API. */
  readonly database: Database
  /** Absent: no API keys are asked for. */
  readonly authenticate: Authenticate | undefined
  /** For the control API, too. */
  readonly transport: TransportInUse
  /** `ingress`: `POST /events` and `POST /in/<source>`; `console`: the control API. */
  readonly roles: ReadonlySet<Role>
  readonly stopping: () => boolean
  /** Keeps what ingress refused. */
  readonly refusals: Refusals
}

const readyTimeoutMs = 2_000

/**
 * The HTTP server of a hub, not yet listening: ingress and control API where its roles say so, metrics, health. While the
 * hub stops, each answer closes its connection: the next request of that client goes elsewhere, instead of into a
 * connection that is being closed.
 */
export function createServer(parts: ServerParts): FastifyInstance {
  const { config, appender, metrics, log, authenticate } = parts
  const app = Fastify({
    ...problemOptions,
    ...controlServerOptions,
    logger: false,
    bodyLimit: config.http.maxBodyBytes,
    forceCloseConnections: 'idle',
    return503OnClosing: false, // a request that has arrived is answered
    requestTimeout: 30_000,
    keepAliveTimeout: 65_000,
    trustProxy: config.http.trustProxy.length > 0 ? [...config.http.trustProxy] : false,
  })
  registerProblems(app, { onError: (error) => log.error({ err: error }, 'a request failed') })
  if (!authenticate && isLoopback(config.http.host)) guardLoopback(app)
  registerTransportSecurity(app, config.access)
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (parts.stopping()) reply.header('connection', 'close')
    done(null, payload)
  })
  if (parts.roles.has('ingress'))
    registerIngress(app, {
      config,
      append: (event) => appender.append(event),
      appendAll: (events) => appender.appendAll(events),
      ...(authenticate && { authenticate }),
      observe: metrics,
      ...(parts.tracer && { tracer: parts.tracer.door }),
      onRefused: (refusal) => parts.refusals.note(refusal),
      onRefusedSignature: (source, why) => log.warn({ source, why }, 'a webhook was refused'),
      onError: (error) => log.error({ err: error }, 'the door failed'),
    })
  if (parts.roles.has('console')) {
    registerConsole(app)
    registerControl(app, {
      database: () => parts.database,
      code: flowCode(config),
      nounOf: (type) => config.contracts.get(type)?.noun,
      redaction: config.redaction,
      declared: declaredBy(config, (event) => appender.append(event)),
      transport: parts.transport,
      ...(authenticate && { authenticate }),
      access: config.access,
      onRefusedSignIn: (why) => log.warn({ why }, 'a single sign-on was refused'),
      onError: (error) => log.error({ err: error }, 'the control API failed'),
    })
  }
  registerHealth(app, parts)
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()))
  return app
}

const causes: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there: end it, or set http.port',
  EACCES: 'this user may not: take a port from 1024 on, or allow it',
  EADDRNOTAVAIL: 'this machine has no such address: set http.host',
  ENOTFOUND: 'there is no such name: set http.host',
}

/** Begins to listen, and answers where, without a slash at the end. Throws `config.invalid` when the address cannot be had. */
export async function listen(server: FastifyInstance, { host, port }: Config['http']): Promise<string> {
  try {
    return await server.listen({ host, port })
  } catch (error) {
    const cause = causes[(error as NodeJS.ErrnoException).code ?? '']
    if (cause === undefined) throw error
    throw new BusbarError('config.invalid', `cannot listen at ${host}, port ${port}: ${cause}`, {
      cause: error,
    })
  }
}

/** Takes no further connection, and closes those that are idle; the others when they are answered, or after `withinMs`. */
export async function closeServer(server: FastifyInstance, withinMs: number): Promise<void> {
  const timer = setTimeout(() => server.server.closeAllConnections(), withinMs)
  try {
    await server.close()
  } finally {
    clearTimeout(timer)
  }
}

/** Live: the process serves. Ready: it has its journal and, where it runs flows, its lease; the journal answers, and it is not stopping. */
function registerHealth(app: FastifyInstance, { session, stopping }: ServerParts): void {
  app.get('/health/live', async () => ({ live: true }))
  app.get('/health/ready', async (_request, reply) => {
    const why = stopping() ? 'stopping' : session.ready ? await journalFault(session) : 'no lease'
    return reply.code(why === undefined ? 200 : 503).send({ ready: why === undefined, ...(why && { why }) })
  })
}

async function journalFault(session: Session): Promise<string | undefined> {
  const slow = Promise.withResolvers<string>()
  const timer = setTimeout(() => slow.resolve('the journal does not answer in time'), readyTimeoutMs)
  try {
    const answer = session.journal.head().then(
      () => undefined,
      () => 'the journal does not answer',
    )
    return await Promise.race([answer, slow.promise])
  } finally {
    clearTimeout(timer)
  }
}
