import { afterEach, beforeEach, expect, it } from 'vitest'
import { Browser, origin } from '../../test/scenario/browser.ts'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import type { OidcProvider } from '../../test/scenario/oidc-provider.ts'
import { client, openOidcProvider } from '../../test/scenario/oidc-provider.ts'
import { signedIn } from '../../test/scenario/people.ts'
import { accessSettings } from '../define/access-config.ts'
import { authenticator } from './keys.ts'

let rig: ControlRig
let provider: OidcProvider
const refused: string[] = []
beforeEach(async () => {
  provider = await openOidcProvider()
  provider.person = { sub: '1', preferred_username: 'Ada', groups: ['staff', 'support'] }
  const roles = { support: 'operator', leads: 'admin', staff: 'viewer' } as const
  const oidc = { issuer: provider.issuer, clientId: client.id, clientSecret: client.secret, roles }
  refused.length = 0
  rig = await openControlRig((database) => ({
    authenticate: authenticator(database),
    access: accessSettings({ url: origin, oidc }),
    onRefusedSignIn: (why) => refused.push(why),
  }))
})
afterEach(async () => {
  await rig.close()
  await provider.close()
})

const start = '/api/v1/sign-in/oidc'

/** To the provider and back; answers where the browser is sent then. */
async function comeIn(browser: Browser): Promise<unknown> {
  const { headers } = await browser.go(start)
  return (await browser.go(await provider.authorize(String(headers['location'])))).headers['location']
}

it('a person comes in with the highest role of the claim, which is read anew each time', async () => {
  const browser = new Browser(rig.app)
  expect((await browser.ask('signInOptions')).body).toMatchObject({ oidc: { path: start } })
  expect(await comeIn(browser)).toBe('/')
  expect((await browser.ask('me')).body).toMatchObject({ name: 'ada', role: 'operator', hasPassword: false })
  provider.person = { ...provider.person, groups: 'leads' }
  const again = new Browser(rig.app)
  await comeIn(again)
  expect((await again.ask('me')).body).toMatchObject({ name: 'ada', role: 'admin' })
  expect(await browser.ask('me')).toMatchObject({ status: 401 }) // another role ends the sessions
  expect(await rig.sql('SELECT count(*)::int AS n FROM users')).toEqual([{ n: 1 }])
})

it('the browser comes to a page that says so when the provider is away', async () => {
  await provider.close()
  const browser = new Browser(rig.app)
  const { status, headers } = await browser.go(start)
  expect([status, headers['location'], headers['cache-control']]).toEqual([
    302,
    '/sign-in?fault=away',
    'no-store',
  ])
  expect(refused[0]).toMatch(
    /^the provider of single sign-on, http:.*, does not answer as it should: .*ECONNREFUSED/,
  )
  expect(rig.faults).toEqual([])
  expect(browser.cookie).toBe('')
})

it('who begins too many sign-ins comes to a page that says so', async () => {
  await rig.sql(
    `INSERT INTO sign_in_tries VALUES ('oidc address 127.0.0.1', 20, clock_timestamp(), clock_timestamp() + interval '1 minute')`,
  )
  expect((await new Browser(rig.app).go(start)).headers['location']).toBe('/sign-in?fault=wait')
})

it('a fault of busbar itself is told its operator, and the browser comes to a page', async () => {
  await rig.sql('ALTER TABLE oidc_sign_ins RENAME TO away')
  expect((await new Browser(rig.app).go(start)).headers['location']).toBe('/sign-in?fault=failed')
  expect(rig.faults).toHaveLength(1)
})

it('asks for PKCE, state and nonce, and nothing of it can be used twice or by another browser', async () => {
  const [mine, other] = [new Browser(rig.app), new Browser(rig.app)]
  const { headers } = await mine.go(start)
  const asked = new URL(String(headers['location'])).searchParams
  expect(asked.get('code_challenge_method')).toBe('S256')
  for (const name of ['code_challenge', 'state', 'nonce']) expect(asked.get(name)?.length).toBeGreaterThan(20)
  const back = await provider.authorize(String(headers['location']))
  await other.go(start) // has begun, too, and is made to open the address of the first
  expect((await other.go(back)).headers['location']).toBe('/sign-in?fault=failed')
  expect((await new Browser(rig.app).go(back)).headers['location']).toBe('/sign-in?fault=failed')
  expect((await mine.go(back)).headers['location']).toBe('/')
  expect((await mine.go(back)).headers['location']).toBe('/sign-in?fault=failed')
})

it.each([
  ['of another issuer', (claims: object) => ({ ...claims, iss: 'https://evil.example' })],
  ['for another client', (claims: object) => ({ ...claims, aud: 'another' })],
  ['with another nonce', (claims: object) => ({ ...claims, nonce: 'another' })],
  ['that has run out', (claims: object) => ({ ...claims, exp: 1 })],
])('refuses a token %s', async (_, spoil) => {
  provider.spoil = spoil
  const browser = new Browser(rig.app)
  expect(await comeIn(browser)).toBe('/sign-in?fault=failed')
  expect(await browser.ask('me')).toMatchObject({ status: 401 })
  expect(refused).toHaveLength(1)
  expect(await rig.sql('SELECT name FROM users')).toEqual([])
})

it('nobody comes in without a role, under a name that another has, or disabled', async () => {
  provider.person = { ...provider.person, groups: ['guests', '__proto__'] }
  expect(await comeIn(new Browser(rig.app))).toBe('/sign-in?fault=no-role')
  await signedIn(rig, { name: 'ada', role: 'admin' })
  provider.person = { ...provider.person, groups: ['staff'] }
  expect(await comeIn(new Browser(rig.app))).toBe('/sign-in?fault=name-taken')
  provider.person = { sub: '2', preferred_username: 'bob', groups: ['staff'] }
  expect(await comeIn(new Browser(rig.app))).toBe('/')
  await rig.sql(`UPDATE users SET disabled_at = clock_timestamp() WHERE name = 'bob'`)
  expect(await comeIn(new Browser(rig.app))).toBe('/sign-in?fault=disabled')
})
