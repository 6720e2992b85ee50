import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { buildConnector, Pool } from 'undici'
import { CallError } from '../errors.ts'
import { addressFault, namesLoopback } from './http-address.ts'

/** How to reach an origin. */
export interface PoolOptions {
  readonly origin: string
  /** Most connections at once. */
  readonly connections: number
  readonly connectTimeoutMs: number
}

/**
 * A keep-alive pool to one origin. Whom it talks to is decided on the connected address, so a name that is pointed
 * elsewhere between check and use gains nothing; one request at a time on each connection.
 */
export function openPool(options: PoolOptions): Pool {
  const { hostname } = new URL(options.origin)
  const loopbackAllowed = namesLoopback(hostname)
  const connect = buildConnector({ timeout: options.connectTimeoutMs, lookup: safeLookup(loopbackAllowed) })
  return new Pool(options.origin, {
    connections: options.connections,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: (target, callback) =>
      connect(target, (error, socket) => {
        if (error) return callback(error, null)
        const { remoteAddress } = socket
        const fault = remoteAddress === undefined ? undefined : addressFault(remoteAddress, loopbackAllowed)
        if (fault === undefined) return callback(null, socket)
        socket.destroy()
        callback(blocked(hostname, remoteAddress ?? '', fault), null)
      }),
  })
}

/** Resolves a name to the addresses that may be called; fails when none is left. */
function safeLookup(loopbackAllowed: boolean): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '', 0)
      const fine = addresses.filter(({ address }) => addressFault(address, loopbackAllowed) === undefined)
      const [first] = fine
      if (!first) {
        const refused = addresses[0]?.address ?? ''
        return callback(blocked(hostname, refused, addressFault(refused, loopbackAllowed) ?? ''), '', 0)
      }
      if (options.all) callback(null, fine)
      else callback(null, first.address, first.family)
    })
  }
}

function blocked(host: string, address: string, fault: string): CallError {
  return new CallError({
    class: 'invalid',
    vendorCode: 'call.blocked-address',
    message: `${host} is at ${address}: ${fault}`,
  })
}
