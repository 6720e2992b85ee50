import { randomBytes } from 'node:crypto'
import type { AccessSettings } from '../define/access-config.ts'
import type { UserRole } from '../define/access-config.ts'
import { BusbarError } from '../errors.ts'
import type { Database } from '../journal/database.ts'
import type { Caller } from './caller.ts'
import { actorOfUser, scopesOfRole } from './caller.ts'
import { isToken, newToken, tokenHash } from './token.ts'

/** How long sessions last. */
export type SessionLife = Pick<AccessSettings, 'idleMs' | 'longestMs'>

/** From where somebody signs in; shown to that person alone. */
export interface Device {
  readonly address: string
  /** The browser's own words, cut to 200 characters. */
  readonly agent: string
}

/** A session as its person sees it. */
export interface SessionFacts {
  readonly id: string
  readonly created_at: Date
  readonly seen_at: Date
  readonly expires_at: Date
  readonly address: string
  readonly agent: string
}

/** Sessions of one user at most; the oldest ends. */
const mostSessions = 20

/**
 * Begins a session under a token that never was before, and answers the token, this once. `password` is the hash by which
 * the person was known. Throws `request.unauthorized` when the user is disabled, or that hash is not the user's any more.
 */
export async function beginSession(
  database: Database,
  user: { readonly id: number; readonly password?: string | null },
  { life, device }: { readonly life: SessionLife; readonly device: Device },
): Promise<string> {
  const token = newToken()
  const [row] = await database.query<{ begun: boolean }>({
    text: 'SELECT begin_session($1, $2, $3, $4, $5, $6, $7, $8) AS begun',
    values: [
      user.id,
      tokenHash(token),
      randomBytes(8).toString('hex'),
      Math.round(life.longestMs / 1_000),
      mostSessions,
      device.address,
      device.agent.slice(0, 200),
      user.password ?? null,
    ],
  })
  if (!row?.begun)
    throw new BusbarError('request.unauthorized', 'this user is disabled, or has another password now')
  return token
}

/**
 * Who a token belongs to; undefined when its session has ended, or no person has used it for too long. `attended`: a person
 * uses it now. One query, never cached: an end counts at once.
 */
export async function findSession(
  database: Database,
  token: string,
  { idleMs, attended = false }: SessionLife & { readonly attended?: boolean },
): Promise<Caller | undefined> {
  if (!isToken(token)) return undefined
  const hash = tokenHash(token)
  const [row] = await database.query<SessionRow>({
    name: 'find-session',
    text: 'SELECT id, user_id, name, role, systems FROM find_session($1, $2, $3)',
    values: [hash, Math.round(idleMs / 1_000), attended],
  })
  return row && callerOf(row, hash)
}

interface SessionRow {
  readonly id: string
  readonly user_id: number
  readonly name: string
  readonly role: UserRole
  readonly systems: string[] | null
}

function callerOf({ id, user_id, name, role, systems }: SessionRow, hash: string): Caller {
  return {
    id: actorOfUser(name),
    scopes: scopesOfRole[role],
    ...(systems && { systems }),
    session: { id, hash, userId: user_id, userName: name, role },
  }
}

/** The sessions of a user, last used first. */
export function listSessions(database: Database, userId: number): Promise<SessionFacts[]> {
  return database.query<SessionFacts>({
    text: `SELECT id, created_at, seen_at, expires_at, address, agent FROM sessions
           WHERE user_id = $1 AND expires_at > clock_timestamp() ORDER BY seen_at DESC, id LIMIT $2`,
    values: [userId, mostSessions],
  })
}

/** Ends one session of a user, or without an id all of them; the number of those that ended. */
export async function endSessions(database: Database, userId: number, id?: string): Promise<number> {
  const rows = await database.query({
    text: `DELETE FROM sessions WHERE user_id = $1 AND ($2::text IS NULL OR id = $2) RETURNING id`,
    values: [userId, id ?? null],
  })
  return rows.length
}
