import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Browser } from '../../test/scenario/browser.ts'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import { signedIn } from '../../test/scenario/people.ts'
import type { Scope } from '../ingress/principal.ts'
import { allScopes, authenticator, createKey, revokeKey } from './keys.ts'
import type { RouteScope } from './route.ts'
import type { RouteId } from './route-table.ts'
import { routes } from './route-table.ts'

let rig: ControlRig
beforeAll(async () => {
  rig = await openControlRig((database) => ({ authenticate: authenticator(database) }))
  await theBusiness()
})
afterAll(() => rig.close())

/** Two flows, each with one system; a parked run of each, its problem, a replay. */
async function theBusiness(): Promise<void> {
  for (const [at, system] of (['erp', 'shop'] as const).entries()) {
    await rig.sql('INSERT INTO systems (name) VALUES ($1)', [system])
    await rig.sql(
      `INSERT INTO flows (name, grp, ord, version, types, type_after, declaration, from_seq)
       VALUES ($1, $2, 0, 1, '{}', '{}', $3, 0)`,
      [`to-${system}`, system, { steps: [{ name: 'send', kind: 'call', after: [], system }] }],
    )
    await rig.sql('INSERT INTO lane_groups (grp, part, parts) VALUES ($1, 0, 1)', [system])
    await rig.sql(
      `INSERT INTO runs (flow, seq, gen, state, system, grp, key, khash, lord, ord)
       VALUES ((SELECT id FROM flows WHERE name = $1), $2, 0, 4, (SELECT id FROM systems WHERE name = $3), $3, 'A', 0, 1, 0)`,
      [`to-${system}`, at + 1, system],
    )
    await rig.sql(
      `INSERT INTO replays (flow, selection, keys, head, plan, rate, max_errors, ramp, created_by, reason)
       VALUES ((SELECT id FROM flows WHERE name = $1), '{}', 'same', 0, '{"states": {}}', 1, 1, '{}', 'ada', 'x')`,
      [`to-${system}`],
    )
    await rig.sql(
      `INSERT INTO bulk_acts (verb, selection, max_errors, ramp, created_by) VALUES ('retry', '{}', 1, '{}', 'ada')`,
    )
    await rig.sql(
      `INSERT INTO bulk_items (act, place, flow, seq, gen, state)
       VALUES ($2::bigint, 1, (SELECT id FROM flows WHERE name = $1), $2, 0, 4)`,
      [`to-${system}`, at + 1],
    )
    await rig.sql(`INSERT INTO problems (fp, system, code, title) VALUES ($1, $2, 'call.invalid', 'no')`, [
      `fp-${system}`,
      system,
    ])
  }
}

interface Somebody {
  readonly as: string
  /** A fresh session each time: some operations end it. */
  readonly come: () => Promise<Browser>
  readonly scopes: readonly Scope[]
  readonly person: boolean
  readonly limited?: boolean
}

const keys = new Map<string, string>()
async function withKey(name: string, scopes: readonly Scope[]): Promise<Browser> {
  const known = keys.get(name) ?? (await createKey(rig.database, { name, scopes, actor: 'test' })).key
  keys.set(name, known)
  return new Browser(rig.app, { authorization: `Bearer ${known}` })
}

const everybody: readonly Somebody[] = [
  { as: 'nobody', come: async () => new Browser(rig.app), scopes: [], person: false },
  {
    as: 'viewer',
    come: () => signedIn(rig, { name: 'viewer', role: 'viewer' }),
    scopes: ['read'],
    person: true,
  },
  {
    as: 'operator',
    come: () => signedIn(rig, { name: 'operator', role: 'operator' }),
    scopes: ['read', 'operate'],
    person: true,
  },
  {
    as: 'operator of another system',
    come: () => signedIn(rig, { name: 'limited', role: 'operator', systems: ['elsewhere'] }),
    scopes: ['read', 'operate'],
    person: true,
    limited: true,
  },
  {
    as: 'admin',
    come: () => signedIn(rig, { name: 'admin', role: 'admin' }),
    scopes: ['read', 'operate', 'admin'],
    person: true,
  },
  ...allScopes.map((scope) => ({
    as: `key with ${scope}`,
    come: () => withKey(scope, [scope]),
    scopes: (
      {
        publish: ['publish'],
        read: ['read'],
        operate: ['read', 'operate'],
        admin: ['read', 'operate', 'admin'],
      } as const
    )[scope],
    person: false,
  })),
]

/** Enough for every operation to be asked for in earnest; what an operation takes of it its own schemas say. */
const anyInput = {
  ...{ flow: 'to-erp', seq: 1, step: 'send', id: '1', name: 'erp', system: 'erp', fingerprint: 'fp-erp' },
  ...{
    queue: 'q',
    source: 's',
    reason: 'x',
    kind: 'order',
    external: '1',
    data: {},
    result: {},
    keys: 'same',
  },
}
/** A right password would end the session; a selection by everything at once is none. */
const ownInput: { readonly [Id in RouteId]?: object } = {
  changePassword: { current: 'x', password: 'x' },
  planBulkAct: { verb: 'retry', problem: 'fp-erp' },
  setMaintenance: { name: 'erp', until: '2099-01-01T00:00:00Z' },
  endMaintenance: { name: 'erp', window: 1 },
}

function inputOf(id: RouteId): object {
  const { params, query, body } = routes[id]
  const names = [params, query, body].flatMap(({ shape }) => Object.keys(shape))
  const known = Object.entries(anyInput).filter(([name]) => names.includes(name))
  return ownInput[id] ?? Object.fromEntries(known)
}

/** What of an answer the gate decides. */
function expected(scope: RouteScope, somebody: Somebody): 'may' | 401 | 403 {
  if (scope === 'public') return 'may'
  if (somebody.as === 'nobody') return 401
  if (scope === 'self') return 'may'
  if (!somebody.scopes.includes(scope)) return 403
  return somebody.limited && scope === 'operate' ? 403 : 'may'
}

/** About a person’s own sessions: a key has none. */
const personal: readonly string[] = ['changePassword', 'listSessions', 'endSession', 'endSessions']

describe.each(everybody)('$as', (somebody) => {
  it.each((Object.keys(routes) as RouteId[]).map((id) => ({ id, scope: routes[id].scope })))(
    'asks for $id ($scope)',
    async ({ id, scope }) => {
      const { status } = await (await somebody.come()).ask(id, inputOf(id))
      const may =
        personal.includes(id) && somebody.as !== 'nobody' && !somebody.person
          ? 403
          : expected(scope, somebody)
      if (may === 'may') expect([401, 403], `${id} answers ${status}`).not.toContain(status)
      else expect(status).toBe(may)
    },
  )
})

describe('an operator limited to systems', () => {
  const acts = {
    retryRun: { flow: 'to-SYSTEM', seq: 'SEQ' },
    skipRun: { flow: 'to-SYSTEM', seq: 'SEQ', reason: 'x' },
    compensateRun: { flow: 'to-SYSTEM', seq: 'SEQ', reason: 'x' },
    previewStep: { flow: 'to-SYSTEM', seq: 'SEQ', step: 'send' },
    editStep: { flow: 'to-SYSTEM', seq: 'SEQ', step: 'send', data: {} },
    supplyResult: { flow: 'to-SYSTEM', seq: 'SEQ', step: 'send', result: {}, reason: 'x' },
    skipStep: { flow: 'to-SYSTEM', seq: 'SEQ', step: 'send', reason: 'x' },
    approveStep: { flow: 'to-SYSTEM', seq: 'SEQ', step: 'send' },
    refuseStep: { flow: 'to-SYSTEM', seq: 'SEQ', step: 'send', reason: 'x' },
    retryRuns: { system: 'SYSTEM' },
    planBulkAct: { verb: 'retry', problem: 'fp-SYSTEM' },
    startBulkAct: { id: 'SEQ' },
    pauseBulkAct: { id: 'SEQ' },
    resumeBulkAct: { id: 'SEQ' },
    cancelBulkAct: { id: 'SEQ' },
    setLink: { kind: 'order', id: 'A', system: 'SYSTEM', external: '1', reason: 'x' },
    removeLink: { kind: 'order', id: 'A', system: 'SYSTEM', reason: 'x' },
    planReplay: { flow: 'to-SYSTEM', keys: 'same', all: true, reason: 'x' },
    compareReplay: { id: 'SEQ' },
    startReplay: { id: 'SEQ' },
    pauseReplay: { id: 'SEQ' },
    resumeReplay: { id: 'SEQ' },
    cancelReplay: { id: 'SEQ' },
    testSystem: { name: 'SYSTEM' },
    setMaintenance: { name: 'SYSTEM', until: '2099-01-01T00:00:00Z' },
    endMaintenance: { name: 'SYSTEM', window: 1 },
    pauseSystem: { name: 'SYSTEM' },
    resumeSystem: { name: 'SYSTEM' },
    pauseGroup: { name: 'SYSTEM' },
    resumeGroup: { name: 'SYSTEM' },
    changeProblem: { fingerprint: 'fp-SYSTEM', note: 'x' },
  } as const satisfies { readonly [Id in RouteId]?: object }

  const about = (input: object, system: 'erp' | 'shop'): object =>
    JSON.parse(
      JSON.stringify(input)
        .replaceAll('SYSTEM', system)
        .replaceAll('"SEQ"', system === 'erp' ? '1' : '2'),
    ) as object

  it.each(Object.entries(acts))('may %s of its own system, and not of another', async (id, input) => {
    const browser = await signedIn(rig, { name: 'erp-only', role: 'operator', systems: ['erp'] })
    const other = await browser.ask(id as RouteId, about(input, 'shop'))
    expect(other).toMatchObject({ status: 403, body: { code: 'request.forbidden' } })
    expect(other.body['detail']).toContain('erp only')
    expect((await browser.ask(id as RouteId, about(input, 'erp'))).status).not.toBe(403)
  })

  it('acts on no run of another flow that stands at a step without a system', async () => {
    const browser = await signedIn(rig, { name: 'erp-only', role: 'operator', systems: ['erp'] })
    await rig.sql('UPDATE runs SET system = 0')
    expect((await browser.ask('startBulkAct', { id: 2 })).status).toBe(403)
    expect((await browser.ask('startBulkAct', { id: 1 })).status).not.toBe(403)
  })

  it('is told to say which system, where an act on many runs says none', async () => {
    const browser = await signedIn(rig, { name: 'erp-only', role: 'operator', systems: ['erp'] })
    expect((await browser.ask('retryRuns', {})).body['detail']).toContain('say which')
  })

  it('may look at everything', async () => {
    const browser = await signedIn(rig, { name: 'erp-only', role: 'operator', systems: ['erp'] })
    expect(await browser.ask('getProblem', { fingerprint: 'fp-shop' })).toMatchObject({ status: 200 })
  })
})

it('a revoked key, a user disabled meanwhile, an ended session are nobody', async () => {
  const fresh = authenticator(rig.database)
  const { key } = await createKey(rig.database, { name: 'gone', scopes: ['admin'], actor: 'test' })
  await revokeKey(rig.database, { name: 'gone', actor: 'test' })
  expect(await fresh(key)).toBeUndefined()
  const browser = await signedIn(rig, { name: 'leaver', role: 'admin' })
  await rig.sql(`UPDATE users SET disabled_at = clock_timestamp() WHERE name = 'leaver'`)
  expect(await browser.ask('status')).toMatchObject({ status: 401 })
})

it('a wrong key is not made up for by a good session', async () => {
  const browser = await signedIn(rig, { name: 'admin', role: 'admin' })
  const both = new Browser(rig.app, { authorization: `Bearer bb_${'x'.repeat(43)}`, cookie: browser.cookie })
  expect(await both.ask('status')).toMatchObject({ status: 401 })
})
