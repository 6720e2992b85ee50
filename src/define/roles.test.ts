import { expect, it } from 'vitest'
import type { RoleName } from './roles.ts'
import { roleNamesOf, rolesOf } from './roles.ts'

const shared = { journal: { kind: 'postgres' } } as const
const own = { journal: { kind: 'embedded' } } as const
const broker = { ...shared, transport: { kind: 'rabbitmq' } }

it('takes one role, several, or all', () => {
  expect(roleNamesOf('roles', 'worker')).toEqual(['worker'])
  expect([...rolesOf(['worker', 'console', 'worker'], shared)]).toEqual(['worker', 'console'])
  expect([...rolesOf(['all'], shared)]).toEqual(['ingress', 'worker', 'console'])
  expect([...rolesOf(['all', 'ingress'], own)]).toEqual(['ingress', 'worker', 'console'])
})

it('relays where there is a broker, and says that there is nothing to relay where there is none', () => {
  expect([...rolesOf(['all'], broker)]).toEqual(['ingress', 'worker', 'relay', 'console'])
  expect([...rolesOf(['relay'], broker)]).toEqual(['relay'])
  for (const facts of [shared, { ...shared, transport: { kind: 'log' } }])
    expect(() => rolesOf(['relay', 'worker'], facts)).toThrow(/nothing to relay.*leave the role "relay" out/)
})

it('names what is no role', () => {
  const known = 'roles must be one or several of ingress, worker, relay, console, or all'
  expect(() => roleNamesOf('roles', 'wroker' as RoleName)).toThrow(`${known}; "wroker" is none of them`)
  expect(() => roleNamesOf('roles', ['worker', ''] as RoleName[])).toThrow('"" is none of them')
  expect(() => roleNamesOf('roles', [])).toThrow(known)
  expect(() => roleNamesOf('roles', 7 as never)).toThrow(known)
})

it('leaves no part of the work to processes that cannot reach the embedded PostgreSQL', () => {
  expect(() => rolesOf(['ingress'], own)).toThrow(/no other could do the part of worker and console.*"all"/)
  expect(() => rolesOf(['ingress', 'worker'], own)).toThrow('the part of console')
  expect([...rolesOf(['ingress', 'worker', 'console'], own)]).toHaveLength(3)
})
