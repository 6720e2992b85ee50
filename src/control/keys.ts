import { hash, randomBytes } from 'node:crypto'
import type { Authenticate, Principal, Scope } from '../ingress/principal.ts'
import { BusbarError } from '../errors.ts'
import type { Database } from '../journal/database.ts'

/** An API key as it may be shown: the key itself is not stored. */
export interface ApiKey {
  readonly id: string
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly createdAt: string
  readonly revokedAt: string | null
}

export const allScopes = ['publish', 'read', 'operate'] as const satisfies readonly Scope[]

const digest = (key: string) => hash('sha256', key, 'hex')

/** Makes a key; `key` is shown this once, its SHA-256 is stored. Throws `act.refused` when the name is taken. */
export async function createKey(
  database: Database,
  options: { readonly name: string; readonly scopes: readonly Scope[]; readonly actor: string },
): Promise<ApiKey & { readonly key: string }> {
  const key = `bb_${randomBytes(32).toString('base64url')}`
  const id = randomBytes(6).toString('hex')
  const rows = await database.query<KeyRow>({
    text: `WITH made AS (
             INSERT INTO api_keys (id, name, hash, scopes) VALUES ($1, $2, $3, $4::text[]) ON CONFLICT DO NOTHING RETURNING *
           ), noted AS (
             INSERT INTO audit (actor, verb, object, after)
             SELECT $5, 'create', 'key ' || name, jsonb_build_object('id', id, 'scopes', scopes) FROM made
           ) SELECT * FROM made`,
    values: [id, options.name, digest(key), options.scopes, options.actor],
  })
  const [row] = rows
  if (!row) throw new BusbarError('act.refused', `there is a key named "${options.name}" already`)
  return { ...keyOf(row), key }
}

/** All keys, revoked ones too. */
export async function listKeys(database: Database): Promise<ApiKey[]> {
  const rows = await database.query<KeyRow>({ text: 'SELECT * FROM api_keys ORDER BY created_at, id' })
  return rows.map(keyOf)
}

/** Revokes the key of this name; every process knows within 5 s. Throws `request.not-found`. */
export async function revokeKey(
  database: Database,
  options: { readonly name: string; readonly actor: string },
): Promise<ApiKey> {
  const [row] = await database.query<KeyRow>({
    text: `WITH gone AS (
             UPDATE api_keys SET revoked_at = coalesce(revoked_at, clock_timestamp()) WHERE name = $1 RETURNING *
           ), noted AS (
             INSERT INTO audit (actor, verb, object) SELECT $2, 'revoke', 'key ' || name FROM gone
           ) SELECT * FROM gone`,
    values: [options.name, options.actor],
  })
  if (!row) throw new BusbarError('request.not-found', `there is no key named "${options.name}"`)
  return keyOf(row)
}

interface KeyRow {
  readonly id: string
  readonly name: string
  readonly scopes: Scope[]
  readonly created_at: Date
  readonly revoked_at: Date | null
}

function keyOf({ id, name, scopes, created_at, revoked_at }: KeyRow): ApiKey {
  return {
    id,
    name,
    scopes,
    createdAt: created_at.toISOString(),
    revokedAt: revoked_at?.toISOString() ?? null,
  }
}

const cacheMs = 5_000
const maxCached = 1_000

/** Finds who a key belongs to: by its hash, remembered for 5 s, unknown keys too, so that guessing does not reach the database each time. */
export function authenticator(database: () => Database): Authenticate {
  const cache = new Map<string, { principal: Principal | undefined; until: number }>()
  return (key) => {
    if (key === undefined || key.length > 200) return undefined
    const hashed = digest(key)
    const known = cache.get(hashed)
    if (known && known.until > performance.now()) return known.principal
    return lookUp(hashed)
  }

  async function lookUp(hashed: string): Promise<Principal | undefined> {
    const [row] = await database().query<{ name: string; scopes: Scope[] }>({
      text: 'SELECT name, scopes FROM api_keys WHERE hash = $1 AND revoked_at IS NULL',
      values: [hashed],
    })
    const principal = row && { id: row.name, scopes: row.scopes }
    if (cache.size >= maxCached) cache.delete(cache.keys().next().value as string)
    cache.delete(hashed)
    cache.set(hashed, { principal, until: performance.now() + cacheMs })
    return principal
  }
}
