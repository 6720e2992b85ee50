import { BusbarError } from '../errors.ts'
import type { Duration } from './duration.ts'
import { durationMs } from './duration.ts'
import { inRange } from './range.ts'

/** What a person may do: look; act on runs, problems and systems; also manage users, keys and settings. */
export type UserRole = 'viewer' | 'operator' | 'admin'

/** Single sign-on by OpenID Connect. */
export interface OidcConfig {
  /** The provider's address, under which it publishes `/.well-known/openid-configuration`. */
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  /** What the button says: "Sign in with …". Default `'your company account'`. */
  readonly label?: string
  /** The claim that holds what `roles` maps: a text or a list of texts. Default `'groups'`. */
  readonly roleClaim?: string
  /** The role of each value of that claim; of several the highest counts, and without any there is no way in. */
  readonly roles: Readonly<Record<string, UserRole>>
  /** The claim that names the user in busbar and its audit trail. Default `'preferred_username'`, else `email`. */
  readonly nameClaim?: string
  /** Asked for beside `openid`. Default `['profile', 'email']`. */
  readonly scopes?: readonly string[]
}

/** Who may sign in to the console, and how. */
export interface AccessConfig {
  /** Where people reach the console, such as `https://busbar.example.com`; needed behind a proxy and for single sign-on. */
  readonly url?: string
  readonly session?: {
    /** A session that is not used ends; default 30 minutes. */
    readonly idle?: Duration
    /** And every session ends; default 12 hours. */
    readonly longest?: Duration
  }
  readonly oidc?: OidcConfig
}

/** The same with defaults filled in. */
export interface AccessSettings {
  /** An origin: no path, no slash at the end. */
  readonly url: string | undefined
  readonly idleMs: number
  readonly longestMs: number
  readonly oidc: Required<OidcConfig> | undefined
}

const roles = ['viewer', 'operator', 'admin']

/** Fills in the defaults. Throws `config.invalid` that names the option which is wrong. */
export function accessSettings(options: AccessConfig = {}): AccessSettings {
  const { url, session = {}, oidc } = options
  const idleMs = durationMs(session.idle ?? '30m')
  const longestMs = durationMs(session.longest ?? '12h')
  return {
    url: url === undefined ? undefined : originOf('access.url', url),
    idleMs: inRange('access.session.idle', idleMs, { from: 60_000, to: 7 * 86_400_000 }),
    longestMs: inRange('access.session.longest', longestMs, { from: 60_000, to: 90 * 86_400_000 }),
    oidc: oidc && oidcSettings(oidc, url),
  }
}

function originOf(name: string, url: string): string {
  const { origin, pathname, protocol, search } = URL.canParse(url) ? new URL(url) : ({} as Partial<URL>)
  if (
    origin === undefined ||
    (protocol !== 'https:' && protocol !== 'http:') ||
    pathname !== '/' ||
    search !== ''
  )
    invalid(`${name} is "${url}": write where people reach the console, such as https://busbar.example.com`)
  return origin
}

function oidcSettings(oidc: OidcConfig, url: string | undefined): Required<OidcConfig> {
  if (url === undefined)
    invalid('access.oidc needs access.url: the provider sends people back to where they reach the console')
  for (const name of ['issuer', 'clientId', 'clientSecret'] as const)
    if (typeof oidc[name] !== 'string' || oidc[name] === '') invalid(`access.oidc.${name} is missing`)
  const { protocol, hostname } = URL.canParse(oidc.issuer) ? new URL(oidc.issuer) : ({} as Partial<URL>)
  if (
    protocol !== 'https:' &&
    !(protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname ?? ''))
  )
    invalid(`access.oidc.issuer is "${oidc.issuer}": write its address, with https`)
  const named = Object.entries(oidc.roles ?? {})
  if (named.length === 0)
    invalid("access.oidc.roles is empty: nobody could sign in; write { 'value of the claim': 'operator' }")
  for (const [value, role] of named)
    if (!roles.includes(role))
      invalid(`access.oidc.roles["${value}"] is "${role}": write ${roles.join(', ')}`)
  return {
    label: 'your company account',
    roleClaim: 'groups',
    nameClaim: 'preferred_username',
    scopes: ['profile', 'email'],
    ...oidc,
  }
}

function invalid(message: string): never {
  throw new BusbarError('config.invalid', message)
}
