import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent, defineFlow, defineSystem, FinalError } from '../../src/index.ts'
import type { ConsoleRig } from './rig.ts'
import { describeWithBrowser, openConsole } from './rig.ts'

const placed = defineEvent({
  type: 'shop.order.placed',
  schema: z.object({
    number: z.string().min(3),
    currency: z.enum(['EUR', 'CHF']),
    total: z.number(),
    customer: z.object({ name: z.string(), iban: z.string().meta({ sensitive: true }).optional() }),
  }),
  key: ({ number }) => number,
})
const order = (number: string) => ({
  number,
  currency: 'EUR' as const,
  total: 12.5,
  customer: { name: 'Ann', iban: 'DE89370400440532013000' },
})

let rig: ConsoleRig
beforeEach(async () => {
  const erp = defineSystem<undefined>({
    name: 'erp',
    connect: () => ({ open: () => undefined, close: async () => undefined }),
  })
  const flow = defineFlow('order-to-cash')
    .on(placed)
    .step('sale', erp, {
      run: ({ event }) => {
        if (event.data.number.startsWith('BAD')) throw new FinalError('no tax code')
      },
    })
  rig = await openConsole({ flows: [flow] })
})
afterEach(async () => {
  // A check that finds faults is answered with 422, which a browser tells aloud.
  expect(rig.complaints.filter((each) => !each.includes('status of 422'))).toEqual([])
  await rig.close()
})

describeWithBrowser('the page Events', () => {
  it('shows what each flow made of an event, and its data without what is never shown', async () => {
    const { page } = rig
    await rig.hub.publish(placed, order('SO-1'), { id: '1', time: new Date().toISOString() })
    await rig.hub.publish(placed, order('BAD-2'), { id: '2' })
    await rig.open('/events')
    await page.getByTitle('order-to-cash: parked').waitFor()
    await page.getByLabel('Outcome').selectOption('parked')
    await expect.poll(() => page.locator('tbody tr').count()).toBe(1)
    expect(page.url()).toContain('state=parked')
    await page.getByRole('button', { name: 'shop.order.placed' }).click()
    const panel = page.locator('.side-panel')
    await panel.getByText('no tax code').waitFor()
    expect(await panel.locator('.code').innerText()).toContain('"iban": "[redacted]"')
    expect(await page.content()).not.toContain('DE8937')
    await page.keyboard.press('Escape')
    await panel.waitFor({ state: 'detached' })
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await panel.waitFor()
  })

  it('publishes a test event by keyboard alone, through a form made of the contract', async () => {
    const { page } = rig
    await rig.open('/events')
    await page.keyboard.press('n')
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('number', { exact: true }).fill('X')
    await dialog.getByRole('button', { name: 'Check event' }).press('Enter')
    await dialog.getByText('expected string to have').first().waitFor()
    await dialog.getByLabel('number', { exact: true }).fill('TEST-1')
    await dialog.getByLabel('total').fill('12.5')
    await dialog.getByRole('button', { name: 'Check event' }).press('Enter')
    await dialog.getByText('It would be accepted, with the key TEST-1.').waitFor()
    expect(await rig.sql('SELECT seq FROM events')).toEqual([])
    await page.keyboard.press('Control+Enter')
    await dialog.waitFor({ state: 'detached' })
    const [event] = await rig.sql<{ ext: string; data: string }>('SELECT ext, data FROM events')
    expect(event?.ext).toContain('"busbartest":"true"')
    expect(JSON.parse(event?.data ?? '')).toMatchObject({ number: 'TEST-1', total: 12.5, currency: 'EUR' })
  })

  it('keeps in mind that a test event is wanted until it is known which there are', async () => {
    const { page } = rig
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    await page.route('**/api/v1/catalog', async (route) => {
      await released
      await route.continue()
    })
    await rig.open('/events')
    await page.keyboard.press('n')
    await page.waitForURL('**/events?try=*')
    expect(await page.getByRole('dialog').count()).toBe(0)
    release()
    await page.getByRole('dialog').getByLabel('number', { exact: true }).waitFor()
  })

  it('shows what was refused, and why', async () => {
    const { page } = rig
    await fetch(`${rig.hub.url}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify({
        ...{ specversion: '1.0', id: '1', source: 'urn:shop', type: 'shop.order.placed' },
        data: { ...order('S'), total: 'much' },
      }),
    })
    await expect.poll(async () => (await rig.sql('SELECT id FROM refused')).length).toBe(1)
    await rig.open('/events?tab=refused')
    await page.getByRole('button', { name: 'does not pass the contract' }).click()
    const panel = page.locator('.side-panel')
    await panel.getByText('/data/total').waitFor()
    expect(await panel.locator('.code').innerText()).toContain('"iban": "[redacted]"')
  })
})

describeWithBrowser('the page Docs', () => {
  it('tells each event type with its schema, and gives the exports', async () => {
    const { page } = rig
    await rig.hub.publish(placed, order('SO-1'), { source: 'urn:shop:web' })
    await rig.open('/docs')
    await page.getByRole('button', { name: 'shop.order.placed' }).click()
    const panel = page.locator('.side-panel')
    await panel.getByText('customer.iban').waitFor()
    await panel.getByText('urn:shop:web').waitFor()
    expect(await panel.locator('.code').last().innerText()).toContain('"sensitive": true')
    const link = page.getByRole('link', { name: 'Events, AsyncAPI 3' })
    const answer = await page.request.get(new URL((await link.getAttribute('href')) ?? '', rig.hub.url).href)
    expect(await answer.json()).toMatchObject({ asyncapi: '3.0.0' })
  })
})
