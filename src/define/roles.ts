import { BusbarError } from '../errors.ts'
import type { JournalConfig } from './journal-config.ts'

/** The roles that processes of one hub share among them. */
export const roles = ['ingress', 'worker', 'relay', 'console'] as const

/**
 * What a process does. `ingress` takes events in; `worker` runs flows, moves the outbox and watches expectations;
 * `console` serves the control API; `relay` carries the log to a broker, where there is one. Health and metrics are served
 * by each.
 */
export type Role = (typeof roles)[number]

/** A role, or `all` that the configuration has work for. */
export type RoleName = Role | 'all'

const roleNames: readonly RoleName[] = [...roles, 'all']
/** What the embedded PostgreSQL, which has one process, needs that process to do. */
const rolesOfOne: readonly Role[] = ['ingress', 'worker', 'console']

/** The names themselves; throws `config.invalid` for one that is none, and where there is none at all. `what` names the option. */
export function roleNamesOf(what: string, given: RoleName | readonly RoleName[]): readonly RoleName[] {
  const names: readonly RoleName[] = typeof given === 'string' ? [given] : given
  const known = `one or several of ${roles.join(', ')}, or all`
  if (!(names instanceof Array) || names.length === 0) invalid(`${what} must be ${known}`)
  for (const name of names)
    if (!roleNames.includes(name)) invalid(`${what} must be ${known}; "${String(name)}" is none of them`)
  return names
}

/** What the choice of roles depends on. */
export interface RoleFacts {
  readonly journal: Pick<JournalConfig, 'kind'>
  /** Undefined, or of the kind `log`: workers read the log itself, and nothing is carried anywhere. */
  readonly transport?: { readonly kind: string } | undefined
}

/**
 * The roles of a process. Throws `config.invalid` for what cannot work: a relay without a broker, and a part of the
 * roles on the embedded PostgreSQL, which no other process can reach.
 */
export function rolesOf(names: readonly RoleName[], { journal, transport }: RoleFacts): ReadonlySet<Role> {
  const carries = transport !== undefined && transport.kind !== 'log'
  const all = roles.filter((role) => role !== 'relay' || carries)
  const chosen = new Set<Role>(names.flatMap((name) => (name === 'all' ? all : [name])))
  if (chosen.has('relay') && !carries)
    invalid(
      'there is nothing to relay: the configuration has no broker as its transport, and workers read the log itself; leave the role "relay" out',
    )
  const missing = rolesOfOne.filter((role) => !chosen.has(role))
  if (journal.kind === 'embedded' && missing.length > 0)
    invalid(
      `the embedded PostgreSQL belongs to one process, so no other could do the part of ${missing.join(' and ')}: use role "all", or a PostgreSQL that all processes reach (journal: postgres({ url }))`,
    )
  return chosen
}

function invalid(message: string): never {
  throw new BusbarError('config.invalid', message)
}
