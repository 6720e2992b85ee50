import type { ConnectionOptions as TlsOptions } from 'node:tls'
import type { Connection } from 'rabbitmq-client'
import { keepSecretOfUrl } from '../define/secrets.ts'
import { BusbarError } from '../errors.ts'
import { rabbitmqClient } from './client.ts'

/** Where a broker is. */
export interface BrokerOptions {
  /** `amqp://user:password@host/vhost`, or `amqps:` for TLS. A `/` in the vhost's name is written `%2F`. */
  readonly url: string
  /** Certificates and the like, as of `node:tls`; with `amqps:`. */
  readonly tls?: TlsOptions
}

/**
 * How long to wait for a connection, and how often to try again; in milliseconds. A broker that is back, after however
 * long, is in use again within half of the ten seconds that it has for that.
 */
const times = { connectionTimeout: 10_000, acquireTimeout: 10_000, retryLow: 250, retryHigh: 5_000 }
const heartbeatSeconds = 20
const longestEndMs = 5_000

/** The URL without credentials, for people to see. Throws `config.invalid` that names `what`. */
export function addressOf(what: string, url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  // The URL itself is not repeated: it may hold a password.
  if (parsed?.protocol !== 'amqp:' && parsed?.protocol !== 'amqps:')
    throw new BusbarError('config.invalid', `${what}: url must be an amqp: or amqps: URL`)
  keepSecretOfUrl(url)
  const path = parsed.pathname === '/' ? '' : parsed.pathname
  return `${parsed.protocol}//${parsed.host}${path}`
}

/**
 * Begins to connect, and connects again with growing pauses whenever the connection is lost, until it is ended.
 * `longestPauseMs`: default 10 s.
 */
export function openConnection(
  { url, tls, longestPauseMs = times.retryHigh }: BrokerOptions & { readonly longestPauseMs?: number },
  name: string,
): Connection {
  return new rabbitmqClient.Connection({
    url,
    ...(tls && { tls }),
    ...times,
    retryHigh: longestPauseMs,
    heartbeat: heartbeatSeconds,
    connectionName: name,
  })
}

/** Ends a connection in order after `last` has settled; by force where that takes longer than five seconds or it has none. */
export async function endConnection(connection: Connection, last: Promise<unknown>): Promise<void> {
  const inOrder = last.catch(() => undefined).then(() => connection.close())
  const timer = Promise.withResolvers<void>()
  const timeout = setTimeout(timer.resolve, connection.ready ? longestEndMs : 0)
  await Promise.race([inOrder.catch(() => undefined), timer.promise])
  clearTimeout(timeout)
  connection.unsafeDestroy()
}
