import type { Caller, SessionRef } from '../access/caller.ts'
import { acceptLink, changePassword, lookAtLink, signIn } from '../access/sign-in.ts'
import type { SignInDoor } from '../access/sign-in.ts'
import { endSessions, findSession, listSessions } from '../access/sessions.ts'
import type { OneTimeLink, UserFacts } from '../access/users.ts'
import * as users from '../access/users.ts'
import { BusbarError } from '../errors.ts'
import type { Database } from '../journal/database.ts'
import type { accessRoutes } from './access-routes.ts'
import type { Call, Handlers } from './handlers.ts'
import { createKey, listKeys, revokeKey } from './keys.ts'
import { iso, isoAlways } from './moment.ts'
import type { Me, SessionList, User } from './schema/access.ts'

/** Where a browser is signed in and out. */
export interface AccessDoor extends SignInDoor {
  /** False: nobody needs to sign in, so nobody can. */
  readonly needed: boolean
  readonly oidc: { readonly path: string; readonly label: string } | null
  /** Where people reach the console, without a slash at the end. */
  readonly url: string
  giveToken(token: string): void
  takeToken(): void
}

/** What the operations on access do. */
export const accessHandlers: Pick<Handlers, keyof typeof accessRoutes> = {
  async signInOptions({ database, door }) {
    const { needed, oidc } = door
    return { needed, oidc: needed ? oidc : null, firstAdmin: needed && (await noUserYet(database)) }
  },
  async signIn(call, body) {
    checkNeeded(call.door)
    return begin(call, await signIn(call.database, body, call.door))
  },
  async signOut({ database, caller, door }) {
    door.takeToken()
    const { session } = caller
    return { ended: session ? await endSessions(database, session.userId, session.id) : 0 }
  },
  async lookAtLink({ database }, { token }) {
    const { expires_at, ...link } = await lookAtLink(database, token)
    return { ...link, expiresAt: isoAlways(expires_at) }
  },
  async acceptLink(call, body) {
    checkNeeded(call.door)
    return begin(call, await acceptLink(call.database, body, call.door))
  },
  me: ({ database, caller }) => whoIs(database, caller),
  async changePassword({ database, caller, door }, body) {
    const given = { ...body, address: door.device.address }
    const token = await changePassword(database, sessionOf(caller), given)
    door.giveToken(token)
    return whoIs(database, caller)
  },
  listSessions: async ({ database, caller }) => ownSessions(database, sessionOf(caller)),
  async endSessions({ database, caller, door }) {
    const { userId } = sessionOf(caller)
    door.takeToken()
    return { ended: await endSessions(database, userId) }
  },
  async endSession({ database, caller }, { id }) {
    const ended = await endSessions(database, sessionOf(caller).userId, id)
    if (ended === 0) throw new BusbarError('request.not-found', 'you have no such session')
    return { ended }
  },
  async listUsers({ database }, { after, limit }) {
    const found = await users.listUsers(database, { after, limit: limit + 1 })
    const items = found.slice(0, limit).map(userOf)
    return { items, next: found.length > limit ? (items.at(-1)?.name ?? null) : null }
  },
  async inviteUser({ database, actor, door }, { role, systems, ...body }) {
    const name = users.userName(body.name)
    checkLimit(role, systems)
    return linkOf(door, name, await users.inviteUser(database, { name, role, systems }, actor))
  },
  async changeUser({ database, actor }, { name, ...change }) {
    if (change.role) checkLimit(change.role, change.systems ?? null)
    return userOf(await users.changeUser(database, name, { change, actor }))
  },
  linkForUser: async ({ database, actor, door }, { name }) =>
    linkOf(door, name, await users.linkForUser(database, name, actor)),
  signOutUser: async ({ database, actor }, { name }) => ({
    ended: await users.signOutUser(database, name, actor),
  }),
  listKeys: async ({ database }) => ({ items: (await listKeys(database)).map(plainKey) }),
  async createKey({ database, actor }, body) {
    const { key, ...made } = await asRequest(createKey(database, { ...body, actor }))
    return { ...plainKey(made), key }
  },
  revokeKey: async ({ database, actor }, { name, reason }) =>
    plainKey(await revokeKey(database, { name, actor, ...(reason !== undefined && { reason }) })),
}

function checkNeeded(door: AccessDoor): void {
  if (!door.needed)
    throw new BusbarError(
      'act.refused',
      'this busbar asks nobody to sign in (http.unauthenticated, or busbar dev)',
    )
}

/** The browser gets the new token in the place of the one it had, whose session ends. */
async function begin({ database, caller, door }: Call, token: string): Promise<Me> {
  const before = caller.session
  if (before) await endSessions(database, before.userId, before.id)
  const now = await findSession(database, token, door.life)
  if (!now) throw new BusbarError('request.unauthorized', 'the session has ended already: sign in again')
  door.giveToken(token)
  return whoIs(database, now)
}

async function noUserYet(database: Database): Promise<boolean> {
  const [row] = await database.query<{ none: boolean }>({
    text: 'SELECT NOT EXISTS (SELECT FROM users) AS none',
  })
  return row?.none ?? false
}

async function whoIs(database: Database, { id: actor, session, ...caller }: Caller): Promise<Me> {
  const common = { actor, scopes: [...caller.scopes], systems: caller.systems ? [...caller.systems] : null }
  if (session) {
    const { has_password } = await users.findUser(database, session.userName)
    return { ...common, kind: 'user', name: session.userName, role: session.role, hasPassword: has_password }
  }
  const name = actor.replace(/^key:/, '')
  return { ...common, kind: name === actor ? 'local' : 'key', name, role: null, hasPassword: false }
}

function sessionOf({ session }: Caller): SessionRef {
  if (session) return session
  throw new BusbarError('request.forbidden', 'this is for people who have signed in')
}

async function ownSessions(database: Database, session: SessionRef): Promise<SessionList> {
  const found = await listSessions(database, session.userId)
  const items = found.map(({ id, address, agent, created_at, seen_at, expires_at }) => ({
    id,
    current: id === session.id,
    createdAt: isoAlways(created_at),
    seenAt: isoAlways(seen_at),
    expiresAt: isoAlways(expires_at),
    address,
    agent,
  }))
  return { items }
}

function userOf(user: UserFacts): User {
  const enterable = user.has_subject ? 'single sign-on' : user.has_password ? 'password' : null
  return {
    name: user.name,
    role: user.role,
    systems: user.systems,
    state: user.disabled_at ? 'disabled' : enterable ? 'active' : 'invited',
    signsInBy: enterable,
    createdAt: isoAlways(user.created_at),
    signedInAt: iso(user.signed_in_at),
    linkUntil: iso(user.link_until),
    sessions: user.sessions,
  }
}

function linkOf(door: AccessDoor, name: string, { token, expiresAt }: OneTimeLink) {
  return { name, url: door.url + users.linkPath(token), expiresAt }
}

function checkLimit(role: string, systems: readonly string[] | null): void {
  if (systems && role !== 'operator')
    throw new BusbarError('request.invalid', 'only operators can be limited to systems', {
      details: {
        faults: [{ pointer: '/body/systems', message: 'only operators can be limited to systems' }],
      },
    })
}

function plainKey<K extends { readonly scopes: readonly string[] }>(key: K) {
  return { ...key, scopes: [...key.scopes] as K['scopes'][number][] }
}

/** What the command line calls a wrong option is here a wrong request. */
async function asRequest<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof BusbarError) || error.code !== 'config.invalid') throw error
    throw new BusbarError('request.invalid', error.message, { cause: error })
  }
}
