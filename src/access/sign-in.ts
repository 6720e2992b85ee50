import { BusbarError } from '../errors.ts'
import type { Database } from '../journal/database.ts'
import type { SessionRef } from './caller.ts'
import { hashPassword, verifyPassword, weakness } from './password.ts'
import type { Device, SessionLife } from './sessions.ts'
import { beginSession } from './sessions.ts'
import { countTry, forgetTry, noteFailed } from './throttle.ts'
import { isToken, newToken, tokenHash } from './token.ts'
import { userName } from './users.ts'

/** Where a session begins, and how long it lasts. */
export interface SignInDoor {
  readonly life: SessionLife
  readonly device: Device
}

interface StoredUser {
  readonly id: number
  readonly name: string
  readonly password: string | null
  readonly disabled: boolean
}

/**
 * Checks name and password and begins a session; answers its token. Throws `request.unauthorized`, in the same words and
 * time whether there is such a user or not, and `request.rate-limited` after too many tries.
 */
export async function signIn(
  database: Database,
  given: { readonly name: string; readonly password: string },
  door: SignInDoor,
): Promise<string> {
  const name = given.name.trim().normalize('NFC').toLowerCase()
  const attempt = { account: name, address: door.device.address }
  await countTry(database, attempt)
  const [user] = await database.query<StoredUser>({
    text: 'SELECT id, name, password, disabled_at IS NOT NULL AS disabled FROM users WHERE name = $1',
    values: [name],
  })
  const { right, renew } = await verifyPassword(given.password, user?.password)
  if (!user || !right || user.disabled) {
    await noteFailed(database, user?.id, attempt.address)
    throw new BusbarError('request.unauthorized', 'name or password is wrong')
  }
  await forgetTry(database, attempt)
  const password = renew ? await renewHash(database, user, given.password) : user.password
  return beginSession(database, { id: user.id, password }, door)
}

/** The same password at today's cost; answers its hash. */
async function renewHash(database: Database, user: StoredUser, password: string): Promise<string> {
  const hash = await hashPassword(password)
  await database.query({
    text: 'UPDATE users SET password = $3 WHERE id = $1 AND password = $2',
    values: [user.id, user.password, hash],
  })
  return hash
}

/** What a link is for, before it is used. */
export interface LinkFacts {
  readonly kind: 'first' | 'invite' | 'reset'
  /** Null: the first admin chooses. */
  readonly name: string | null
  readonly role: 'viewer' | 'operator' | 'admin'
  readonly expires_at: Date
}

/** What a link is for. Throws `request.not-found` when it was used, has run out, or never was. */
export async function lookAtLink(database: Database, token: string): Promise<LinkFacts> {
  const [link] = isToken(token)
    ? await database.query<LinkFacts>({
        text: `SELECT l.kind, u.name, coalesce(u.role, 'admin') AS role, l.expires_at
               FROM one_time_links l LEFT JOIN users u ON u.id = l.user_id
               WHERE l.hash = $1 AND l.expires_at > clock_timestamp()
                 AND CASE l.kind WHEN 'first' THEN NOT EXISTS (SELECT FROM users) ELSE u.disabled_at IS NULL END`,
        values: [tokenHash(token)],
      })
    : []
  if (!link) throw linkGone()
  return link
}

/** Uses a link up: sets the password (and the first admin's name), ends the user's other sessions, begins one. Throws `request.not-found` and `request.invalid`. */
export async function acceptLink(
  database: Database,
  given: { readonly token: string; readonly name?: string | undefined; readonly password: string },
  door: SignInDoor,
): Promise<string> {
  const link = await lookAtLink(database, given.token)
  const name = link.name ?? userName(given.name ?? '')
  refuseWeak(given.password, name)
  const password = await hashPassword(given.password)
  const [row] = await database.query<{ result: string; id: number }>({
    text: 'SELECT result, id FROM use_link($1, $2, $3)',
    values: [tokenHash(given.token), name, password],
  })
  if (row?.result !== 'done') throw linkGone()
  await forgetTry(database, { account: name, address: door.device.address })
  return beginSession(database, row, door)
}

/**
 * Sets a person's own password, who must know the present one if there is one; other sessions end, and this one goes on
 * under a new token, which is answered. Throws `request.forbidden` when the present password is wrong, `request.rate-limited`
 * after too many tries.
 */
export async function changePassword(
  database: Database,
  session: SessionRef,
  given: { readonly current: string; readonly password: string; readonly address: string },
): Promise<string> {
  const attempt = { account: session.userName, address: given.address }
  await countTry(database, attempt)
  const [user] = await database.query<{ password: string | null }>({
    text: 'SELECT password FROM users WHERE id = $1',
    values: [session.userId],
  })
  if (user?.password === null)
    throw new BusbarError(
      'act.refused',
      'you sign in by your company account: there is no password to change',
    )
  const { right } = await verifyPassword(given.current, user?.password)
  if (!right) {
    await noteFailed(database, session.userId, attempt.address)
    throw new BusbarError('request.forbidden', 'the present password is wrong')
  }
  await forgetTry(database, attempt)
  refuseWeak(given.password, session.userName)
  const token = newToken()
  await database.query({
    text: 'SELECT change_password($1, $2, $3, $4)',
    values: [session.userId, await hashPassword(given.password), session.hash, tokenHash(token)],
  })
  return token
}

function refuseWeak(password: string, name: string): void {
  const why = weakness(password, name)
  if (why !== undefined)
    throw new BusbarError('request.invalid', `choose another password: ${why}`, {
      details: { faults: [{ pointer: '/body/password', message: why }] },
    })
}

function linkGone(): BusbarError {
  return new BusbarError(
    'request.not-found',
    'this link was used already, or has run out: ask an admin for a new one',
  )
}
