import { createHash, randomBytes } from 'node:crypto'
import { checkName } from '../define/name.ts'
import { BusbarError } from '../errors.ts'
import type { Authenticate, Principal, Scope } from '../ingress/principal.ts'
import type { Database } from '../journal/database.ts'
import type { DatabaseTime } from './moment.ts'
import { iso, isoAlways } from './moment.ts'

/** An API key as it is listed; the key itself is shown once, when it is made, and never stored. */
export interface ApiKey {
  readonly id: string
  /** Stands in the audit trail as `key:<name>`; never given a second time. */
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly createdAt: string
  readonly revokedAt: string | null
}

/** All scopes there are. */
export const allScopes = ['publish', 'read', 'operate', 'admin'] as const satisfies readonly Scope[]

/** Most keys that may be in force at once: the cache of `authenticator` holds them all. */
const maxKeys = 1_000
const maxAgeMs = 4_000
const shape = /^bb_[A-Za-z0-9_-]{43}$/

/**
 * Makes an API key and answers it, this once. Only its SHA-256 is stored: it is 256 random bits, which nobody can try.
 * Throws `config.invalid` for a bad name or no scope, `act.refused` when the name was given before.
 */
export async function createKey(
  database: Database,
  options: { readonly name: string; readonly scopes: readonly Scope[]; readonly actor: string },
): Promise<ApiKey & { readonly key: string }> {
  const { name, actor } = options
  checkName('key name', name)
  const scopes = allScopes.filter((scope) => options.scopes.includes(scope))
  if (scopes.length === 0 || options.scopes.some((scope) => !allScopes.includes(scope)))
    throw new BusbarError('config.invalid', `a key needs at least one scope of ${allScopes.join(', ')}`)
  const key = `bb_${randomBytes(32).toString('base64url')}`
  const id = randomBytes(8).toString('hex')
  const [row] = await database.query<{ result: 'done' | 'taken' | 'full' }>({
    text: 'SELECT create_api_key($1, $2, $3, $4, $5, $6) AS result',
    values: [id, name, hashOf(key), scopes, maxKeys, actor],
  })
  if (row?.result === 'taken')
    throw new BusbarError('act.refused', `there is, or was, a key named ${name}: give another name`)
  if (row?.result === 'full')
    throw new BusbarError('act.refused', `there are ${maxKeys} keys in force: revoke some first`)
  return { ...(await findKey(database, name)), key }
}

/**
 * Ends a key for good; every process refuses it within 5 s. Safe to call twice. Throws `request.not-found` when there is
 * none of this name.
 */
export async function revokeKey(
  database: Database,
  options: { readonly name: string; readonly actor: string; readonly reason?: string },
): Promise<ApiKey> {
  const { name, actor, reason = null } = options
  await database.query({ text: 'SELECT revoke_api_key($1, $2, $3)', values: [name, actor, reason] })
  return findKey(database, name)
}

/** The keys, those in force first, newest first; at most 2,000. */
export async function listKeys(database: Database): Promise<ApiKey[]> {
  const rows = await database.query<KeyRow>({
    text: `SELECT id, name, scopes, created_at, revoked_at FROM api_keys
           ORDER BY revoked_at IS NOT NULL, created_at DESC, id LIMIT 2000`,
  })
  return rows.map(apiKey)
}

async function findKey(database: Database, name: string): Promise<ApiKey> {
  const [row] = await database.query<KeyRow>({
    text: 'SELECT id, name, scopes, created_at, revoked_at FROM api_keys WHERE name = $1',
    values: [name],
  })
  if (!row) throw new BusbarError('request.not-found', `there is no key named ${name}`)
  return apiKey(row)
}

interface KeyRow {
  readonly id: string
  readonly name: string
  readonly scopes: Scope[]
  readonly created_at: DatabaseTime
  readonly revoked_at: DatabaseTime
}

function apiKey({ id, name, scopes, created_at, revoked_at }: KeyRow): ApiKey {
  return { id, name, scopes, createdAt: isoAlways(created_at), revokedAt: iso(revoked_at) }
}

/**
 * Finds who a key belongs to. The keys in force are held in memory for at most 4 s, so a revoked one is refused within
 * 5 s; a key that is not among them is looked up at once, so a new one works at once. At most one query is under way at
 * a time, however many wrong keys come in. Rejects with `journal.unavailable` when the journal does not answer.
 */
export function authenticator(database: Database): Authenticate {
  const known = new KnownKeys(database)
  return (key) => (key === undefined || !shape.test(key) ? undefined : known.find(hashOf(key)))
}

/** The keys in force, as of a moment. */
class KnownKeys {
  readonly #database: Database
  #principals: ReadonlyMap<string, Principal> = new Map()
  #asOf = Number.NEGATIVE_INFINITY
  #loading: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(database: Database) {
    this.#database = database
  }

  find(hash: string): Promise<Principal | undefined> | Principal | undefined {
    const principal = this.#principals.get(hash)
    const ageMs = Date.now() - this.#asOf
    return principal && ageMs >= 0 && ageMs < maxAgeMs ? principal : this.#lookUp(hash)
  }

  async #lookUp(hash: string): Promise<Principal | undefined> {
    await this.#load()
    return this.#principals.get(hash)
  }

  /** Resolves after a query that began after the call: one under way may have missed the key that is asked for. */
  #load(): Promise<void> {
    if (!this.#loading) {
      this.#loading = this.#query().finally(() => (this.#loading = undefined))
      return this.#loading
    }
    this.#next ??= this.#loading
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined
        return this.#load()
      })
    return this.#next
  }

  async #query(): Promise<void> {
    const asOf = Date.now()
    const rows = await this.#database.query<{ name: string; hash: string; scopes: Scope[] }>({
      name: 'keys-in-force',
      text: 'SELECT name, hash, scopes FROM api_keys WHERE revoked_at IS NULL ORDER BY created_at LIMIT $1',
      values: [maxKeys],
    })
    this.#principals = new Map(
      rows.map((row) => [row.hash, { id: `key:${row.name}`, scopes: row.scopes }] as const),
    )
    this.#asOf = asOf
  }
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}
