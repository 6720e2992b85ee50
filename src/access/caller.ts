import type { UserRole } from '../define/access-config.ts'
import type { Principal, Scope } from '../ingress/principal.ts'

/** Who asks the control API. */
export interface Caller extends Principal {
  /** The only systems that this one may act on; absent: all. */
  readonly systems?: readonly string[]
  /** By which session, where it is a person who has signed in. */
  readonly session?: SessionRef
}

/** A person's session, found by its token. */
export interface SessionRef {
  readonly id: string
  readonly hash: string
  readonly userId: number
  readonly userName: string
  readonly role: UserRole
}

/** What each role may do. */
export const scopesOfRole: Readonly<Record<UserRole, readonly Scope[]>> = {
  viewer: ['read'],
  operator: ['read', 'operate'],
  admin: ['read', 'operate', 'admin'],
}

/** The user's name in the audit trail. */
export function actorOfUser(name: string): string {
  return `user:${name}`
}
