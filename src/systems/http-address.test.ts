import { describe, expect, it } from 'vitest'
import { addressFault, namesLoopback, pathBelow } from './http-address.ts'

describe('which addresses are called', () => {
  const blocked = [
    '169.254.169.254', // metadata services
    '169.254.1.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    'fe80::1',
    'ff02::1',
    '::',
    'fd00:ec2::254',
    '::ffff:169.254.169.254', // the same in IPv6 clothes
    '::ffff:a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    '::169.254.169.254',
  ]
  it.each(blocked)('never %s', (address) => {
    expect(addressFault(address, true)).toBeDefined()
  })

  it.each(['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1'])(
    '%s only when the configuration names this machine',
    (address) => {
      expect(addressFault(address, false)).toBeDefined()
      expect(addressFault(address, true)).toBeUndefined()
    },
  )

  it.each(['10.0.0.5', '192.168.1.1', '172.16.0.1', '93.184.216.34', '2606:4700::1111', 'fd12:3456::1'])(
    '%s: private networks are where ERPs live',
    (address) => {
      expect(addressFault(address, false)).toBeUndefined()
    },
  )

  it('knows the names of this machine', () => {
    expect(['localhost', 'erp.localhost', '127.0.0.1', '[::1]'].map(namesLoopback)).toEqual([
      true,
      true,
      true,
      true,
    ])
    expect(['erp.example.com', '10.0.0.1', 'localhost.example.com'].map(namesLoopback)).toEqual([
      false,
      false,
      false,
    ])
  })
})

describe('which paths are called', () => {
  const base = new URL('https://erp.example.com/api/v2')

  it('joins the path to the base and adds the query', () => {
    expect(pathBelow(base, '/sales', undefined)).toBe('/api/v2/sales')
    expect(pathBelow(base, 'sales/7', { state: 'open', page: 2, none: undefined, empty: null })).toBe(
      '/api/v2/sales/7?state=open&page=2',
    )
    expect(pathBelow(base, '/sales?a=1', { b: 'x y&z' })).toBe('/api/v2/sales?a=1&b=x+y%26z')
    expect(pathBelow(new URL('http://erp'), '/', undefined)).toBe('/')
  })

  it.each([
    '//evil.example/x',
    'https://evil.example',
    '/../../admin',
    '/a/../../../b',
    '/a b',
    '/a\nb',
    '\\\\evil',
    '/%2e%2e/%2e%2e/x',
  ])('refuses %j', (path) => {
    expect(() => pathBelow(base, path, undefined)).toThrow(/leaves the system's base URL/)
  })
})
