import type { UserRole } from '../define/access-config.ts'
import { BusbarError } from '../errors.ts'
import type { Database } from '../journal/database.ts'
import { newToken, tokenHash } from './token.ts'

/** A user as stored, without the password. */
export interface UserFacts {
  readonly name: string
  readonly role: UserRole
  readonly systems: string[] | null
  readonly created_at: Date
  readonly signed_in_at: Date | null
  readonly disabled_at: Date | null
  readonly has_password: boolean
  readonly has_subject: boolean
  /** Until when a link by which a password can be set is good; null: there is none. */
  readonly link_until: Date | null
  readonly sessions: number
}

/** A link by which a password is set, shown this once. */
export interface OneTimeLink {
  readonly token: string
  readonly expiresAt: string
}

/** How long a link is good. */
const linkSeconds = { first: 86_400, user: 3 * 86_400 }

/** As names are stored: without capitals, so that no two users look the same to themselves. */
export function userName(given: string): string {
  const name = given.trim().normalize('NFC').toLowerCase()
  if (/^[\p{L}\p{N}][\p{L}\p{N}._@+-]{0,79}$/u.test(name)) return name
  throw new BusbarError(
    'request.invalid',
    `${JSON.stringify(given.slice(0, 100))} is not a valid user name: letters, digits, ".", "_", "-", "+" or "@", at most 80`,
  )
}

/** The path of the console that a link opens; the token stands behind `#`, which browsers send to nobody. */
export function linkPath(token: string): string {
  return `/welcome#${token}`
}

/** A link for the first admin, while there is no user at all; else undefined. */
export async function createFirstLink(database: Database): Promise<OneTimeLink | undefined> {
  const link = newLink(linkSeconds.first)
  const [row] = await database.query<{ made: boolean }>({
    text: 'SELECT create_first_link($1, $2) AS made',
    values: [tokenHash(link.token), linkSeconds.first],
  })
  return row?.made ? link : undefined
}

/** Makes a user who cannot sign in before the link has been used. Throws `act.refused` when the name was given before. */
export async function inviteUser(
  database: Database,
  user: { readonly name: string; readonly role: UserRole; readonly systems: readonly string[] | null },
  actor: string,
): Promise<OneTimeLink> {
  const link = newLink(linkSeconds.user)
  const [row] = await database.query<{ result: string }>({
    text: 'SELECT invite_user($1, $2, $3, $4, $5, $6) AS result',
    values: [user.name, user.role, user.systems, tokenHash(link.token), linkSeconds.user, actor],
  })
  if (row?.result === 'taken')
    throw new BusbarError('act.refused', `there is, or was, a user named ${user.name}: give another name`)
  return link
}

/** A new link for a user who has lost the password, or the first link; older ones end. Throws `request.not-found` and `act.refused`. */
export async function linkForUser(database: Database, name: string, actor: string): Promise<OneTimeLink> {
  const link = newLink(linkSeconds.user)
  const [row] = await database.query<{ result: string }>({
    text: 'SELECT link_for_user($1, $2, $3, $4) AS result',
    values: [name, tokenHash(link.token), linkSeconds.user, actor],
  })
  if (row?.result === 'absent') throw noUser(name)
  if (row?.result === 'disabled')
    throw new BusbarError('act.refused', `${name} is disabled: enable the user first`)
  return link
}

/** What of a user changes; what is left out stays. `systems: null` lifts the limit. */
export interface UserChange {
  readonly role?: UserRole | undefined
  readonly systems?: readonly string[] | null | undefined
  readonly disabled?: boolean | undefined
  readonly reason?: string | undefined
}

/**
 * Changes a user; another role, or being disabled, ends the sessions. Throws `request.not-found`, and `act.refused` when
 * nobody would be left who may manage users.
 */
export async function changeUser(
  database: Database,
  name: string,
  { change, actor }: { readonly change: UserChange; readonly actor: string },
): Promise<UserFacts> {
  const { role = null, systems, disabled = null, reason = null } = change
  const [row] = await database.query<{ result: string }>({
    text: 'SELECT change_user($1, $2, $3, $4, $5, $6, $7) AS result',
    values: [name, role, systems !== undefined, systems ?? null, disabled, actor, reason],
  })
  if (row?.result === 'last')
    throw new BusbarError('act.refused', `${name} is the only admin who can sign in: make another one first`)
  return findUser(database, name)
}

const columns = `u.name, u.role, u.systems, u.created_at, u.signed_in_at, u.disabled_at,
  u.password IS NOT NULL AS has_password, u.subject IS NOT NULL AS has_subject,
  (SELECT max(l.expires_at) FROM one_time_links l WHERE l.user_id = u.id AND l.expires_at > clock_timestamp()) AS link_until,
  (SELECT count(*) FROM sessions s WHERE s.user_id = u.id AND s.expires_at > clock_timestamp()) AS sessions`

/** A page of users by name. */
export function listUsers(
  database: Database,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<UserFacts[]> {
  return database.query<UserFacts>({
    text: `SELECT ${columns} FROM users u WHERE u.name > $1 ORDER BY u.name LIMIT $2`,
    values: [after, limit],
  })
}

/** The user of this name; throws `request.not-found`. */
export async function findUser(database: Database, name: string): Promise<UserFacts> {
  const [user] = await database.query<UserFacts>({
    text: `SELECT ${columns} FROM users u WHERE u.name = $1`,
    values: [name],
  })
  if (!user) throw noUser(name)
  return user
}

/** Ends all sessions of a user, in the audit trail; how many there were. Throws `request.not-found`. */
export async function signOutUser(database: Database, name: string, actor: string): Promise<number> {
  await findUser(database, name)
  const [row] = await database.query<{ ended: number }>({
    text: `WITH ended AS (DELETE FROM sessions s USING users u WHERE s.user_id = u.id AND u.name = $1 RETURNING s.id),
                told AS (INSERT INTO audit (actor, verb, object, after)
                         SELECT $2, 'sign out', 'user ' || $1, jsonb_build_object('sessions', count(*)) FROM ended)
           SELECT count(*) AS ended FROM ended`,
    values: [name, actor],
  })
  return row?.ended ?? 0
}

function newLink(seconds: number): OneTimeLink {
  return { token: newToken(), expiresAt: new Date(Date.now() + seconds * 1_000).toISOString() }
}

function noUser(name: string): BusbarError {
  return new BusbarError('request.not-found', `there is no user named ${name}`)
}
