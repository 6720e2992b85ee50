import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig, request } from '../../test/scenario/control-rig.ts'
import type { Database } from '../journal/database.ts'
import { authenticator, createKey, listKeys, revokeKey } from './keys.ts'

let rig: ControlRig
beforeEach(async () => {
  rig = await openControlRig((database) => ({ authenticate: authenticator(database) }))
})
afterEach(async () => {
  vi.useRealTimers()
  await rig.close()
})

const actor = 'ada'
const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

it('a key is shown once, and only its hash is stored', async () => {
  const { key, ...made } = await createKey(rig.database, {
    name: 'console',
    scopes: ['operate', 'read'],
    actor,
  })
  expect(key).toMatch(/^bb_[A-Za-z0-9_-]{43}$/)
  expect(made).toMatchObject({ name: 'console', scopes: ['read', 'operate'], revokedAt: null })
  expect(await listKeys(rig.database)).toEqual([made])
  const stored =
    JSON.stringify(await rig.sql('SELECT * FROM api_keys')) +
    JSON.stringify(await rig.sql('SELECT * FROM audit'))
  expect(stored).not.toContain(key.slice(3))
})

it('names are never given twice, and what makes no sense is refused', async () => {
  await createKey(rig.database, { name: 'cli', scopes: ['read'], actor })
  await revokeKey(rig.database, { name: 'cli', actor, reason: 'lost' })
  const again = createKey(rig.database, { name: 'cli', scopes: ['read'], actor })
  await expect(again).rejects.toMatchObject({ code: 'act.refused' })
  for (const options of [
    { name: 'two words', scopes: ['read'] as const },
    { name: 'idle', scopes: [] },
    { name: 'odd', scopes: ['root' as 'read'] },
  ])
    await expect(createKey(rig.database, { ...options, actor })).rejects.toMatchObject({
      code: 'config.invalid',
    })
  const unknown = revokeKey(rig.database, { name: 'nobody', actor })
  await expect(unknown).rejects.toMatchObject({ code: 'request.not-found' })
})

it('making and revoking a key stands in the audit trail, once', async () => {
  await createKey(rig.database, { name: 'cli', scopes: ['read'], actor })
  const first = await revokeKey(rig.database, { name: 'cli', actor, reason: 'lost' })
  expect(await revokeKey(rig.database, { name: 'cli', actor })).toEqual(first)
  expect(await rig.sql('SELECT actor, verb, object, reason FROM audit ORDER BY id')).toEqual([
    { actor, verb: 'create', object: 'key cli', reason: null },
    { actor, verb: 'revoke', object: 'key cli', reason: 'lost' },
  ])
})

it('401 without a key that counts, 403 without the scope; operate includes read', async () => {
  const key = async (name: string, ...scopes: ('publish' | 'read' | 'operate')[]) =>
    bearer((await createKey(rig.database, { name, scopes, actor })).key)
  const [publish, read, operate] = [
    await key('p', 'publish'),
    await key('r', 'read'),
    await key('o', 'operate'),
  ]
  const ask = async (id: 'status' | 'pauseGroup', headers?: Record<string, string>) => {
    const response = await request(rig.app, id, id === 'pauseGroup' ? { name: 'none' } : {}, headers)
    return [response.statusCode, response.json<{ code?: string }>().code]
  }
  for (const headers of [undefined, bearer('bb_short'), bearer(`bb_${'x'.repeat(43)}`)])
    expect(await ask('status', headers)).toEqual([401, 'request.unauthorized'])
  expect(await ask('status', publish)).toEqual([403, 'request.forbidden'])
  expect(await ask('status', read)).toEqual([200, undefined])
  expect(await ask('status', operate)).toEqual([200, undefined])
  expect(await ask('pauseGroup', read)).toEqual([403, 'request.forbidden'])
  expect(await ask('pauseGroup', operate)).toEqual([404, 'request.not-found'])
  const without = await request(rig.app, 'status')
  expect(without.headers['www-authenticate']).toBe('Bearer')
})

it('the key that acted stands in the audit trail', async () => {
  await rig.sql(`INSERT INTO systems (name) VALUES ('erp')`)
  const { key } = await createKey(rig.database, { name: 'night-shift', scopes: ['operate'], actor })
  await request(rig.app, 'pauseSystem', { name: 'erp', reason: 'smoke' }, bearer(key))
  const [, entry] = await rig.sql('SELECT actor, verb, object, reason FROM audit ORDER BY id')
  expect(entry).toEqual({ actor: 'key:night-shift', verb: 'pause', object: 'system erp', reason: 'smoke' })
})

it('a revoked key is refused within 5 s, and until then asks the journal nothing', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  const { database, queries } = counted(rig.database)
  const authenticate = authenticator(database)
  const { key } = await createKey(rig.database, { name: 'cli', scopes: ['read'], actor })
  expect(await authenticate(key)).toEqual({ id: 'key:cli', scopes: ['read'] })
  await revokeKey(rig.database, { name: 'cli', actor })
  vi.advanceTimersByTime(3_900)
  expect(await authenticate(key)).toBeDefined()
  expect(queries()).toBe(1)
  vi.advanceTimersByTime(1_000)
  expect(await authenticate(key)).toBeUndefined()
})

it('a new key works at once, and wrong keys share their queries', async () => {
  const { database, queries } = counted(rig.database)
  const authenticate = authenticator(database)
  expect(await authenticate(`bb_${'w'.repeat(43)}`)).toBeUndefined()
  const { key } = await createKey(rig.database, { name: 'new', scopes: ['read'], actor })
  expect(await authenticate(key)).toBeDefined()
  const before = queries()
  const wrong = Array.from({ length: 500 }, async (_, index) =>
    authenticate(`bb_${String(index).padStart(43, 'x')}`),
  )
  expect(new Set(await Promise.all(wrong))).toEqual(new Set([undefined]))
  expect(queries() - before).toBeLessThanOrEqual(2)
  expect(await authenticate('no key at all')).toBeUndefined()
})

it('says that the journal is away instead of refusing a key that may be good', async () => {
  const away: Database = { ...rig.database, query: () => Promise.reject(new Error('away')) }
  const authenticate = authenticator(away)
  await expect(authenticate(`bb_${'w'.repeat(43)}`)).rejects.toThrow('away')
})

function counted(database: Database): { database: Database; queries: () => number } {
  let count = 0
  const query: Database['query'] = (statement) => {
    count++
    return database.query(statement)
  }
  return { database: { ...database, query }, queries: () => count }
}
