import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { cookieName, readCookie, setCookie } from '../access/cookie.ts'
import { giveToken, isSecure } from '../access/gate.ts'
import { faultOf, Oidc } from '../access/oidc.ts'
import type { OidcFault } from '../access/oidc.ts'
import { beginSession } from '../access/sessions.ts'
import { countRedirect, forgetRedirects } from '../access/throttle.ts'
import type { AccessSettings } from '../define/access-config.ts'
import { keepSecret } from '../define/secrets.ts'
import type { Database } from '../journal/database.ts'
import { apiPrefix } from './route-table.ts'

/** Where a browser begins to sign in by single sign-on. */
export const oidcPath = `${apiPrefix}/sign-in/oidc`

const cookie = 'busbar-oidc'

/**
 * Two addresses that a browser is sent to, beside the table: to the provider, and back. The cookie between them ties the
 * answer to the browser that has begun; it is `Lax`, because it is the provider's page that sends the browser back.
 * Whatever goes wrong, the browser comes to the sign-in page, which says what it was.
 */
export function registerOidc(
  api: FastifyInstance,
  deps: {
    readonly settings: AccessSettings
    readonly database: () => Database
    readonly onRefused: (why: string) => void
    /** Hears of what nobody raised on purpose. */
    readonly onError: (error: unknown) => void
  },
): void {
  const { settings, database } = deps
  if (!settings.oidc || settings.url === undefined) return
  keepSecret(settings.oidc.clientSecret)
  const oidc = new Oidc({
    settings: settings.oidc,
    callback: `${settings.url}${oidcPath}/callback`,
    database,
  })
  const remember = (request: FastifyRequest, reply: FastifyReply, token: string) => {
    const options = {
      secure: isSecure(request, settings),
      sameSite: 'Lax',
      maxAgeSeconds: token === '' ? 0 : 600,
    } as const
    reply.header('set-cookie', setCookie(cookie, token, options))
  }
  const refuse = (reply: FastifyReply, fault: OidcFault, why: string) => {
    deps.onRefused(why)
    return reply.header('cache-control', 'no-store').redirect(`/sign-in?fault=${fault}`)
  }
  const errorHandler = (error: Error, _request: FastifyRequest, reply: FastifyReply) => {
    const fault = faultOf(error)
    if (fault === 'failed') deps.onError(error)
    void refuse(reply, fault, error.message)
  }
  api.get('/sign-in/oidc', { errorHandler }, async (request, reply) => {
    await countRedirect(database(), request.ip)
    const { url, token } = await oidc.begin()
    remember(request, reply, token)
    return reply.header('cache-control', 'no-store').redirect(url)
  })
  api.get('/sign-in/oidc/callback', { errorHandler }, async (request, reply) => {
    const token = readCookie(request.headers, cookieName(cookie, isSecure(request, settings))) ?? ''
    remember(request, reply, '')
    const outcome = await oidc.finish(token, request.url.slice(request.url.indexOf('?')))
    if ('fault' in outcome) return refuse(reply, outcome.fault, outcome.why)
    const device = { address: request.ip, agent: request.headers['user-agent'] ?? '' }
    const session = await beginSession(database(), { id: outcome.userId }, { life: settings, device })
    await forgetRedirects(database(), request.ip)
    giveToken({ request, reply }, session, settings)
    return reply.header('cache-control', 'no-store').redirect('/')
  })
}
