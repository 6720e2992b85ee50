import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Browser, tokenOf } from '../../test/scenario/browser.ts'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import { beginSession } from '../access/sessions.ts'
import { createFirstLink } from '../access/users.ts'
import { accessSettings } from '../define/access-config.ts'
import { authenticator } from './keys.ts'

const password = 'der rote hund bellt'
const other = 'die blaue katze schweigt'

let rig: ControlRig
beforeEach(async () => {
  rig = await openControlRig((database) => ({ authenticate: authenticator(database) }))
})
afterEach(() => rig.close())

/** The first admin, signed in. */
async function anAdmin(): Promise<Browser> {
  const link = await createFirstLink(rig.database)
  const browser = new Browser(rig.app)
  const answer = await browser.ask('acceptLink', { token: link?.token ?? '', name: 'Ada', password })
  expect(answer).toMatchObject({ status: 200, body: { kind: 'user', name: 'ada', role: 'admin' } })
  return browser
}

async function aUser(admin: Browser, name: string, role: 'viewer' | 'operator' | 'admin'): Promise<Browser> {
  const invited = await admin.ask('inviteUser', { name, role })
  const browser = new Browser(rig.app)
  const token = tokenOf(String(invited.body['url']))
  expect(await browser.ask('acceptLink', { token, password })).toMatchObject({ status: 200 })
  return browser
}

describe('the first admin', () => {
  it('comes by a link that is good once, and only while there is nobody', async () => {
    const [one, two] = [await createFirstLink(rig.database), await createFirstLink(rig.database)]
    const browser = new Browser(rig.app)
    expect((await browser.ask('signInOptions')).body).toEqual({ needed: true, firstAdmin: true, oidc: null })
    expect((await browser.ask('lookAtLink', { token: one!.token })).body).toMatchObject({
      kind: 'first',
      name: null,
      role: 'admin',
    })
    const both = await Promise.all(
      [one, two].map((link, at) =>
        new Browser(rig.app).ask('acceptLink', { token: link!.token, name: `ada${at}`, password }),
      ),
    )
    expect(both.map(({ status }) => status).sort()).toEqual([200, 404])
    expect(await rig.sql('SELECT role FROM users')).toEqual([{ role: 'admin' }])
    expect(await createFirstLink(rig.database)).toBeUndefined()
    expect(await browser.ask('lookAtLink', { token: one!.token })).toMatchObject({ status: 404 })
  })

  it('cannot come by a link that has run out, nor by a guess', async () => {
    const link = await createFirstLink(rig.database)
    await rig.sql(`UPDATE one_time_links SET expires_at = clock_timestamp()`)
    const browser = new Browser(rig.app)
    for (const token of [link!.token, 'x'.repeat(43), 'short'])
      expect(await browser.ask('acceptLink', { token, name: 'ada', password })).toMatchObject({ status: 404 })
  })

  it('must choose a password that holds', async () => {
    const link = await createFirstLink(rig.database)
    const weak = await new Browser(rig.app).ask('acceptLink', {
      token: link!.token,
      name: 'ada',
      password: 'short',
    })
    expect(weak).toMatchObject({ status: 422, body: { code: 'request.invalid' } })
    expect(await rig.sql('SELECT name FROM users')).toEqual([])
  })
})

describe('signing in', () => {
  it('by name and password gives a cookie that no script can read, and nothing secret is stored', async () => {
    await anAdmin()
    const browser = new Browser(rig.app)
    const answer = await browser.ask('signIn', { name: ' ADA ', password })
    expect(answer).toMatchObject({
      status: 200,
      body: { actor: 'user:ada', scopes: ['read', 'operate', 'admin'] },
    })
    expect(answer.headers['set-cookie']).toMatch(
      /^busbar-session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/,
    )
    expect((await browser.ask('me')).body).toMatchObject({ name: 'ada', hasPassword: true })
    const token = browser.cookie.split('=')[1] ?? ''
    for (const table of ['users', 'sessions', 'one_time_links', 'sign_in_tries', 'audit']) {
      const stored = JSON.stringify(await rig.sql(`SELECT * FROM ${table}`))
      expect(stored).not.toContain(token)
      expect(stored).not.toContain(password)
    }
    expect(await rig.sql(`SELECT verb FROM audit WHERE actor = 'user:ada' ORDER BY id`)).toEqual([
      { verb: 'join' },
      { verb: 'sign in' },
      { verb: 'sign in' },
    ])
  })

  it('over TLS the cookie is for this host and TLS alone', async () => {
    await rig.close()
    rig = await openControlRig((database) => ({
      authenticate: authenticator(database),
      access: accessSettings({ url: 'https://busbar.test' }),
    }))
    const link = await createFirstLink(rig.database)
    const browser = new Browser(rig.app, { origin: 'https://busbar.test' })
    const { headers } = await browser.ask('acceptLink', { token: link!.token, name: 'ada', password })
    expect(headers['set-cookie']).toMatch(
      /^__Host-busbar-session=[^;]+; Path=\/; HttpOnly; SameSite=Strict; .*; Secure$/,
    )
    expect(await browser.ask('me')).toMatchObject({ status: 200 })
    const plain = new Browser(rig.app)
    plain.setCookie('busbar-session', browser.cookie.split('=')[1] ?? '')
    expect(await plain.ask('me')).toMatchObject({ status: 401 })
  })

  it('fails in the same words for a wrong password, an unknown name, a disabled user', async () => {
    const admin = await anAdmin()
    await aUser(admin, 'bob', 'viewer')
    await admin.ask('changeUser', { name: 'bob', disabled: true })
    const tries = [
      { name: 'ada', password: other },
      { name: 'nobody', password },
      { name: 'bob', password },
    ]
    const answers = await Promise.all(tries.map((given) => new Browser(rig.app).ask('signIn', given)))
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1)
    expect(answers[0]).toMatchObject({ status: 401, body: { detail: 'name or password is wrong' } })
  })

  it('takes a new token each time: one that was there before never becomes somebody’s', async () => {
    const admin = await anAdmin()
    const planted = 'A'.repeat(43)
    const browser = new Browser(rig.app)
    browser.setCookie('busbar-session', planted)
    expect(await browser.ask('me')).toMatchObject({ status: 401 })
    await browser.ask('signIn', { name: 'ada', password })
    expect(browser.cookie).not.toContain(planted)
    const first = browser.cookie
    await browser.ask('signIn', { name: 'ada', password })
    expect(browser.cookie).not.toBe(first)
    const attacker = new Browser(rig.app)
    for (const cookie of [`busbar-session=${planted}`, first]) {
      attacker.setCookie('busbar-session', cookie.split('=')[1] ?? '')
      expect(await attacker.ask('me')).toMatchObject({ status: 401 })
    }
    expect(await admin.ask('me')).toMatchObject({ status: 200 })
  })

  it('two cookies of the name count as none: somebody else has set one', async () => {
    const admin = await anAdmin()
    const response = await rig.app.inject({
      url: '/api/v1/me',
      headers: { cookie: `${admin.cookie}; busbar-session=${'B'.repeat(43)}` },
    })
    expect(response.statusCode).toBe(401)
  })
})

describe('tries', () => {
  const wrong = { name: 'ada', password: 'wrong wrong wrong' }

  it('of one account are bounded, also in parallel and over processes, and say when to come again', async () => {
    await anAdmin()
    const from = (at: number) => new Browser(rig.app, { 'x-at': String(at) }).ask('signIn', wrong)
    const answers = await Promise.all(Array.from({ length: 12 }, (_, at) => from(at)))
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(5)
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused).toHaveLength(7)
    expect(Number(refused[0]?.headers['retry-after'])).toBeGreaterThanOrEqual(14)
    // Not the right password either: who is told to wait learns nothing.
    expect(await new Browser(rig.app).ask('signIn', { name: 'ada', password })).toMatchObject({ status: 429 })
    // After the wait one try passes, and a right one forgets the wrong ones.
    await rig.sql(`UPDATE sign_in_tries SET next_at = clock_timestamp() - interval '1 second'`)
    expect(await new Browser(rig.app).ask('signIn', wrong)).toMatchObject({ status: 401 })
    expect(await new Browser(rig.app).ask('signIn', wrong)).toMatchObject({ status: 429 })
    await rig.sql(`UPDATE sign_in_tries SET next_at = clock_timestamp() - interval '1 second'`)
    expect(await new Browser(rig.app).ask('signIn', { name: 'ada', password })).toMatchObject({ status: 200 })
    expect(await new Browser(rig.app).ask('signIn', wrong)).toMatchObject({ status: 401 })
  })

  it('from one address are bounded whatever the names, known or not', async () => {
    await anAdmin()
    await rig.sql(
      `INSERT INTO sign_in_tries VALUES ('address 127.0.0.1', 19, clock_timestamp(), '-infinity')`,
    )
    const names = ['ada', 'bob', 'carl'].map((name) => new Browser(rig.app).ask('signIn', { ...wrong, name }))
    const statuses = (await Promise.all(names)).map(({ status }) => status)
    expect(statuses.sort()).toEqual([401, 429, 429])
  })
})

describe('failed tries', () => {
  const secret = 'hunter2 hunter2'
  const fail = (name: string) => new Browser(rig.app).ask('signIn', { name, password: secret })
  const failAll = async (name: string, times: number) => {
    for (let at = 0; at < times; at++) {
      await rig.sql(`UPDATE sign_in_tries SET next_at = '-infinity'`) // nobody waits here
      expect(await fail(name)).toMatchObject({ status: 401 })
    }
  }
  const entries = () => rig.sql(`SELECT object, after FROM audit WHERE verb = 'fail to sign in' ORDER BY id`)
  const entry = (tries: number) => ({ object: 'user ada', after: { tries, address: '127.0.0.1' } })

  it('of a user leave one entry when they are five, and one an hour while they go on', async () => {
    await anAdmin()
    await failAll('ada', 4)
    expect(await entries()).toEqual([])
    await failAll(' ADA', 4)
    expect(await entries()).toEqual([entry(5)])
    await rig.sql(`UPDATE failed_sign_ins SET noted_at = clock_timestamp() - interval '61 minutes'`)
    await failAll('ada', 2)
    expect(await entries()).toEqual([entry(5), entry(5)])
    expect(await rig.sql('SELECT count(*)::int AS n FROM failed_sign_ins')).toEqual([{ n: 1 }])
  })

  it('at once leave one entry, too; those before the user came in do not count', async () => {
    await anAdmin()
    await Promise.all(Array.from({ length: 12 }, () => fail('ada')))
    expect(await entries()).toEqual([entry(5)])
    await rig.sql(`UPDATE sign_in_tries SET next_at = '-infinity'`)
    await new Browser(rig.app).ask('signIn', { name: 'ada', password })
    await rig.sql(`UPDATE failed_sign_ins SET tries = 90, noted_at = '-infinity'`)
    await failAll('ada', 5)
    expect(await entries()).toEqual([entry(5), entry(5)])
  })

  it('of nobody leave nothing, and what was tried is never kept', async () => {
    await anAdmin()
    await failAll('ada', 6)
    await failAll('no such user', 6)
    for (const table of ['audit', 'failed_sign_ins', 'sign_in_tries', 'users']) {
      const stored = JSON.stringify(await rig.sql(`SELECT * FROM ${table}`))
      expect(stored).not.toContain(secret)
      expect(stored).not.toContain('no such user')
    }
    expect(await entries()).toHaveLength(1)
  })
})

it('from where people sign in is shown to admins only, and verifying the trail is for admins', async () => {
  const admin = await anAdmin()
  const [viewer, operator] = [await aUser(admin, 'vera', 'viewer'), await aUser(admin, 'otto', 'operator')]
  const shown = async (who: Browser) =>
    JSON.stringify([(await who.ask('listAudit', {})).body, (await who.ask('now')).body])
  expect(await shown(admin)).toContain('127.0.0.1')
  for (const who of [viewer, operator]) {
    expect(await shown(who)).not.toContain('127.0.0.1')
    expect((await who.ask('listAudit', { verb: 'sign in' })).body).toMatchObject({
      items: [{ after: {} }, { after: {} }, { after: {} }],
    })
    expect(await who.ask('verifyAudit', {})).toMatchObject({ status: 403 })
  }
  expect(await admin.ask('verifyAudit', {})).toMatchObject({ status: 200 })
})

describe('sessions', () => {
  it('end by signing out, here, one by one, or everywhere', async () => {
    const [one, two] = [await anAdmin(), new Browser(rig.app)]
    await two.ask('signIn', { name: 'ada', password })
    const { items } = (await one.ask('listSessions')).body as { items: { id: string; current: boolean }[] }
    expect(items).toHaveLength(2)
    const theirs = items.find(({ current }) => !current)?.id
    expect(await one.ask('endSession', { id: theirs })).toMatchObject({ status: 200, body: { ended: 1 } })
    expect(await two.ask('me')).toMatchObject({ status: 401 })
    await two.ask('signIn', { name: 'ada', password })
    expect(await two.ask('signOut')).toMatchObject({ body: { ended: 1 } })
    expect(two.cookie).toBe('')
    await two.ask('signIn', { name: 'ada', password })
    expect(await two.ask('endSessions')).toMatchObject({ body: { ended: 2 } })
    expect(await one.ask('me')).toMatchObject({
      status: 401,
      body: { detail: expect.stringContaining('sign in again') as string },
    })
  })

  it('end when they are not used, and at the latest after their longest time', async () => {
    const admin = await anAdmin()
    const person = new Browser(rig.app, { 'x-busbar-attended': '1' })
    person.setCookie('busbar-session', admin.cookie.split('=')[1] ?? '')
    const wasUsed = async () => {
      const [row] = await rig.sql<{ now: boolean }>(
        `SELECT seen_at > clock_timestamp() - interval '1 minute' AS now FROM sessions`,
      )
      return row?.now
    }
    await rig.sql(`UPDATE sessions SET seen_at = clock_timestamp() - interval '29 minutes'`)
    expect(await admin.ask('me')).toMatchObject({ status: 200 })
    expect(await wasUsed()).toBe(false) // an open tab asks by itself
    expect(await person.ask('me')).toMatchObject({ status: 200 })
    expect(await wasUsed()).toBe(true)
    await rig.sql(`UPDATE sessions SET seen_at = clock_timestamp() - interval '31 minutes'`)
    expect(await admin.ask('me')).toMatchObject({ status: 401 })
    await rig.sql(`UPDATE sessions SET seen_at = clock_timestamp(), expires_at = clock_timestamp()`)
    expect(await admin.ask('me')).toMatchObject({ status: 401 })
  })

  it('of others end with a new password, and the own one goes on under a new token', async () => {
    const [one, two] = [await anAdmin(), new Browser(rig.app)]
    await two.ask('signIn', { name: 'ada', password })
    const before = one.cookie
    expect(await one.ask('changePassword', { current: other, password: other })).toMatchObject({
      status: 403,
    })
    expect(await one.ask('changePassword', { current: password, password: other })).toMatchObject({
      status: 200,
    })
    expect(one.cookie).not.toBe(before)
    expect(await one.ask('me')).toMatchObject({ status: 200 })
    expect(await two.ask('me')).toMatchObject({ status: 401 })
    expect(await two.ask('signIn', { name: 'ada', password })).toMatchObject({ status: 401 })
    expect(await two.ask('signIn', { name: 'ada', password: other })).toMatchObject({ status: 200 })
  })

  it('a user has twenty at most: the oldest ends', async () => {
    const admin = await anAdmin()
    await rig.sql(
      `INSERT INTO sessions (hash, id, user_id, expires_at, address, agent)
       SELECT 'h' || n, 'i' || n, (SELECT id FROM users), clock_timestamp() + interval '1 hour', '', '' FROM generate_series(1, 25) n`,
    )
    await new Browser(rig.app).ask('signIn', { name: 'ada', password })
    expect(await rig.sql('SELECT count(*)::int AS n FROM sessions')).toEqual([{ n: 20 }])
    expect(await admin.ask('me')).toMatchObject({ status: 401 })
  })
})

describe('users', () => {
  it('are invited with a role, and take part once they have a password', async () => {
    const admin = await anAdmin()
    const invited = await admin.ask('inviteUser', { name: 'Bob', role: 'operator', systems: ['erp'] })
    expect(invited.body).toMatchObject({
      name: 'bob',
      url: expect.stringMatching(/^http:\/\/busbar\.test\/welcome#[\w-]{43}$/) as string,
    })
    expect(await admin.ask('inviteUser', { name: 'bob', role: 'viewer' })).toMatchObject({ status: 409 })
    const { items } = (await admin.ask('listUsers')).body as { items: object[] }
    expect(items).toMatchObject([
      { name: 'ada', state: 'active', signsInBy: 'password', sessions: 1 },
      { name: 'bob', state: 'invited', systems: ['erp'], linkUntil: expect.any(String) as string },
    ])
    const bob = new Browser(rig.app)
    const token = tokenOf(String(invited.body['url']))
    expect((await bob.ask('lookAtLink', { token })).body).toMatchObject({
      kind: 'invite',
      name: 'bob',
      role: 'operator',
    })
    expect((await bob.ask('acceptLink', { token, password })).body).toMatchObject({
      name: 'bob',
      systems: ['erp'],
    })
    expect(await bob.ask('acceptLink', { token, password })).toMatchObject({ status: 404 })
  })

  it('get a new link for a lost password, which ends the older links and, once used, the sessions', async () => {
    const admin = await anAdmin()
    const bob = await aUser(admin, 'bob', 'viewer')
    const [lost, sent] = [
      await admin.ask('linkForUser', { name: 'bob' }),
      await admin.ask('linkForUser', { name: 'bob' }),
    ]
    const browser = new Browser(rig.app)
    const reset = (answer: typeof lost) =>
      browser.ask('acceptLink', { token: tokenOf(String(answer.body['url'])), password: other })
    expect(await reset(lost)).toMatchObject({ status: 404 })
    expect(await bob.ask('me')).toMatchObject({ status: 200 })
    expect(await reset(sent)).toMatchObject({ status: 200 })
    expect(await bob.ask('me')).toMatchObject({ status: 401 })
    expect(await new Browser(rig.app).ask('signIn', { name: 'bob', password: other })).toMatchObject({
      status: 200,
    })
  })

  it('lose their sessions with their role, and everything when they are disabled', async () => {
    const admin = await anAdmin()
    const bob = await aUser(admin, 'bob', 'operator')
    expect(await admin.ask('changeUser', { name: 'bob', systems: ['erp'] })).toMatchObject({ status: 200 })
    expect((await bob.ask('me')).body).toMatchObject({ systems: ['erp'] })
    expect((await admin.ask('changeUser', { name: 'bob', role: 'viewer' })).body).toMatchObject({
      role: 'viewer',
      systems: null,
    })
    expect(await bob.ask('me')).toMatchObject({ status: 401 })
    await bob.ask('signIn', { name: 'bob', password })
    expect(await admin.ask('changeUser', { name: 'bob', disabled: true, reason: 'left' })).toMatchObject({
      status: 200,
    })
    expect(await bob.ask('me')).toMatchObject({ status: 401 })
    expect(await admin.ask('linkForUser', { name: 'bob' })).toMatchObject({ status: 409 })
    expect((await admin.ask('changeUser', { name: 'bob', disabled: false })).body).toMatchObject({
      state: 'active',
    })
    const entries = await rig.sql(
      `SELECT verb, reason FROM audit WHERE object = 'user bob' AND actor = 'user:ada' ORDER BY id`,
    )
    expect(entries.map(({ verb }) => verb as string)).toEqual([
      'invite',
      'change',
      'change',
      'disable',
      'enable',
    ])
    expect(entries[3]).toMatchObject({ reason: 'left' })
  })

  it('never leave busbar without an admin who can sign in, two at once neither', async () => {
    const admin = await anAdmin()
    await admin.ask('inviteUser', { name: 'carl', role: 'admin' }) // has not come yet
    expect(await admin.ask('changeUser', { name: 'ada', role: 'viewer' })).toMatchObject({ status: 409 })
    const bob = await aUser(admin, 'bob', 'admin')
    const both = await Promise.all([
      admin.ask('changeUser', { name: 'bob', disabled: true }),
      bob.ask('changeUser', { name: 'ada', disabled: true }),
    ])
    expect(both.map(({ status }) => status).filter((status) => status === 200)).toHaveLength(1)
    expect(
      await rig.sql(
        `SELECT count(*)::int AS n FROM users WHERE role = 'admin' AND disabled_at IS NULL AND password IS NOT NULL`,
      ),
    ).toEqual([{ n: 1 }])
  })

  it('only operators are limited to systems', async () => {
    const admin = await anAdmin()
    expect(await admin.ask('inviteUser', { name: 'bob', role: 'admin', systems: ['erp'] })).toMatchObject({
      status: 422,
    })
    expect(await admin.ask('inviteUser', { name: 'two words', role: 'viewer' })).toMatchObject({
      status: 422,
    })
  })

  it('are listed page by page', async () => {
    const admin = await anAdmin()
    await rig.sql(`INSERT INTO users (name, role) SELECT 'u' || n, 'viewer' FROM generate_series(10, 14) n`)
    const names = async (query: object) => {
      const { items, next } = (await admin.ask('listUsers', query)).body as {
        items: { name: string }[]
        next: string | null
      }
      return { names: items.map(({ name }) => name), next }
    }
    expect(await names({ limit: 3 })).toEqual({ names: ['ada', 'u10', 'u11'], next: 'u11' })
    expect(await names({ limit: 3, after: 'u11' })).toEqual({ names: ['u12', 'u13', 'u14'], next: null })
  })
})

it('keys are made, listed and revoked over the API', async () => {
  const admin = await anAdmin()
  const made = await admin.ask('createKey', { name: 'ci', scopes: ['admin', 'read'] })
  expect(made.body).toMatchObject({ key: expect.stringMatching(/^bb_/) as string, scopes: ['read', 'admin'] })
  const program = new Browser(rig.app, { authorization: `Bearer ${String(made.body['key'])}` })
  expect((await program.ask('me')).body).toMatchObject({ kind: 'key', name: 'ci', role: null })
  expect(await program.ask('listSessions')).toMatchObject({ status: 403 })
  expect((await program.ask('listKeys')).body).toMatchObject({ items: [{ name: 'ci' }] })
  expect(await program.ask('createKey', { name: 'two words', scopes: ['read'] })).toMatchObject({
    status: 422,
  })
  expect((await program.ask('revokeKey', { name: 'ci', reason: 'done' })).body).toMatchObject({ name: 'ci' })
})

it('a hub that asks nobody to sign in says so, and everything is allowed there', async () => {
  await rig.close()
  rig = await openControlRig()
  const browser = new Browser(rig.app)
  expect((await browser.ask('signInOptions')).body).toEqual({ needed: false, firstAdmin: false, oidc: null })
  expect((await browser.ask('me')).body).toMatchObject({
    kind: 'local',
    name: 'local',
    scopes: ['publish', 'read', 'operate', 'admin'],
  })
  expect(await browser.ask('signIn', { name: 'ada', password })).toMatchObject({ status: 409 })
  expect(await browser.ask('inviteUser', { name: 'ada', role: 'admin' })).toMatchObject({ status: 200 })
})

describe('what has changed while somebody was on the way in', () => {
  it('counts: a password that was replaced meanwhile begins no session', async () => {
    await anAdmin()
    const [user] = await rig.sql<{ id: number; password: string }>('SELECT id::int, password FROM users')
    await rig.sql(`UPDATE users SET password = password || 'x'`)
    const door = { life: accessSettings({}), device: { address: '127.0.0.1', agent: 'x' } }
    await expect(beginSession(rig.database, user!, door)).rejects.toMatchObject({
      code: 'request.unauthorized',
    })
    expect(await beginSession(rig.database, { id: user!.id }, door)).toMatch(/^\S{43}$/)
  })

  it('does not lift a limit to systems: single sign-on takes the role and gives it back', async () => {
    const as = (role: string) =>
      rig.sql(`SELECT role, systems FROM oidc_user('issuer ann', 'ann', '${role}')`)
    await as('operator')
    await rig.sql(`UPDATE users SET systems = '{erp}' WHERE name = 'ann'`)
    await as('viewer')
    expect(await as('operator')).toEqual([{ role: 'operator', systems: ['erp'] }])
  })

  it('a try that must wait leaves nothing behind', async () => {
    await anAdmin()
    const browser = new Browser(rig.app)
    let status = 401
    for (let turn = 0; turn < 30 && status !== 429; turn++)
      ({ status } = await browser.ask('signIn', { name: `nobody${turn}`, password }))
    expect(status).toBe(429)
    const rows = async () =>
      (await rig.sql<{ n: number }>('SELECT count(*)::int AS n FROM sign_in_tries'))[0]?.n
    const before = await rows()
    for (let turn = 0; turn < 5; turn++) await browser.ask('signIn', { name: `new${turn}`, password })
    expect(await rows()).toBe(before)
  })
})
