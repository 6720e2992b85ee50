import type { Duration } from './duration.ts'
import { durationMs } from './duration.ts'
import { inRange } from './range.ts'

/** The HTTP door: events, webhooks, control API, metrics, health. */
export interface HttpConfig {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Default 7070; 0 takes a free one. */
  readonly port?: number
  /** Largest request body; default 1 MiB. A batch counts as one body. */
  readonly maxBodyBytes?: number
  /** Deepest nesting of JSON; default 64. */
  readonly maxDepth?: number
  /** Most requests a second from one API key or source, with a burst of five seconds' worth; default none. */
  readonly rateLimit?: { readonly perSecond: number }
  /** Most events and bytes that wait for their commit before 503 is answered; default 10,000 and 64 MiB. */
  readonly maxPending?: { readonly events: number; readonly bytes: number }
  /**
   * How long a process that ends goes on answering requests, already not ready, so that a load balancer can turn away from
   * it; at most 60 s. Default 2 s for `busbar start`, none for `busbar dev` and a hub of your own.
   */
  readonly drain?: Duration
  /** The proxies before busbar, as addresses or networks; what they say of the client's address, host and TLS counts. Default none. */
  readonly trustProxy?: readonly string[]
  /** Serve events and the control API without API keys. `busbar dev` does so on loopback; anything else must say it. */
  readonly unauthenticated?: boolean
}

/** The same with defaults filled in. */
export type HttpSettings = Required<Omit<HttpConfig, 'rateLimit' | 'drain'>> &
  Pick<HttpConfig, 'rateLimit'> & { readonly drainMs?: number }

const count = { from: 1, whole: true }
const drainRange = { from: 0, to: 60_000 }
/** What a port may be; 0 takes a free one. */
export const portRange = { from: 0, to: 65_535, whole: true }

/** Fills in the defaults. Throws `config.invalid` that names the option which is out of range. */
export function httpSettings(options: HttpConfig = {}): HttpSettings {
  const { rateLimit, maxPending, drain } = options
  return {
    host: options.host ?? '127.0.0.1',
    port: inRange('http.port', options.port ?? 7070, portRange),
    maxBodyBytes: inRange('http.maxBodyBytes', options.maxBodyBytes ?? 1_048_576, count),
    maxDepth: inRange('http.maxDepth', options.maxDepth ?? 64, count),
    maxPending: {
      events: inRange('http.maxPending.events', maxPending?.events ?? 10_000, count),
      bytes: inRange('http.maxPending.bytes', maxPending?.bytes ?? 64 * 1_048_576, count),
    },
    trustProxy: options.trustProxy ?? [],
    unauthenticated: options.unauthenticated ?? false,
    ...(drain !== undefined && { drainMs: inRange('http.drain', durationMs(drain), drainRange) }),
    ...(rateLimit && {
      rateLimit: { perSecond: inRange('http.rateLimit.perSecond', rateLimit.perSecond, { above: 0 }) },
    }),
  }
}
