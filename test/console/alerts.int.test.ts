import { afterEach, beforeEach, expect, it } from 'vitest'
import { slackChannel, webhookChannel } from '../../src/index.ts'
import { Receiver } from '../scenario/alerts-rig.ts'
import type { ConsoleRig } from './rig.ts'
import { describeWithBrowser, openConsole } from './rig.ts'

describeWithBrowser('alert channels', () => {
  let receiver: Receiver
  let rig: ConsoleRig

  beforeEach(async () => {
    receiver = new Receiver()
    const url = await receiver.open()
    rig = await openConsole({
      alerts: {
        channels: [
          slackChannel({ name: 'operations', url }),
          webhookChannel({ name: 'on-call', url, secret: 'canary-secret', tells: ['person', 'cut-off'] }),
        ],
        settle: 0,
      },
    })
  })

  afterEach(async () => {
    expect(rig.complaints).toEqual([])
    await rig.close()
    await receiver.close()
  })

  it('shows them without their secrets, and sends a test by keyboard alone', async () => {
    await rig.open('/settings?tab=alerts')
    const channels = rig.page.getByRole('region', { name: 'Alert channels' })
    await channels.getByText('operations').first().waitFor()
    const shown = await rig.page.content()
    expect(shown).toContain('what needs a person, systems cut off')
    expect(shown).not.toMatch(/canary-secret|secret-path/)

    await channels.getByRole('button', { name: 'Send a test to operations' }).focus()
    await rig.page.keyboard.press('Enter')
    const messages = rig.page.getByRole('region', { name: 'Messages' })
    await messages.getByText('A test: alerts of busbar arrive here').waitFor()
    await messages.getByText(/Arrived/).waitFor()
    expect(receiver.got).toHaveLength(1)
  })

  it('says why a message does not arrive, and when it is tried again', async () => {
    receiver.answer = () => ({ status: 503 })
    await rig.open('/settings?tab=alerts')
    await rig.page.getByRole('button', { name: 'Send a test to operations' }).click()
    await rig.page
      .getByText(/Again .*it answered 503/)
      .first()
      .waitFor()
  })

  it('a message leads to its problems', async () => {
    await rig.sql(
      `INSERT INTO problems (fp, system, code, title) VALUES ('p1', 'erp', 'call.invalid', 'no <script>alert(1)</script> tax code')`,
    )
    await expect.poll(() => receiver.got.length, { timeout: 10_000 }).toBe(1)
    await rig.open('/settings?tab=alerts')
    const link = rig.page.getByRole('link', {
      name: 'New problem at erp: no <script>alert(1)</script> tax code',
    })
    await link.waitFor()
    expect(await link.getAttribute('href')).toBe('/problems/p1')
  })
})
