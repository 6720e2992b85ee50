import type { Duration } from '../define/duration.ts'
import { durationMs } from '../define/duration.ts'
import { leavesOf } from '../define/conceal.ts'
import { keepSecret } from '../define/secrets.ts'
import { BusbarError, CallError } from '../errors.ts'
import type { HttpAnswer } from './http-classify.ts'
import type { Held } from './one-at-a-time.ts'
import { OneAtATime } from './one-at-a-time.ts'

/** A request that an authentication makes for itself. */
export interface AuthRequest {
  readonly method: string
  /** Absolute, or a path below the system's base URL. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** What an authentication may use. */
export interface AuthPort {
  send(request: AuthRequest): Promise<HttpAnswer>
  /** Monotonic, in milliseconds. */
  now(): number
}

export type AuthHeaders = Readonly<Record<string, string>>

/** One connection's credentials in use. */
export interface AuthSession {
  /** The headers for a request; may fetch a token or log in first, one at a time. */
  headers(): AuthHeaders | Promise<AuthHeaders>
  /** The system refused these: obtains others, once for all that were refused. Absent where nothing can be renewed. */
  renew?(refused: AuthHeaders): Promise<AuthHeaders>
  /** When they were obtained and when they end, in milliseconds since 1970, as far as it is known. */
  age?(): { readonly obtainedAt?: number | undefined; readonly expiresAt?: number | undefined }
  /** Ends a session at the system, if there is one. */
  end?(): Promise<void>
}

/** How to prove who is calling. */
export interface HttpAuth {
  readonly kind: 'none' | 'basic' | 'bearer' | 'api-key' | 'session' | 'client-credentials'
  open(port: AuthPort): AuthSession
}

/** What no authentication adds. */
export const noHeaders: AuthHeaders = Object.freeze({})

/** No authentication. */
export const noAuth: HttpAuth = { kind: 'none', open: () => ({ headers: () => noHeaders }) }

function fixed(kind: HttpAuth['kind'], headers: AuthHeaders, expiresAt?: number): HttpAuth {
  return { kind, open: () => ({ headers: () => headers, age: () => ({ expiresAt }) }) }
}

/** When a JSON Web Token ends (RFC 7519 4.1.4); undefined when it does not say, or is none. */
function expiryOf(token: string): number | undefined {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      exp?: unknown
    }
    return typeof claims.exp === 'number' ? claims.exp * 1_000 : undefined
  } catch {
    return undefined // another kind of token
  }
}

function required(what: string, value: string): void {
  if (!value) throw new BusbarError('config.invalid', `${what} is empty; is an environment variable missing?`)
}

/** HTTP Basic (RFC 7617). */
export function basic(options: { readonly user: string; readonly password: string }): HttpAuth {
  required('basic({ user })', options.user)
  keepSecret(options.password)
  const credentials = Buffer.from(`${options.user}:${options.password}`).toString('base64')
  keepSecret(credentials)
  return fixed('basic', { authorization: `Basic ${credentials}` })
}

/** A bearer token that does not expire (RFC 6750). */
export function bearer(token: string): HttpAuth {
  required('bearer(token)', token)
  keepSecret(token)
  return fixed('bearer', { authorization: `Bearer ${token}` }, expiryOf(token))
}

/** A key in a header of the system's own, such as `x-api-key` (the default), or `Authorization: token …` with `prefix`. */
export function apiKey(options: {
  readonly key: string
  readonly header?: string
  readonly prefix?: string
}): HttpAuth {
  required('apiKey({ key })', options.key)
  keepSecret(options.key)
  return fixed('api-key', {
    [(options.header ?? 'x-api-key').toLowerCase()]: `${options.prefix ?? ''}${options.key}`,
  })
}

/**
 * A session: `login` is posted as JSON once, shared by all calls, and again when the system answers 401 or `lifetime` is
 * over. By default the answer's cookies are the session; `headers` takes it from elsewhere. `logoutPath` is posted at the
 * end, for systems where a session costs a licence.
 *
 * @example sessionLogin({ path: '/Login', login: { UserName: env.USER, Password: env.PASSWORD }, lifetime: '25m' })
 */
export function sessionLogin(options: {
  readonly path: string
  readonly login: unknown
  readonly headers?: (answer: HttpAnswer) => AuthHeaders
  readonly lifetime?: Duration
  readonly logoutPath?: string
}): HttpAuth {
  const lifetimeMs = options.lifetime === undefined ? Infinity : durationMs(options.lifetime)
  const headersOf = options.headers ?? cookiesOf
  keepLogin(options.login)
  return {
    kind: 'session',
    open(port) {
      const session = new OneAtATime(async () => {
        const answer = await port.send({
          method: 'POST',
          url: options.path,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(options.login),
        })
        refuseUnless2xx('login', answer)
        const value = headersOf(answer)
        for (const header of Object.values(value)) keepFetched(header)
        return { value, staleAt: port.now() + lifetimeMs, lifetimeMs }
      })
      return {
        headers: () => session.get(port.now()),
        renew: (refused) => session.renew(refused),
        age: () => session.age,
        async end() {
          const { current } = session
          if (!current || options.logoutPath === undefined) return
          await port.send({ method: 'POST', url: options.logoutPath, headers: current })
        },
      }
    },
  }
}

/**
 * OAuth 2.0 client credentials (RFC 6749 section 4.4): one token for all calls, fetched when needed, renewed 30 s before
 * it expires or when the system answers 401. `clientAuth`: credentials as HTTP Basic (default) or in the body.
 *
 * @example clientCredentials({ tokenUrl: 'https://login.example.com/token', clientId: env.ID, clientSecret: env.SECRET })
 */
export function clientCredentials(options: {
  readonly tokenUrl: string
  readonly clientId: string
  readonly clientSecret: string
  readonly scope?: string
  readonly clientAuth?: 'basic' | 'body'
  /** Further parameters of the token request, such as `audience`. */
  readonly parameters?: Readonly<Record<string, string>>
}): HttpAuth {
  required('clientCredentials({ clientId })', options.clientId)
  required('clientCredentials({ clientSecret })', options.clientSecret)
  keepSecret(options.clientSecret)
  return {
    kind: 'client-credentials',
    open(port) {
      const token = new OneAtATime(async () => {
        const answer = await port.send(tokenRequest(options))
        refuseUnless2xx('token request', answer)
        return tokenOf(answer, port.now())
      })
      return {
        headers: () => token.get(port.now()),
        renew: (refused) => token.renew(refused),
        age: () => token.age,
      }
    },
  }
}

function tokenRequest(options: Parameters<typeof clientCredentials>[0]): AuthRequest {
  const { clientId, clientSecret, scope, parameters } = options
  const form = new URLSearchParams({ grant_type: 'client_credentials', ...parameters })
  if (scope !== undefined) form.set('scope', scope)
  const headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded' }
  if (options.clientAuth === 'body') {
    form.set('client_id', clientId)
    form.set('client_secret', clientSecret)
  } else {
    const pair = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`
    headers['authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`
  }
  return { method: 'POST', url: options.tokenUrl, headers, body: form.toString() }
}

const renewEarlyMs = 30_000

function tokenOf({ body }: HttpAnswer, now: number): Held<AuthHeaders> {
  const { access_token: token, expires_in: seconds } = (body ?? {}) as Record<string, unknown>
  if (typeof token !== 'string' || token === '')
    throw new CallError({
      class: 'credential',
      message: 'the token endpoint answered without an access_token',
    })
  keepFetched(token)
  const lifetimeMs = Number(seconds) > 0 ? Number(seconds) * 1_000 : Infinity
  return {
    value: { authorization: `Bearer ${token}` },
    staleAt: now + Math.max(lifetimeMs - renewEarlyMs, lifetimeMs / 2),
    lifetimeMs,
  }
}

/** What is posted to log in, but for the names in it. */
function keepLogin(login: unknown): void {
  for (const [name, value] of Object.entries(login ?? {}))
    if (!/user|name|company|tenant|client|database/i.test(name))
      for (const leaf of leavesOf(value)) keepSecret(leaf)
}

/** A token, or a header that carries some: each of its parts. */
function keepFetched(header: string): void {
  for (const part of header.split(/[\s;]+/)) {
    keepSecret(part, { isFetched: true })
    keepSecret(part.slice(part.indexOf('=') + 1), { isFetched: true })
  }
}

/** What a failed login means: the credentials are wrong (4xx), or the system cannot say now. */
function refuseUnless2xx(what: string, { status, body }: HttpAnswer): void {
  if (status >= 200 && status < 300) return
  const code = (body as { error?: unknown } | undefined)?.error
  throw new CallError({
    class: status === 429 ? 'throttled' : status >= 500 ? 'transient' : 'credential',
    message: `the ${what} was answered with ${status}${typeof code === 'string' ? ` (${code.slice(0, 80)})` : ''}`,
    status,
  })
}

function cookiesOf({ headers }: HttpAnswer): AuthHeaders {
  const set = headers['set-cookie']
  const cookies = (Array.isArray(set) ? set : set === undefined ? [] : [set]).map(
    (cookie) => cookie.split(';')[0] ?? '',
  )
  if (cookies.length === 0)
    throw new CallError({ class: 'credential', message: 'the login was answered without a cookie' })
  return { cookie: cookies.join('; ') }
}
