import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../define/config.ts'
import { BusbarError } from '../errors.ts'
import type { Appended, NewEvent } from '../journal/port.ts'
import { batchedEvents, binaryEvent, modeOf, structuredEvent } from './cloudevents.ts'
import type { EventInput } from './event-input.ts'
import { acceptEvent } from './event-input.ts'
import { conflictOf, EventRefused } from './faults.ts'
import type { Authenticate, Principal } from './principal.ts'
import { sendProblem } from './problem.ts'
import { RateLimiter } from './rate-limiter.ts'
import { acceptWebhook } from './webhook.ts'

/** What the door needs. */
export interface IngressDeps {
  readonly config: Config
  readonly append: (event: NewEvent) => Promise<Appended>
  /** Absent: everybody may publish (a development hub on loopback, or `http.unauthenticated`). */
  readonly authenticate?: Authenticate
  readonly observe: { accepted(count: number, duplicates: number): void; refused(code: string): void }
  readonly onRefusedSignature?: (source: string, why: string) => void
}

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** Serves `POST /events` (CloudEvents 1.0, structured, binary, batched) and `POST /in/<source>` (signed webhooks). 202 means committed. */
export function registerIngress(app: FastifyInstance, deps: IngressDeps): void {
  const { config } = deps
  const limiter = config.http.rateLimit && new RateLimiter(config.http.rateLimit.perSecond)
  const sources = new Map(config.sources.map((source) => [source.name, source]))
  void app.register(async (door) => {
    door.removeAllContentTypeParsers()
    door.addContentTypeParser(
      '*',
      { parseAs: 'buffer', bodyLimit: config.http.maxBodyBytes },
      (_request, body, done) => done(null, body),
    )

    const route = (
      path: string,
      work: (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>,
    ) =>
      door.post(path, { bodyLimit: config.http.maxBodyBytes }, async (request, reply) => {
        try {
          checkRequest(request)
          return await work(request, reply)
        } catch (error) {
          deps.observe.refused(error instanceof BusbarError ? error.code : 'internal')
          if (!(error instanceof BusbarError)) request.log.error({ err: error }, 'the door failed')
          return sendProblem(reply, error)
        }
      })

    route('/events', async (request, reply) => {
      const principal = await authenticated(request, deps.authenticate)
      limit(limiter, `key ${principal?.id ?? request.ip}`)
      return publish(deps, request, reply)
    })

    route('/in/:source', async (request, reply) => {
      const source = sources.get((request.params as { source: string }).source)
      if (!source) throw new BusbarError('request.not-found', 'there is no such source')
      limit(limiter, `source ${source.name}`)
      const event = await acceptWebhook(
        source,
        { headers: request.headers, raw: bodyOf(request), now: Date.now() },
        deps,
      )
      if (!event) return reply.code(202).type('application/json').send('{"ignored":true}')
      return answer(deps, reply, event, await deps.append(event))
    })
  })
}

async function publish(
  deps: IngressDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { config } = deps
  const { maxDepth } = config.http
  const mode = modeOf(request.headers['content-type'], request.headers['ce-specversion'] !== undefined)
  const body = bodyOf(request)
  switch (mode) {
    case 'structured':
      return publishOne(deps, reply, structuredEvent(body, maxDepth))
    case 'binary':
      return publishOne(deps, reply, binaryEvent(request.headers, body, maxDepth))
    case 'batched':
      return publishBatch(deps, reply, batchedEvents(body, maxDepth))
    default:
      throw new EventRefused(
        'request.unsupported-media-type',
        'send application/cloudevents+json, application/cloudevents-batch+json, or application/json with ce- headers, in UTF-8',
      )
  }
}

async function publishOne(deps: IngressDeps, reply: FastifyReply, input: EventInput): Promise<FastifyReply> {
  const accepted = acceptEvent(input, deps.config)
  const event = accepted instanceof Promise ? await accepted : accepted
  return answer(deps, reply, event, await deps.append(event))
}

function answer(deps: IngressDeps, reply: FastifyReply, event: NewEvent, appended: Appended): FastifyReply {
  if (appended.kind === 'conflict') throw conflictOf(event, appended.seq)
  const duplicate = appended.kind === 'duplicate'
  deps.observe.accepted(duplicate ? 0 : 1, duplicate ? 1 : 0)
  return reply
    .code(202)
    .type('application/json')
    .send(`{"id":${JSON.stringify(event.id)},"seq":${appended.seq},"duplicate":${duplicate}}`)
}

/** Checked whole before anything is stored; then one append, and an answer per item. */
async function publishBatch(
  deps: IngressDeps,
  reply: FastifyReply,
  inputs: readonly EventInput[],
): Promise<FastifyReply> {
  const faults: EventRefused[] = []
  const events: NewEvent[] = []
  for (const [index, input] of inputs.entries()) {
    try {
      events.push(await acceptEvent(input, deps.config, `/${index}`))
    } catch (error) {
      if (!(error instanceof EventRefused)) throw error
      faults.push(error)
    }
  }
  const [first] = faults
  if (first)
    throw new EventRefused(
      first.code as 'event.invalid',
      first.message,
      faults.flatMap((refused) => refused.faults).slice(0, 50),
    )
  const results = await Promise.all(events.map((event) => deps.append(event)))
  const items = results.map((result, index) => itemOf(events[index] as NewEvent, result))
  const duplicates = results.filter((result) => result.kind === 'duplicate').length
  const conflicts = results.filter((result) => result.kind === 'conflict').length
  deps.observe.accepted(results.length - duplicates - conflicts, duplicates)
  return reply
    .code(conflicts > 0 ? 409 : 202)
    .type('application/json')
    .send(JSON.stringify(items))
}

function itemOf(event: NewEvent, result: Appended): unknown {
  if (result.kind === 'conflict')
    return {
      id: event.id,
      seq: result.seq,
      error: { code: 'event.conflict', message: conflictOf(event, result.seq).message },
    }
  return { id: event.id, seq: result.seq, duplicate: result.kind === 'duplicate' }
}

function bodyOf(request: FastifyRequest): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
}

/** What node's HTTP parser lets through and no honest client sends. */
function checkRequest(request: FastifyRequest): void {
  const { rawHeaders, url } = request.raw
  if (!url?.startsWith('/')) throw new BusbarError('request.malformed', 'the request target must be a path')
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2)
    if (rawHeaders[index]?.toLowerCase() === 'host') hosts++
  if (hosts > 1) throw new BusbarError('request.malformed', 'the request has more than one Host header')
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity')
    throw new BusbarError('request.unsupported-media-type', 'send the body uncompressed')
}

async function authenticated(
  request: FastifyRequest,
  authenticate: Authenticate | undefined,
): Promise<Principal | undefined> {
  if (!authenticate) return undefined
  const principal = await authenticate(keyOf(request.headers))
  if (!principal)
    throw new BusbarError('request.unauthorized', 'an API key is needed: Authorization: Bearer <key>')
  if (!principal.scopes.includes('publish'))
    throw new BusbarError('request.forbidden', 'this key may not publish events')
  return principal
}

/** The API key of a request: `Authorization: Bearer …` or `x-api-key`. */
export function keyOf(headers: Headers): string | undefined {
  const { authorization } = headers
  if (typeof authorization === 'string' && /^bearer /i.test(authorization))
    return authorization.slice(7).trim()
  const key = headers['x-api-key']
  return typeof key === 'string' ? key : undefined
}

function limit(limiter: RateLimiter | undefined, name: string): void {
  if (limiter && !limiter.take(name, performance.now()))
    throw new BusbarError('request.rate-limited', 'more requests than the limit allows')
}
