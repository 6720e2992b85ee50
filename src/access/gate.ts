import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AccessSettings } from '../define/access-config.ts'
import { BusbarError } from '../errors.ts'
import type { Authenticate, Scope } from '../ingress/principal.ts'
import { keyOf, suffices } from '../ingress/principal.ts'
import type { Database } from '../journal/database.ts'
import type { Caller } from './caller.ts'
import { cookieName, readCookie, setCookie } from './cookie.ts'
import type { OwnOrigin } from './same-origin.ts'
import { checkNotForeign, checkSameOrigin } from './same-origin.ts'
import { findSession } from './sessions.ts'

/** What an operation asks of its caller: nothing, to be somebody, or a right. */
export type Needed = 'public' | 'self' | Exclude<Scope, 'publish'>

/** What the gate stands on. */
export interface GateDeps {
  /** Absent: nobody needs to sign in, and everybody may do everything. */
  readonly authenticate?: Authenticate | undefined
  /** Absent: there are no sessions, keys only. */
  readonly settings?: AccessSettings | undefined
  readonly database: () => Database
}

/** In a hub that asks nobody: in the audit trail as `local`. */
export const localCaller: Caller = { id: 'local', scopes: ['publish', 'read', 'operate', 'admin'] }
/** Before anybody has signed in. */
const nobody: Caller = { id: 'nobody', scopes: [] }

const cookie = 'busbar-session'

/**
 * The console's word that a person is at it: `1`. What it asks by itself, because something has changed or time has passed,
 * and its stream of changes (which can bear no header) do not keep a session from ending.
 */
export const attendedHeader = 'x-busbar-attended'

/**
 * Who a request comes from, if it may do this. An API key counts before a cookie; an act by cookie, and what sets one,
 * must come from the console itself (see `checkSameOrigin`). Throws `request.unauthorized` and `request.forbidden`.
 */
export async function admit(request: FastifyRequest, deps: GateDeps, needed: Needed): Promise<Caller> {
  const acts = request.method !== 'GET' && request.method !== 'HEAD'
  if (!deps.authenticate) {
    if (acts) checkNotForeign(request.headers, ownOrigin(request, deps.settings))
    return localCaller
  }
  const key = keyOf(request.headers)
  const caller = key === undefined ? await bySession(request, deps) : await deps.authenticate(key)
  if (needed !== 'public' && !caller)
    throw new BusbarError('request.unauthorized', unauthorized(request, key))
  if (acts && key === undefined) checkSameOrigin(request.headers, ownOrigin(request, deps.settings))
  if (needed !== 'public' && needed !== 'self') checkRight(caller, needed)
  return caller ?? nobody
}

async function bySession(
  request: FastifyRequest,
  { settings, database }: GateDeps,
): Promise<Caller | undefined> {
  if (!settings) return undefined
  const token = readCookie(request.headers, cookieName(cookie, isSecure(request, settings)))
  if (token === undefined) return undefined
  const attended = request.headers[attendedHeader] === '1'
  return findSession(database(), token, { idleMs: settings.idleMs, longestMs: settings.longestMs, attended })
}

function unauthorized({ headers }: FastifyRequest, key: string | undefined): string {
  if (key === undefined && headers.cookie?.includes(cookie)) return 'your session has ended: sign in again'
  return 'an API key is needed: Authorization: Bearer <key>'
}

function checkRight(caller: Caller | undefined, needed: Scope): void {
  if (caller && suffices(caller.scopes, needed)) return
  const role = caller?.session?.role
  const why = role === undefined ? `this key lacks the scope "${needed}"` : `as ${role} you may not do this`
  throw new BusbarError('request.forbidden', why)
}

/** Whether the browser speaks TLS to us or to the proxy before us. */
export function isSecure(request: FastifyRequest, settings: AccessSettings | undefined): boolean {
  return settings?.url === undefined ? request.protocol === 'https' : settings.url.startsWith('https:')
}

/** Where people reach the console, without a slash at the end. */
export function ownUrl(request: FastifyRequest, settings: AccessSettings | undefined): string {
  return settings?.url ?? `${request.protocol}://${request.host}`
}

function ownOrigin(request: FastifyRequest, settings: AccessSettings | undefined): OwnOrigin {
  return { configured: settings?.url, host: request.host, protocol: request.protocol }
}

/** Hands the token of a new session to the browser. */
export function giveToken(
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  token: string,
  settings: AccessSettings,
): void {
  const maxAgeSeconds = Math.round(settings.longestMs / 1_000)
  const secure = isSecure(request, settings)
  reply.header('set-cookie', setCookie(cookie, token, { secure, sameSite: 'Strict', maxAgeSeconds }))
}

/** Takes the token away from the browser. */
export function takeToken(
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  settings: AccessSettings,
): void {
  const secure = isSecure(request, settings)
  reply.header('set-cookie', setCookie(cookie, '', { secure, sameSite: 'Strict', maxAgeSeconds: 0 }))
}
