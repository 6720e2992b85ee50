import { underWayUntil } from '../define/abortable.ts'
import type { AttemptContext, ConnectOptions, System, SystemOptions } from '../define/system.ts'
import { fieldRules } from '../define/redaction.ts'
import { keepSecret } from '../define/secrets.ts'
import { defineSystem, systemSettings } from '../define/system.ts'
import { BusbarError, CallError } from '../errors.ts'
import type { AuthPort, AuthSession, HttpAuth } from './http-auth.ts'
import { noAuth } from './http-auth.ts'
import type { HttpCall, HttpTarget } from './http-call.ts'
import { httpCall } from './http-call.ts'
import type { Classify, HttpAnswer } from './http-classify.ts'
import { openPool } from './http-connect.ts'
import type { Exchange, RawRequest } from './http-exchange.ts'
import { exchange, exchangeOver } from './http-exchange.ts'

/** What `httpSystem` takes. */
export interface HttpSystemOptions extends SystemOptions {
  /** `https://erp.example.com/api`; calls stay below it. */
  readonly baseUrl: string
  /** Default: none. */
  readonly auth?: HttpAuth
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>
  /** Decides what an answer means; sees status, headers and parsed body of every one. Answer `undefined` for the default rule. */
  readonly classify?: Classify
  /** Largest answer that is read; default 4 MiB. */
  readonly maxResponseBytes?: number
  /**
   * Asked for with GET when a person tests the system, and judged like every answer: `'/health'`. Default: the base URL,
   * where every answer will do that is neither a failure of the system nor a refusal of the credentials.
   */
  readonly check?: string
}

const maxConnectTimeoutMs = 10_000
const authTimeoutMs = 30_000

/**
 * Declares a system with an HTTP API. Connections are kept alive, redirects are not followed, and only the configured
 * hosts are ever called, decided on the connected address. Each request carries `Idempotency-Key`, `traceparent` and the
 * event's attributes (`ce-id`, …). Throws `config.invalid` when `baseUrl` is not an http(s) URL without credentials.
 *
 * @example
 * export const erp = httpSystem({
 *   name: 'erp',
 *   baseUrl: env.ERP_URL,
 *   auth: clientCredentials({ tokenUrl: env.TOKEN_URL, clientId: env.ID, clientSecret: env.SECRET }),
 *   limits: { concurrency: 5, rate: { max: 600, per: '1m' } },
 * })
 */
export function httpSystem(options: HttpSystemOptions): System<HttpCall> {
  const base = baseOf(options)
  return defineSystem<HttpCall>({
    ...options,
    address: base.origin + (base.pathname === '/' ? '' : base.pathname),
    overTransport: true,
    connect: (how) => connectHttp(options, { ...how, base }),
  })
}

function connectHttp(
  options: HttpSystemOptions,
  { base, redact, transport, preview }: ConnectOptions & { readonly base: URL },
) {
  const settings = systemSettings(options)
  const rules = fieldRules(redact)
  for (const [name, value] of Object.entries(options.headers ?? {}))
    if (rules.isSecret(name)) keepSecret(value)
  const connectTimeoutMs = Math.min(maxConnectTimeoutMs, Math.max(100, settings.timeoutMs / 2))
  const pool = openPool({
    origin: base.origin,
    connections: settings.concurrency + 1,
    connectTimeoutMs,
  })
  const overPool: Exchange = (request, how) => exchange(pool, request, how)
  const own = transport ? exchangeOver(transport) : overPool
  const session = (options.auth ?? noAuth).open(
    authPort({ base, own, stubbed: transport !== undefined, connectTimeoutMs }),
  )
  const auth = preview ? onlyKnown(session) : session
  const target: HttpTarget = {
    exchange: own,
    base,
    headers: { accept: 'application/json', 'user-agent': 'busbar', ...lowerCased(options.headers ?? {}) },
    auth,
    classify: options.classify,
    maxResponseBytes: options.maxResponseBytes ?? 4 * 1_048_576,
    rules,
  }
  let closed: Promise<void> | undefined
  return {
    open: (attempt: AttemptContext) => httpCall(target, attempt),
    check: (attempt: AttemptContext) => checkHttp(httpCall(target, attempt), options.check),
    credentials: () => ({ kind: options.auth?.kind ?? 'none', ...session.age?.() }),
    close: () =>
      (closed ??= (async () => {
        await auth.end?.().catch(() => undefined) // a courtesy: the session ends by itself, too
        await pool.destroy()
      })()),
  }
}

/** Without a path of its own an answer is enough, whatever it thinks of the base URL. */
async function checkHttp(call: HttpCall, path: string | undefined): Promise<void> {
  try {
    await call.get(path ?? '/')
  } catch (error) {
    const answered = error instanceof CallError && error.status !== undefined && error.status < 500
    const fine = answered && error.class !== 'credential' && error.class !== 'throttled'
    if (path !== undefined || !fine) throw error
  }
}

/** The credentials that need not be fetched, for requests that are only shown. */
function onlyKnown(session: AuthSession): AuthSession {
  const headers = async () => {
    try {
      return await session.headers()
    } catch {
      return {} // they would have to be fetched, and nothing is sent
    }
  }
  return { headers }
}

/** Requests of the authentication itself: over the system's own connections, or over one of their own to another host. */
function authPort(options: {
  base: URL
  own: Exchange
  stubbed: boolean
  connectTimeoutMs: number
}): AuthPort {
  const { base, connectTimeoutMs } = options
  return {
    now: () => performance.now(),
    async send({ method, url, headers, body }) {
      const target = /^https?:/i.test(url)
        ? new URL(url)
        : new URL(`${base.origin}${base.pathname.replace(/\/$/, '')}/${url.replace(/^\//, '')}`)
      const elsewhere = !options.stubbed && target.origin !== base.origin
      const pool = elsewhere
        ? openPool({ origin: target.origin, connections: 1, connectTimeoutMs })
        : undefined
      const send: Exchange = pool ? (outgoing, how) => exchange(pool, outgoing, how) : options.own
      const request: RawRequest = {
        method,
        path: target.pathname + target.search,
        headers: { accept: 'application/json', 'user-agent': 'busbar', ...headers },
        body,
      }
      const signal = AbortSignal.timeout(authTimeoutMs)
      try {
        const answer = await send(request, {
          signal,
          ...underWayUntil(signal),
          maxBytes: 1_048_576,
          onSent: () => undefined,
        })
        return { method, path: target.pathname, ...answer, body: jsonOf(answer.body) } satisfies HttpAnswer
      } finally {
        await pool?.destroy()
      }
    },
  }
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return body.toString('utf8')
  }
}

function baseOf({ name, baseUrl }: HttpSystemOptions): URL {
  const invalid = (why: string) =>
    new BusbarError('config.invalid', `system "${name}": baseUrl ${why}`, { details: { system: name } })
  if (!URL.canParse(baseUrl)) throw invalid(`${JSON.stringify(baseUrl)} is not a URL`)
  const base = new URL(baseUrl)
  if (base.protocol !== 'https:' && base.protocol !== 'http:') throw invalid('must be http or https')
  if (base.username || base.password)
    throw invalid('must not carry credentials; use auth: basic({ user, password })')
  if (base.search || base.hash) throw invalid('must not carry a query or fragment')
  return base
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
