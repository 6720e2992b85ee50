import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { OidcProvider } from '../scenario/oidc-provider.ts'
import { client, openOidcProvider } from '../scenario/oidc-provider.ts'
import type { ConsoleRig } from './rig.ts'
import { describeWithBrowser, openConsole } from './rig.ts'
import { signInAs } from './sign-in.ts'

const password = 'der rote hund bellt'
/** What a browser says of what is meant: the way to the sign-in, a link used up, an act refused, text that is no markup. */
const expected = /status of (401|403|404)|requires 'TrustedHTML'/

describeWithBrowser('access', () => {
  let rig: ConsoleRig
  beforeEach(async () => {
    rig = await openConsole({ http: { port: 0 } })
  })
  afterEach(async () => {
    const { complaints } = rig
    await rig.close()
    expect(complaints.filter((complaint) => !expected.test(complaint))).toEqual([])
  })

  const button = (name: string | RegExp) => rig.page.getByRole('button', { name })

  /** By the link that the hub has printed. */
  async function becomeAdmin(): Promise<void> {
    await rig.page.goto(rig.hub.firstAdminLink ?? '')
    await rig.page.getByLabel('Your name').fill('Ada')
    await rig.page.getByLabel('Password').fill(password)
    await button('Set password and sign in').click()
    await rig.page.getByText('Admin', { exact: true }).first().waitFor()
  }

  it('the first admin comes by the link, signs out, and in again where one wanted to go', async () => {
    await becomeAdmin()
    expect(rig.page.url()).toBe(`${rig.hub.url}/`)
    await button('Sign out').click()
    await rig.page.waitForURL('**/sign-in')
    await rig.page.goto(`${rig.hub.url}/audit?verb=join`)
    await rig.page.waitForURL('**/sign-in?back=*')
    await rig.page.getByLabel('Name').fill('ada')
    await rig.page.getByLabel('Password').fill('not the right one')
    await button('Sign in').click()
    await rig.page.getByRole('alert').filter({ hasText: 'Name or password is wrong' }).waitFor()
    await rig.page.getByLabel('Password').fill(password)
    await rig.page.keyboard.press('Enter')
    await rig.page.waitForURL('**/audit?verb=join')
    await rig.page.getByText('join user ada').waitFor()
    await rig.page.goto(rig.hub.firstAdminLink ?? '')
    await rig.page.getByText('This link is not good any more').waitFor()
  })

  it('an admin invites a user, makes a key, and sees both in the audit trail, verified', async () => {
    await becomeAdmin()
    await rig.open('/settings')
    await button('Invite a user…').click()
    await rig.page.getByLabel('Name').fill('bob')
    await rig.page.getByLabel('Role').selectOption('operator')
    await button(/^Invite the user/).click()
    const link = await rig.page.locator('.settings-secret').textContent()
    expect(link).toMatch(/\/welcome#[\w-]{43}$/)
    await button('I have it').click()
    await rig.page.getByRole('cell', { name: /^Invited until/ }).waitFor()
    await rig.open('/settings?tab=keys')
    await button('Make a key…').click()
    await rig.page.getByLabel('Name').fill('ci')
    await button(/^Make the key/).click()
    expect(await rig.page.locator('.settings-secret').textContent()).toMatch(/^bb_/)
    await button('I have it').click()
    await rig.open('/audit')
    await rig.page.getByText('All 4 entries are as they were written.').waitFor()
    await rig.page.getByLabel('Who').fill('user:ada')
    await rig.page.getByLabel('What', { exact: true }).fill('invite')
    await rig.page.keyboard.press('Enter')
    await rig.page.waitForURL('**verb=invite**')
    await button('invite user bob').click()
    await rig.page.getByText('"role": "operator"').waitFor()
    await rig.page.getByText('Entry 3, sealed as').waitFor()
  })

  it('the browser itself refuses to make markup of text, whoever asks', async () => {
    await rig.open('/sign-in')
    const refused = await rig.page.evaluate(() => {
      const { document } = globalThis as unknown as { document: { body: { innerHTML: string } } }
      try {
        document.body.innerHTML = '<img src="x" onerror="alert(1)">'
      } catch (error) {
        return String(error)
      }
      return 'it was taken'
    })
    expect(refused).toMatch(/TypeError.*TrustedHTML/)
  })

  it('the audit page says which entry was tampered with', async () => {
    await becomeAdmin()
    await rig.sql('ALTER TABLE audit DISABLE TRIGGER USER')
    await rig.sql(`UPDATE audit SET actor = 'nobody' WHERE verb = 'join'`)
    await rig.open('/audit')
    const alert = rig.page.getByRole('alert')
    await alert.waitFor()
    expect(await alert.textContent()).toContain('entry 1 (id 1) says something else than when it was written')
  })

  it('an open page does not keep a session from ending, and is led to sign in where it was', async () => {
    await becomeAdmin()
    const asked = { attended: 0, byItself: 0 }
    rig.page.on('request', (request) => {
      if (!request.url().includes('/api/v1/systems')) return
      asked[request.headers()['x-busbar-attended'] === '1' ? 'attended' : 'byItself']++
    })
    const change = (name: string) => rig.sql(`SELECT change_pause('system', 'erp', $1, 'a', NULL)`, [name])
    await rig.sql(`INSERT INTO systems (name) VALUES ('erp')`)
    await rig.page.clock.install()
    await rig.open('/systems?of=erp')
    await expect.poll(() => asked.attended).toBeGreaterThan(0)
    expect(asked.byItself).toBe(0)
    await rig.page.clock.fastForward(61_000)
    const before = asked.attended
    await change('true')
    await expect.poll(() => asked.byItself).toBeGreaterThan(0)
    expect(asked.attended).toBe(before)
    await rig.page.keyboard.press('Shift')
    await change('false')
    await expect.poll(() => asked.attended, { timeout: 5_000 }).toBeGreaterThan(before)

    await rig.sql(`UPDATE sessions SET seen_at = clock_timestamp() - interval '31 minutes'`)
    await change('true')
    await rig.page.waitForURL(`**/sign-in?back=${encodeURIComponent('/systems?of=erp')}`)
    await rig.page.getByLabel('Name').fill('ada')
    await rig.page.getByLabel('Password').fill(password)
    await button('Sign in').click()
    await rig.page.waitForURL('**/systems?of=erp')
  })

  it('where nothing changes, the page is left when the session has ended', async () => {
    await rig.close()
    rig = await openConsole({ http: { port: 0 }, access: { session: { idle: '1m' } } })
    await becomeAdmin()
    await rig.open('/settings?tab=keyboard')
    await rig.sql(`UPDATE sessions SET seen_at = clock_timestamp() - interval '2 minutes'`)
    await rig.page.waitForURL(`**/sign-in?back=${encodeURIComponent('/settings?tab=keyboard')}`, {
      timeout: 30_000,
    })
  }, 60_000)

  describe('by single sign-on', () => {
    let provider: OidcProvider
    const signIn = () => rig.page.getByRole('link', { name: 'Sign in with your company account' })

    /** The provider sends people back to a configured address, so the port is known before. */
    async function openWithProvider(): Promise<void> {
      await rig.close()
      provider = await openOidcProvider()
      const port = await freePort()
      const oidc = {
        ...{ issuer: provider.issuer, clientId: client.id, clientSecret: client.secret },
        roles: { leads: 'admin' },
      } as const
      rig = await openConsole({ http: { port }, access: { url: `http://127.0.0.1:${port}`, oidc } })
    }

    it('a person comes to where that one wanted to go', async () => {
      await openWithProvider()
      provider.person = { sub: '1', preferred_username: 'carl', groups: ['leads'] }
      await rig.page.goto(`${rig.hub.url}/audit?verb=join`)
      await signIn().click()
      await rig.page.waitForURL('**/audit?verb=join')
      await rig.page.getByText('carl', { exact: true }).waitFor()
      await provider.close()
    })

    it('a person is told when the provider is away, and what to do', async () => {
      await openWithProvider()
      await provider.close()
      await rig.page.goto(`${rig.hub.url}/sign-in`)
      await signIn().click()
      await rig.page.waitForURL('**/sign-in?fault=away')
      const alert = rig.page.getByRole('alert')
      await alert.waitFor()
      expect(await alert.textContent()).toContain('The provider of single sign-on does not answer. Try again')
      expect(await rig.page.getByLabel('Password').isVisible()).toBe(true)
    })
  })

  it('a viewer looks at everything, finds no act that works, and is told why', async () => {
    await rig.sql(`INSERT INTO systems (name) VALUES ('erp')`)
    await signInAs(rig, { name: 'vera', role: 'viewer' })
    await rig.open('/replays')
    await rig.page.getByText('Viewer', { exact: true }).first().waitFor()
    const act = button(/^New replay…/)
    expect(await act.isDisabled()).toBe(true)
    expect(await rig.page.locator('fieldset.acts').getAttribute('title')).toContain('As viewer you can look')
    await rig.page.keyboard.press('n')
    expect(await rig.page.getByRole('dialog').count()).toBe(0)
    await rig.open('/settings')
    expect(await rig.page.getByRole('link', { name: 'Users' }).count()).toBe(0)
    await rig.page.getByRole('heading', { name: 'Where you are signed in' }).waitFor()
    const refused = await rig.page.evaluate(async () => {
      const headers = { 'content-type': 'application/json', 'x-busbar-console': '1' }
      const answer = await fetch('/api/v1/systems/erp/pause', { method: 'POST', headers, body: '{}' })
      return { status: answer.status, said: ((await answer.json()) as { detail: string }).detail }
    })
    expect(refused).toEqual({ status: 403, said: 'as viewer you may not do this' })
  })
})

function freePort(): Promise<number> {
  const server = createServer()
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    }),
  )
}
