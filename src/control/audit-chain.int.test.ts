import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import type { AuditVerified } from './schema/audit.ts'

let rig: ControlRig
beforeEach(async () => {
  rig = await openControlRig()
  await rig.sql(`INSERT INTO systems (name) VALUES ('erp')`)
})
afterEach(() => rig.close())

const acts = 8

/** Eight acts, each an entry with a before and an after. */
async function someActs(): Promise<void> {
  for (let at = 0; at < acts; at++)
    await rig.ask(at % 2 === 0 ? 'pauseSystem' : 'resumeSystem', { name: 'erp', reason: `act ${at + 1}` })
}

/** As somebody would who has the database: past the triggers. */
async function tamper(sql: string): Promise<void> {
  for (const table of ['audit', 'audit_chain']) await rig.sql(`ALTER TABLE ${table} DISABLE TRIGGER USER`)
  await rig.sql(sql)
  for (const table of ['audit', 'audit_chain']) await rig.sql(`ALTER TABLE ${table} ENABLE TRIGGER USER`)
}

const verify = (after?: number): Promise<AuditVerified> =>
  rig.ask('verifyAudit', after === undefined ? {} : { after })

it('each act is sealed in its own transaction, in the order of commits', async () => {
  await someActs()
  expect(await verify()).toMatchObject({ checked: acts, broken: null, head: { number: acts }, next: null })
  const { items } = await rig.ask('listAudit', {})
  expect(items.map(({ number }) => number)).toEqual([8, 7, 6, 5, 4, 3, 2, 1])
  expect(new Set(items.map(({ hash }) => hash)).size).toBe(acts)
  expect(items[0]?.hash).toMatch(/^[0-9a-f]{64}$/)
})

it('acts that are made at once stand in one chain, without a gap', async () => {
  await rig.sql(`INSERT INTO systems (name) SELECT 's' || n FROM generate_series(1, 40) n`)
  await Promise.all(
    Array.from({ length: 40 }, (_, at) => rig.ask('pauseSystem', { name: `s${at + 1}`, reason: 'at once' })),
  )
  expect(await verify()).toMatchObject({ checked: 40, broken: null, head: { number: 40 } })
})

it('acts of many runs that lock them in other orders do not wait for each other in a circle', async () => {
  const entry = `INSERT INTO audit (actor, verb, object) VALUES ('ada', 'act', 'a')`
  const lock = `PERFORM FROM systems WHERE name = 'erp' FOR UPDATE`
  const long = (...parts: string[]) =>
    rig.sql(`DO $$ BEGIN ${parts.join('; PERFORM pg_sleep(0.2); ')}; END $$`)
  await Promise.all([long(entry, lock), long(lock, entry), long(entry, lock, entry)])
  expect(await verify()).toMatchObject({ checked: 4, broken: null })
})

it('what is rolled back leaves no gap', async () => {
  await rig.ask('pauseSystem', { name: 'erp' })
  await expect(
    rig.sql(
      `DO $$ BEGIN INSERT INTO audit (actor, verb, object) VALUES ('x', 'y', 'z'); RAISE EXCEPTION 'no'; END $$`,
    ),
  ).rejects.toThrow('no')
  await rig.ask('resumeSystem', { name: 'erp' })
  expect(await verify()).toMatchObject({ checked: 2, broken: null, head: { number: 2 } })
})

it('the database refuses to change, remove or empty the trail', async () => {
  await someActs()
  for (const statement of [
    `UPDATE audit SET actor = 'nobody'`,
    'DELETE FROM audit',
    'TRUNCATE audit',
    'UPDATE audit_chain SET number = number + 100',
    'DELETE FROM audit_chain',
    'TRUNCATE audit_chain',
  ])
    await expect(rig.sql(statement), statement).rejects.toThrow('append-only')
  expect(await verify()).toMatchObject({ checked: acts, broken: null })
})

describe('whoever gets past the triggers is found, and the first broken entry named:', () => {
  const cases: readonly (readonly [string, string, Partial<NonNullable<AuditVerified['broken']>>])[] = [
    ['another actor', `UPDATE audit SET actor = 'eve' WHERE id = 3`, { number: 3, id: 3, why: 'changed' }],
    [
      'another time',
      `UPDATE audit SET at = at + interval '1 us' WHERE id = 2`,
      { number: 2, why: 'changed' },
    ],
    ['another reason', `UPDATE audit SET reason = NULL WHERE id = 8`, { number: 8, why: 'changed' }],
    ['another before', `UPDATE audit SET before = 'null' WHERE id = 4`, { number: 4, why: 'changed' }],
    [
      'another after',
      `UPDATE audit SET after = '{"paused": 1}' WHERE id >= 5`,
      { number: 5, why: 'changed' },
    ],
    ['an entry removed', 'DELETE FROM audit WHERE id = 6', { number: 6, id: 6, why: 'missing' }],
    [
      'two exchanged',
      `UPDATE audit_chain SET entry = 17 - entry WHERE entry IN (8, 9) OR entry = 8`,
      { number: 8 },
    ],
    [
      'an entry removed with its place',
      'DELETE FROM audit_chain WHERE number = 4; DELETE FROM audit WHERE id = 4',
      { number: 5, why: 'gap' },
    ],
    [
      'the same, and all after it moved up',
      'DELETE FROM audit_chain WHERE number = 4; DELETE FROM audit WHERE id = 4; UPDATE audit_chain SET number = -number + 1 WHERE number > 4; UPDATE audit_chain SET number = -number WHERE number < 0',
      { number: 4, why: 'changed' },
    ],
    ['the first removed', 'DELETE FROM audit_chain WHERE number = 1', { number: 2, why: 'gap' }],
    [
      'an entry added from outside',
      `INSERT INTO audit (actor, verb, object) VALUES ('eve', 'retry', 'run x/1')`,
      { number: null, id: 9, why: 'unchained' },
    ],
    [
      'a hash made up',
      `UPDATE audit_chain SET hash = sha256('made up') WHERE number = 7`,
      { number: 7, why: 'changed' },
    ],
  ]
  it.each(cases)('%s', async (_, sql, broken) => {
    await someActs()
    await tamper(sql)
    const found = (await verify()).broken
    expect(found).toMatchObject(broken)
    expect(found?.message).toMatch(/entry/)
  })

  it('the end cut off: by the head that was noted before', async () => {
    await someActs()
    const { head } = await verify()
    await tamper('DELETE FROM audit_chain WHERE number = 8; DELETE FROM audit WHERE id = 8')
    expect((await verify()).broken).toBeNull()
    const noted = `${head?.number}:${head?.hash}`
    expect((await rig.ask('verifyAudit', { expect: noted })).broken).toMatchObject({
      number: 8,
      why: 'rewritten',
    })
    await rig.ask('pauseSystem', { name: 'erp', reason: 'another act in its place' })
    expect((await rig.ask('verifyAudit', { expect: noted })).broken).toMatchObject({
      number: 8,
      why: 'rewritten',
    })
  })
})

it('verifies from any entry on', async () => {
  await someActs()
  await tamper(`UPDATE audit SET actor = 'eve' WHERE id = 3`)
  expect(await verify(2)).toMatchObject({ broken: { number: 3 } })
  expect(await verify(3)).toMatchObject({ checked: 5, broken: null, head: { number: 8 } })
  expect(await verify(8)).toMatchObject({ checked: 0, broken: null, head: null, next: null })
})

it('is listed by actor, verb, object and kind, page by page', async () => {
  await someActs()
  await rig.ask('setLink', { kind: 'order', id: 'A', system: 'erp', external: '1', reason: 'seen' })
  const count = async (query: object) => (await rig.ask('listAudit', query)).items.length
  expect(await count({ verb: 'pause' })).toBe(4)
  expect(await count({ object: 'system erp', verb: 'resume' })).toBe(4)
  expect(await count({ kind: 'order', verb: 'link' })).toBe(1)
  expect(await count({ actor: 'local' })).toBe(9)
  expect(await count({ actor: 'nobody' })).toBe(0)
  const first = await rig.ask('listAudit', { kind: 'system', limit: 5 })
  const second = await rig.ask('listAudit', { kind: 'system', limit: 5, before: Number(first.next) })
  expect([...first.items, ...second.items].map(({ reason }) => reason)).toEqual(
    [8, 7, 6, 5, 4, 3, 2, 1].map((at) => `act ${at}`),
  )
  expect(second.next).toBeNull()
})

it('entries from before the chain was there are sealed by the migration', async () => {
  await someActs()
  await tamper('TRUNCATE audit_chain')
  await rig.sql(
    `DO $$ DECLARE r record; BEGIN FOR r IN SELECT id FROM audit ORDER BY id LOOP PERFORM chain_audit(r.id); END LOOP; END $$`,
  )
  expect(await verify()).toMatchObject({ checked: acts, broken: null })
})
