import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { createControlClient } from '../../src/control/client.ts'
import { defineEvent, defineFlow, httpSystem } from '../../src/index.ts'
import type { ConsoleRig } from './rig.ts'
import { describeWithBrowser, openConsole } from './rig.ts'

const Order = z.object({ number: z.string(), total: z.number() })
const placed = defineEvent({ type: 'order.placed', schema: Order, key: (order) => order.number })
const events = 60

describeWithBrowser('replays', () => {
  let target: Server
  let rig: ConsoleRig
  /** What the ERP was sent; it answers when it is let. */
  let sent = 0
  let taxCode = 'none'

  beforeEach(async () => {
    sent = 0
    taxCode = 'none'
    target = createServer((incoming, response) => {
      incoming.resume().on('end', () => {
        sent++
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
      })
    })
    await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
    const erp = httpSystem({
      name: 'erp',
      baseUrl: `http://127.0.0.1:${(target.address() as AddressInfo).port}`,
    })
    const flow = defineFlow('book-sale', { start: 'beginning', capture: true })
      .on(placed)
      .step('sale', erp, { run: ({ event, call }) => call.post('/sales', { ...event.data, taxCode }) })
    rig = await openConsole({ flows: [flow] })
    const body = Array.from({ length: events }, (_, index) => ({
      specversion: '1.0',
      id: `${index}`,
      source: 'urn:shop',
      type: 'order.placed',
      data: { number: `SO-${1000 + index}`, total: index },
    }))
    const published = await fetch(`${rig.hub.url}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents-batch+json' },
      body: JSON.stringify(body),
    })
    expect(published.status).toBe(202)
    await expect.poll(() => sent, { timeout: 20_000 }).toBe(events)
    await expect
      .poll(async () => (await control().listRuns({ state: 'succeeded', limit: 200 })).items.length)
      .toBe(events)
  })

  afterEach(async () => {
    // The browser notes each refusal that a page tells its user of.
    expect(rig.complaints.filter((said) => !/status of 4\d\d/.test(said))).toEqual([])
    await rig.close()
    target.closeAllConnections()
    await new Promise((resolve) => target.close(resolve))
  })

  const control = () => createControlClient({ url: rig.hub.url })

  it('are planned with what would change, started, paused, resumed, and come to their end', async () => {
    const { page } = rig
    await rig.open('/replays')
    await page.getByText('Nothing was replayed yet').waitFor()
    taxCode = 'DE19'
    await page.keyboard.press('n')
    const form = page.getByRole('dialog', { name: 'Which events are to be run once more?' })
    await form.getByRole('combobox').selectOption('book-sale')
    await form.getByRole('radio', { name: 'all that the flow has run' }).check()
    await form.getByRole('radio', { name: 'New ones.' }).check()
    await form.getByLabel('At most a second').fill('20')
    await form.getByLabel('First stages').fill('1, 10')
    await form.getByLabel('Reason').fill('tax code was missing')
    await form.getByRole('button', { name: 'Plan replay' }).click()

    await page.waitForURL(/\/replays\/\d+$/)
    await page.getByText('60 events would be run once more; nothing was sent yet.').waitFor()
    await page.getByText('Of 20 requests looked at: 20 would differ.').waitFor()
    await page.getByText('/taxCode').first().waitFor()
    await page.getByText('60 runs had succeeded: with new keys, each of them is done a second time').waitFor()
    expect(sent).toBe(events)

    await page.keyboard.press('r')
    await page.getByRole('dialog').getByRole('button', { name: 'Run 60 events again' }).click()
    await page.getByRole('button', { name: 'Pause' }).waitFor()
    await page.keyboard.press('p')
    await page.getByRole('dialog').getByRole('button', { name: 'Pause it' }).click()
    await page.locator('.page-head .state').getByText('Paused').waitFor()
    const paused = await control().getReplay({ id: 1 })
    expect(paused.state).toBe('paused')
    expect(paused.counts.left).toBeGreaterThan(0)

    await page.keyboard.press('p')
    const goOn = page.getByRole('dialog', { name: 'Go on with replay 1?' })
    await goOn.getByLabel('Reason').fill('seen, all is well')
    await page.keyboard.press('Control+Enter')
    await page.locator('.page-head .state').getByText('Done').waitFor({ timeout: 20_000 })
    await page.getByText('60 of 60 are through').first().waitFor()
    expect(sent).toBe(2 * events)
    await page.getByRole('link', { name: 'SO-1000', exact: true }).first().waitFor()
    const { items } = await control().listAudit({})
    expect(items.map(({ verb, reason }) => [verb, reason])).toEqual([
      ['done', null],
      ['resume', 'seen, all is well'],
      ['pause', null],
      ['start', null],
      ['plan', 'tax code was missing'],
    ])
  })

  it('says in the form what is refused, and cancels only with a reason', async () => {
    const { page } = rig
    await rig.open('/replays?new=1&flow=book-sale&key=SO-9')
    const form = page.getByRole('dialog')
    await form.getByRole('radio', { name: 'The same as the first time.' }).check()
    await form.getByLabel('Reason').fill('a try')
    await page.keyboard.press('Control+Enter')
    await form.getByText('book-sale has run no such event').waitFor()
    await form.getByLabel('About this key').fill('SO-1001')
    await form.getByRole('button', { name: 'Plan replay' }).click()
    await page.getByText('1 event would be run once more').waitFor()

    await page.getByRole('button', { name: 'Drop the plan…' }).click()
    const question = page.getByRole('dialog', { name: /^Drop the plan of replay/ })
    await question.getByRole('button', { name: 'Drop the plan' }).click()
    await question.getByText('Say why: it stays in the audit trail.').waitFor()
    await question.getByLabel('Reason').fill('only a try')
    await question.getByRole('button', { name: 'Drop the plan' }).click()
    await page.locator('.page-head .state').getByText('Cancelled').waitFor()
    await page.getByRole('navigation', { name: 'Place' }).getByText('Replays').click()
    await page
      .getByRole('row', { name: /book-sale.*Cancelled/ })
      .first()
      .waitFor()
    expect(sent).toBe(events)
  })
})
