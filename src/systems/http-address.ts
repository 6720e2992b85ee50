import { BlockList, isIP } from 'node:net'
import { CallError } from '../errors.ts'

/**
 * Addresses that are never a business system, however they are spelled: metadata services and link-local, "this host",
 * multicast, broadcast, reserved. Private ranges are where ERPs live; loopback only when the configuration names it.
 */
const never = new BlockList()
never.addSubnet('0.0.0.0', 8, 'ipv4')
never.addSubnet('169.254.0.0', 16, 'ipv4')
never.addSubnet('192.0.0.0', 24, 'ipv4')
never.addSubnet('224.0.0.0', 4, 'ipv4')
never.addSubnet('240.0.0.0', 4, 'ipv4')
never.addSubnet('fe80::', 10, 'ipv6')
never.addSubnet('ff00::', 8, 'ipv6')
never.addAddress('::', 'ipv6')
never.addAddress('fd00:ec2::254', 'ipv6')

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Whether the configured host itself means this machine. */
export function namesLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '')
  return bare === 'localhost' || bare.endsWith('.localhost') || (isIP(bare) > 0 && isLoopback(bare))
}

/** Why this address may not be called; undefined when it may. Decided on the address that is dialled, never on a spelling. */
export function addressFault(address: string, loopbackAllowed: boolean): string | undefined {
  const family = isIP(address)
  if (family === 0) return 'it is not an IP address'
  for (const form of formsOf(address)) {
    if (never.check(form, isIP(form) === 4 ? 'ipv4' : 'ipv6'))
      return 'link-local, multicast and reserved addresses are never called'
    if (isLoopback(form) && !loopbackAllowed)
      return 'a name that resolves to this machine is not called; name localhost in baseUrl if you mean it'
  }
  return undefined
}

function isLoopback(address: string): boolean {
  return loopback.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
}

/** The address, and the IPv4 address inside it where IPv6 carries one: mapped, compatible, NAT64, 6to4. */
function formsOf(address: string): string[] {
  if (isIP(address) === 4) return [address]
  const groups = expand(address)
  const low = () => dotted(groups[6] ?? 0, groups[7] ?? 0)
  const zeros = groups.slice(0, 5).every((group) => group === 0)
  if (zeros && (groups[5] === 0xffff || (groups[5] === 0 && (groups[6] !== 0 || (groups[7] ?? 0) > 1))))
    return [address, low()]
  if (groups[0] === 0x64 && groups[1] === 0xff9b) return [address, low()]
  if (groups[0] === 0x2002) return [address, dotted(groups[1] ?? 0, groups[2] ?? 0)]
  if (groups[0] === 0x2001 && groups[1] === 0)
    return [address, dotted((groups[6] ?? 0) ^ 0xffff, (groups[7] ?? 0) ^ 0xffff)]
  return [address]
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/** `192.0.2.1` as the last two groups of an IPv6 address. */
function groupsOfIpv4(address: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
  return [(a << 8) | b, (c << 8) | d].map((group) => group.toString(16)).join(':')
}

/** The eight groups of an IPv6 address. */
function expand(address: string): number[] {
  const bare = (address.split('%')[0] ?? '').replace(/[\d.]+$/, (last) =>
    last.includes('.') ? groupsOfIpv4(last) : last,
  )
  const [head = '', tail] = bare.split('::')
  const parse = (part: string) =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))
  const start = parse(head)
  if (tail === undefined) return start
  const end = parse(tail)
  return [...start, ...Array<number>(8 - start.length - end.length).fill(0), ...end]
}

/** Segments of unreserved characters, none of them `.` or `..`: it means the same however it is parsed. */
const plainPath = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/

/**
 * The path of a request below the configured base. Refuses what would leave it: another origin, a path above the base,
 * control characters, backslashes. Throws an `invalid` CallError, since it comes from data or mapping.
 */
export function pathBelow(
  base: URL,
  path: string,
  query: Readonly<Record<string, string | number | boolean | null | undefined>> | undefined,
): string {
  const prefix = base.pathname.replace(/\/$/, '')
  // The common case needs no URL parser: it is as long as the rest of a call's own work.
  if (query === undefined && plainPath.test(path)) return prefix + path

  if (/[\u0000-\u0020\u007f\\]/.test(path) || path.startsWith('//') || /^[a-z][a-z0-9+.-]*:/i.test(path))
    throw blocked(path)
  const url = new URL(`${base.origin}${prefix}${path.startsWith('/') ? path : `/${path}`}`)
  if (
    url.origin !== base.origin ||
    url.username ||
    !(url.pathname === prefix || url.pathname.startsWith(`${prefix}/`))
  )
    throw blocked(path)
  for (const [name, value] of Object.entries(query ?? {}))
    if (value !== undefined && value !== null) url.searchParams.append(name, String(value))
  return url.pathname + url.search
}

/** Of a request: for messages and records, since a query's values may be anybody's. */
export function withoutQuery(path: string): string {
  const at = path.indexOf('?')
  return at < 0 ? path : path.slice(0, at)
}

function blocked(path: string): CallError {
  return new CallError({
    class: 'invalid',
    vendorCode: 'call.blocked-address',
    message: `the path ${JSON.stringify(path.slice(0, 100))} leaves the system's base URL`,
  })
}
