import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../define/config.ts'
import { BusbarError } from '../errors.ts'
import type { Appended, NewEvent } from '../journal/port.ts'
import { acceptBatch, batchOutcome } from './batch.ts'
import { batchedEvents, binaryEvent, modeOf, structuredEvent } from './cloudevents.ts'
import type { DoorTracer, RequestTraces } from './door-tracer.ts'
import { requestTraces } from './door-tracer.ts'
import type { EventInput } from './event-input.ts'
import { acceptEvent } from './event-input.ts'
import { conflictOf, EventRefused } from './faults.ts'
import type { Authenticate } from './principal.ts'
import { permitted } from './principal.ts'
import { asBusbarError, sendProblem } from './problem.ts'
import type { Refusal } from './refusals.ts'
import { RateLimiter } from './rate-limiter.ts'
import { acceptWebhook, verifyWebhook } from './webhook.ts'

/** Hears what came in, by source: `/events`, or the name of a webhook. */
export interface DoorObserver {
  accepted(count: number, duplicates: number): void
  refused(code: string): void
  door(source: string): DoorOfSource
}

interface DoorOfSource {
  taken(outcome: 'stored' | 'duplicate' | 'ignored' | 'refused', count?: number): void
}

/** What the door needs. */
export interface IngressDeps {
  readonly config: Config
  readonly append: (event: NewEvent) => Promise<Appended>
  /** The events of one request, all or none taken; what became of each. */
  readonly appendAll: (events: readonly NewEvent[]) => Promise<readonly PromiseSettledResult<Appended>[]>
  /** Absent: everybody may publish (a development hub on loopback, or `http.unauthenticated`). */
  readonly authenticate?: Authenticate
  readonly observe: DoorObserver
  /** Absent where nothing is traced. */
  readonly tracer?: DoorTracer
  readonly onRefusedSignature?: (source: string, why: string) => void
  /** Hears of every refusal, what nobody raised on purpose included. Must not throw. */
  readonly onRefused?: (refusal: Refusal) => void
  /** Hears of what nobody raised on purpose (500). */
  readonly onError?: (error: unknown) => void
}

/** Serves `POST /events` (CloudEvents 1.0, structured, binary, batched) and `POST /in/<source>` (signed webhooks). 202 means committed. */
export function registerIngress(app: FastifyInstance, deps: IngressDeps): void {
  const { config } = deps
  const limiter = config.http.rateLimit && new RateLimiter(config.http.rateLimit.perSecond)
  const events = deps.observe.door('/events')
  const sources = new Map(
    config.sources.flatMap((source) =>
      source.kind === 'webhook'
        ? [[source.name, { source, door: deps.observe.door(source.name) }] as const]
        : [],
    ),
  )
  const traces = requestTraces(deps.tracer)
  const atEvents = { ...deps, door: events, traces }
  const doorOf = ({ url, params }: FastifyRequest) =>
    url.startsWith('/in/') ? sources.get((params as { '*': string })['*'])?.door : events
  void app.register(async (door) => {
    door.removeAllContentTypeParsers()
    door.addContentTypeParser(
      '*',
      { parseAs: 'buffer', bodyLimit: config.http.maxBodyBytes },
      (_request, body, done) => done(null, body),
    )

    const reasons = new WeakMap<FastifyRequest, string>()
    door.setErrorHandler((error, request, reply) => {
      const expected = asBusbarError(error)
      const isExpected = expected instanceof BusbarError
      const code = isExpected ? expected.code : 'internal'
      const why = reasons.get(request)
      const refused = { door: doorNameOf(request), error: expected, body: bodyOf(request) }
      deps.onRefused?.(why === undefined ? refused : { ...refused, why })
      deps.observe.refused(code)
      traces.refused(request, code)
      if (isExpected && !passing.has(expected.code)) doorOf(request)?.taken('refused')
      if (!isExpected) deps.onError?.(error)
      return sendProblem(reply, expected)
    })

    if (deps.tracer)
      door.addHook('onResponse', async (request, reply) => traces.answered(request, reply.statusCode))

    // Answers the body: a reply that is answered by a promise is waited for, to its last byte.
    const route = (path: string, work: (request: FastifyRequest, reply: FastifyReply) => Promise<string>) =>
      door.post(path, async (request, reply) => {
        checkRequest(request)
        reply.code(202).type('application/json')
        return work(request, reply)
      })

    route('/events', async (request, reply) => {
      const principal = deps.authenticate && (await permitted(request.headers, deps.authenticate, 'publish'))
      limit(limiter, `key ${principal?.id ?? request.ip}`)
      return publish(atEvents, request, reply)
    })

    // Names of sources may have slashes.
    route('/in/*', async (request, reply) => {
      const known = sources.get((request.params as { '*': string })['*'])
      if (!known) throw new BusbarError('request.not-found', 'there is no such source')
      const { source, door } = known
      const incoming = { headers: request.headers, raw: bodyOf(request), now: Date.now() }
      verifyWebhook(source, incoming, (name, why) => {
        reasons.set(request, `the signature does not verify: ${why}`)
        deps.onRefusedSignature?.(name, why)
      })
      // After the signature: a stranger cannot use up the limit of an honest sender.
      limit(limiter, `source ${source.name}`)
      const traceparent = traces.traceparent({ request, reply, route: `/in/${source.name}` })
      const event = await acceptWebhook(
        source,
        { ...incoming, headers: { ...request.headers, traceparent } },
        config,
      )
      if (!event) {
        door.taken('ignored')
        return '{"ignored":true}'
      }
      traces.stored(request, [event])
      return answer({ ...deps, door }, event, await deps.append(event))
    })
  })
}

/** Refused for now: what is sent again may be taken. */
const passing: ReadonlySet<string> = new Set(['overloaded', 'journal.unavailable', 'request.rate-limited'])

/** What a request needs to be answered, with the door that it came through. */
type AtDoor = IngressDeps & { readonly door: DoorOfSource }
type AtEvents = AtDoor & { readonly traces: RequestTraces }
/** A request for events. */
interface Asked {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly route: string
}

async function publish(deps: AtEvents, request: FastifyRequest, reply: FastifyReply): Promise<string> {
  const asked = { request, reply, route: '/events' }
  const { config } = deps
  const { maxDepth } = config.http
  const mode = modeOf(request.headers['content-type'], request.headers['ce-specversion'] !== undefined)
  const body = bodyOf(request)
  switch (mode) {
    case 'structured':
      return publishOne(deps, asked, structuredEvent(body, maxDepth))
    case 'binary':
      return publishOne(deps, asked, binaryEvent(request.headers, body, maxDepth))
    case 'batched':
      return publishBatch(deps, asked, batchedEvents(body, maxDepth))
    default:
      throw new EventRefused(
        'request.unsupported-media-type',
        'send application/cloudevents+json, application/cloudevents-batch+json, or application/json with ce- headers, in UTF-8',
      )
  }
}

async function publishOne(deps: AtEvents, asked: Asked, given: EventInput): Promise<string> {
  const [input = given] = deps.traces.inTrace(asked, [given])
  const accepted = acceptEvent(input, deps.config)
  const event = accepted instanceof Promise ? await accepted : accepted
  deps.traces.stored(asked.request, [event])
  return answer(deps, event, await deps.append(event))
}

function answer(deps: AtDoor, event: NewEvent, appended: Appended): string {
  if (appended.kind === 'conflict') throw conflictOf(event, appended.seq)
  const duplicate = appended.kind === 'duplicate'
  deps.observe.accepted(duplicate ? 0 : 1, duplicate ? 1 : 0)
  deps.door.taken(duplicate ? 'duplicate' : 'stored')
  return `{"id":${JSON.stringify(event.id)},"seq":${appended.seq},"duplicate":${duplicate}}`
}

/** Checked whole before anything is stored; then an answer per item: 202, or a problem document that lists all items. */
async function publishBatch(deps: AtEvents, asked: Asked, inputs: readonly EventInput[]): Promise<string> {
  const { request } = asked
  const events = await acceptBatch(deps.config, deps.traces.inTrace(asked, inputs))
  deps.traces.stored(request, events)
  const { items, stored, duplicates, refusal } = batchOutcome(events, await deps.appendAll(events))
  deps.observe.accepted(stored, duplicates)
  if (stored > 0) deps.door.taken('stored', stored)
  if (duplicates > 0) deps.door.taken('duplicate', duplicates)
  if (refusal) throw refusal
  return JSON.stringify(items)
}

/** `events`, or the name of a source. */
function doorNameOf({ params, url }: FastifyRequest): string {
  const name = (params as { readonly '*'?: string } | undefined)?.['*']
  return name ?? (url.split('?')[0] ?? '').slice(1, 256)
}

function bodyOf(request: FastifyRequest): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
}

/** What node's HTTP parser lets through and no honest client sends. */
function checkRequest(request: FastifyRequest): void {
  const { rawHeaders, url, headers } = request.raw
  if (!url?.startsWith('/')) throw new BusbarError('request.malformed', 'the request target must be a path')
  if (rawHeaders.length > 2 * Object.keys(headers).length) checkRepeated(rawHeaders)
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity')
    throw new BusbarError('request.unsupported-media-type', 'send the body uncompressed')
}

/** Headers that say what an event is must not be said twice. */
function checkRepeated(rawHeaders: readonly string[]): void {
  const seen = new Set<string>()
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? ''
    if (name !== 'host' && name !== 'content-type' && !name.startsWith('ce-')) continue
    if (seen.has(name))
      throw new BusbarError('request.malformed', `the request has more than one ${name} header`)
    seen.add(name)
  }
}

function limit(limiter: RateLimiter | undefined, name: string): void {
  if (limiter && !limiter.take(name, performance.now()))
    throw new BusbarError('request.rate-limited', 'more requests than the limit allows')
}
