import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent, defineFlow, httpSystem } from '../../src/index.ts'
import type { ConsoleRig } from './rig.ts'
import { describeWithBrowser, openConsole } from './rig.ts'

const orderPlaced = defineEvent({
  type: 'shop.order.placed',
  schema: z.object({ number: z.string() }),
  key: (order) => order.number,
})

describeWithBrowser('a system in the console', () => {
  let accounting: Server
  let rig: ConsoleRig
  beforeEach(async () => {
    accounting = createServer((request, response) => {
      request.resume()
      response
        .writeHead(503, { 'content-type': 'application/json' })
        .end(JSON.stringify({ detail: 'year end' }))
    })
    await new Promise<void>((resolve) => accounting.listen(0, '127.0.0.1', resolve))
    const { port } = accounting.address() as AddressInfo
    const system = httpSystem({ name: 'accounting', baseUrl: `http://127.0.0.1:${port}`, check: '/health' })
    const flow = defineFlow('invoicing')
      .on(orderPlaced)
      .step('invoice', system, { run: ({ event, call }) => call.post('/invoices', event.data) })
    rig = await openConsole({ events: [orderPlaced], flows: [flow] })
  })
  afterEach(async () => {
    expect(rig.complaints).toEqual([])
    await rig.close()
    accounting.closeAllConnections()
    await new Promise((resolve) => accounting.close(resolve))
  })

  it('shows what a test call has sent and what was answered', async () => {
    const { page } = rig
    await rig.open('/systems/accounting')
    await page.keyboard.press('t')
    const calls = page.getByRole('region', { name: 'Test calls' })
    const toggle = calls.getByRole('button', { name: 'What was sent' })
    await toggle.waitFor({ timeout: 20_000 })
    expect(await toggle.getAttribute('aria-expanded')).toBe('false')
    await toggle.click()
    await calls.getByText('GET /health', { exact: true }).waitFor()
    await calls.getByText('HTTP 503', { exact: true }).waitFor()
    await calls.getByText('year end').first().waitFor()
    await toggle.click()
    expect(await calls.getByText('GET /health', { exact: true }).count()).toBe(0)
  })
})
