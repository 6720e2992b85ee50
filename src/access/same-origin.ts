import type { IncomingHttpHeaders } from 'node:http'
import { BusbarError } from '../errors.ts'

/** The header that the console sends with each act; no page of another site can send it without being refused first. */
export const consoleHeader = 'x-busbar-console'

/** Where a request went, as the browser must have seen it. */
export interface OwnOrigin {
  /** The origin by configuration, if it says one. */
  readonly configured: string | undefined
  /** The host that the request names, with its port. */
  readonly host: string
  readonly protocol: string
}

/**
 * Refuses an act by cookie that a page of another site could have made a browser send: its `Origin` must be ours, its
 * `Sec-Fetch-Site` (where the browser sends it) must say so too, and it must carry the console's own header. Throws
 * `request.forbidden`.
 */
export function checkSameOrigin(headers: IncomingHttpHeaders, own: OwnOrigin): void {
  checkNotForeign(headers, own)
  if (headers.origin === undefined) refuse('it has no Origin header')
  if (headers[consoleHeader] !== '1') refuse(`it has no header ${consoleHeader}: 1`)
}

/** The same for acts that ask nobody to sign in: a program may leave the headers out, a page of another site cannot. */
export function checkNotForeign(headers: IncomingHttpHeaders, own: OwnOrigin): void {
  const { origin } = headers
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') refuse('another site has sent it')
  if (origin !== undefined && origin !== (own.configured ?? `${own.protocol}://${own.host}`))
    refuse(
      `it comes from ${JSON.stringify(origin.slice(0, 200))}, and busbar is at ${own.configured ?? `${own.protocol}://${own.host}`}; behind a proxy, set access.url`,
    )
}

function refuse(why: string): never {
  throw new BusbarError('request.forbidden', `an act from a browser is refused: ${why}`)
}
