import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { createControlClient } from '../../src/control/client.ts'
import { defineEvent, defineFlow, expectEvent, httpSystem } from '../../src/index.ts'
import type { ConsoleRig } from './rig.ts'
import { describeWithBrowser, openConsole } from './rig.ts'

const Order = z.object({ number: z.string(), total: z.number() })
const placed = defineEvent({ type: 'order.placed', schema: Order, key: (order) => order.number })
const invoiced = defineEvent({ type: 'invoice.posted', schema: Order, key: (order) => order.number })

describeWithBrowser('the engine', () => {
  let target: Server
  let rig: ConsoleRig

  beforeEach(async () => {
    target = createServer((incoming, response) => {
      incoming.resume().on('end', () => response.writeHead(200).end('{}'))
    })
    await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
    const baseUrl = `http://127.0.0.1:${(target.address() as AddressInfo).port}`
    const flow = defineFlow('book-sale')
      .on(placed)
      .step('sale', httpSystem({ name: 'erp', baseUrl }), {
        run: ({ event, call }) => call.post('/sales', event.data),
      })
    const inTime = expectEvent(invoiced, { after: placed, within: '1s', name: 'invoice-in-time' })
    rig = await openConsole({
      events: [placed, invoiced],
      flows: [flow],
      expectations: [inTime],
      outbox: true,
    })
  })

  afterEach(async () => {
    expect(rig.complaints.filter((said) => !/status of 4\d\d/.test(said))).toEqual([])
    await rig.close()
    target.closeAllConnections()
    await new Promise((resolve) => target.close(resolve))
  })

  const control = () => createControlClient({ url: rig.hub.url })
  const audited = async () => {
    const { items } = await control().listAudit({})
    return items.map(({ verb, object, reason }) => [verb, object, reason])
  }

  it('shows who runs what; a lane group is paused with a reason, and goes on', async () => {
    const { page } = rig
    await rig.open('/operations')
    await page.getByRole('heading', { name: '1 lane group: nothing is behind' }).waitFor()
    await page.getByRole('button', { name: 'Pause book-sale' }).click()
    await page.keyboard.press('Control+Enter')
    await page.getByText('Say why: it stays in the audit trail.').waitFor()
    await page.keyboard.type('stocktaking')
    await page.keyboard.press('Control+Enter')
    const row = page.getByRole('row', { name: /book-sale/ })
    await row.getByText('Paused').waitFor()
    await page.getByRole('heading', { name: /book-sale is paused/ }).waitFor()
    await page.getByRole('button', { name: 'Resume book-sale' }).press('Enter')
    await page.getByRole('dialog').getByRole('button', { name: 'Resume' }).click()
    await row.getByText('Runs').waitFor()
    expect(await audited()).toEqual([
      ['resume', 'group book-sale', null],
      ['pause', 'group book-sale', 'stocktaking'],
    ])
    await page.getByRole('link', { name: 'Processes' }).click()
    await page.getByRole('heading', { name: /^1 process live/ }).waitFor()
    await page.getByRole('row', { name: /ingress.*book-sale/ }).waitFor()
  })

  it('shows what has not come in time, object by object, until a person awaits it no longer', async () => {
    const { page } = rig
    await rig.hub.publish(placed, { number: 'SO-1', total: 9 })
    await expect
      .poll(async () => (await control().listExpectations({})).items[0]?.overdue, { timeout: 15_000 })
      .toBe(1)
    await rig.open('/operations?tab=expectations')
    await page.getByRole('heading', { name: /^1 expected event has not come in time/ }).waitFor()
    await page.getByRole('link', { name: 'invoice-in-time', exact: true }).click()
    await page.getByRole('button', { name: 'Await nothing more for SO-1' }).click()
    await page.getByLabel('Reason').fill('paid in cash')
    await page.getByRole('button', { name: 'Await no longer', exact: false }).last().click()
    await page.getByText('Nothing: what had to come has come.').waitFor()
    expect((await audited())[0]?.at(-1)).toBe('paid in cash')
  })

  it('mends a row of the outbox that was set aside, with the difference shown, and discards another', async () => {
    const { page } = rig
    for (const [key, data] of [
      ['SO-2', { number: 'SO-2', total: 'nine' }],
      ['SO-3', { number: 'SO-3' }],
    ] as const)
      await rig.sql('SELECT publish($1, $2, $3::jsonb)', ['order.placed', key, JSON.stringify(data)])
    await expect.poll(async () => (await control().readOutbox({})).rejectedCount, { timeout: 15_000 }).toBe(2)
    await rig.open('/operations?tab=outbox')
    await page.getByRole('link', { name: 'SO-2', exact: true }).click()
    await page.getByRole('button', { name: 'Mend and retry…' }).click()
    await page.getByLabel('Data').fill('{ "total": 9, "number": "SO-2" ')
    await page.getByText('This is not JSON yet.').waitFor()
    await page.getByLabel('Data').fill('{ "total": 9, "number": "SO-2" }')
    await page.getByText('2 lines differ.').waitFor({ state: 'attached' })
    await page.getByRole('button', { name: 'Retry with these data' }).click()
    const state = async () => (await control().listRuns({ key: 'SO-2' })).items[0]?.state
    await expect.poll(state, { timeout: 10_000 }).toBe('succeeded')

    await page.getByRole('link', { name: 'SO-3', exact: true }).click()
    await page.getByRole('button', { name: 'Discard…' }).click()
    await page.getByLabel('Reason').fill('a test order')
    await page.getByRole('button', { name: 'Discard it' }).click()
    await page.getByText('No row was set aside').waitFor()
    expect((await audited())[0]).toMatchObject(['discard', expect.anything(), 'a test order'])
  })
})
