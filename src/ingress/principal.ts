import { BusbarError } from '../errors.ts'

/** What one may do: publish events, read the control API, act on runs and systems, manage users and keys. */
export type Scope = 'publish' | 'read' | 'operate' | 'admin'

/** The rights of which one is enough. */
const included: Readonly<Record<Scope, readonly Scope[]>> = {
  publish: ['publish'],
  read: ['read', 'operate', 'admin'],
  operate: ['operate', 'admin'],
  admin: ['admin'],
}

/** Whether these rights are enough: who may operate may read, an admin may do both. */
export function suffices(scopes: readonly Scope[], needed: Scope): boolean {
  return scopes.some((scope) => included[needed].includes(scope))
}

/** Who is asking; its id stands in the audit trail. */
export interface Principal {
  readonly id: string
  readonly scopes: readonly Scope[]
}

/** Finds the principal of an API key; undefined when there is none. */
export type Authenticate = (key: string | undefined) => Promise<Principal | undefined> | Principal | undefined

type Headers = Readonly<Record<string, string | string[] | undefined>>

/**
 * Who a request comes from, by its `Authorization: Bearer …` or `x-api-key`, if it may do this (see `suffices`). Throws `request.unauthorized` and `request.forbidden`.
 */
export async function permitted(
  headers: Headers,
  authenticate: Authenticate,
  scope: Scope,
): Promise<Principal> {
  const principal = await authenticate(keyOf(headers))
  if (!principal)
    throw new BusbarError('request.unauthorized', 'an API key is needed: Authorization: Bearer <key>')
  if (!suffices(principal.scopes, scope))
    throw new BusbarError('request.forbidden', `this key lacks the scope "${scope}"`)
  return principal
}

/** The API key of a request, if it brings one. */
export function keyOf(headers: Headers): string | undefined {
  const { authorization } = headers
  if (typeof authorization === 'string' && /^bearer /i.test(authorization))
    return authorization.slice(7).trim()
  const key = headers['x-api-key']
  return typeof key === 'string' ? key : undefined
}
