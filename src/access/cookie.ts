import type { IncomingHttpHeaders } from 'node:http'

/** A cookie as busbar sets it: never readable by scripts, on the whole site, of this host alone. */
export interface CookieOptions {
  /** Over TLS: the browser sends it over TLS only, and no other host or path can set it (`__Host-`). */
  readonly secure: boolean
  readonly sameSite: 'Strict' | 'Lax'
  readonly maxAgeSeconds: number
}

/** The name under which a browser holds it. */
export function cookieName(name: string, secure: boolean): string {
  return secure ? `__Host-${name}` : name
}

/** The value of the header `Set-Cookie`; an age of 0 takes the cookie away. */
export function setCookie(name: string, value: string, options: CookieOptions): string {
  const { secure, sameSite, maxAgeSeconds } = options
  const parts = [
    `${cookieName(name, secure)}=${value}`,
    'Path=/',
    'HttpOnly',
    `SameSite=${sameSite}`,
    `Max-Age=${maxAgeSeconds}`,
  ]
  return [...parts, ...(secure ? ['Secure'] : [])].join('; ')
}

/** The value of a cookie; undefined when there is none, or more than one of the name: somebody else has set one then. */
export function readCookie(headers: IncomingHttpHeaders, name: string): string | undefined {
  const values = (headers.cookie ?? '').split(';').flatMap((pair) => {
    const at = pair.indexOf('=')
    return at > 0 && pair.slice(0, at).trim() === name ? [pair.slice(at + 1).trim()] : []
  })
  return values.length === 1 ? values[0] : undefined
}
