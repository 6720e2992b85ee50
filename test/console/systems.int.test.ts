import { afterEach, beforeEach, expect, it } from 'vitest'
import { openInvoicing } from './accounting.ts'
import type { ConsoleRig } from './rig.ts'
import { describeWithBrowser } from './rig.ts'

describeWithBrowser('a system in the console', () => {
  let rig: ConsoleRig
  let close: () => Promise<void>
  beforeEach(async () => {
    ;({ rig, close } = await openInvoicing(
      (request, response) => {
        request.resume()
        response
          .writeHead(503, { 'content-type': 'application/json' })
          .end(JSON.stringify({ detail: 'year end' }))
      },
      { check: '/health' },
    ))
  })
  afterEach(async () => {
    expect(rig.complaints).toEqual([])
    await close()
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
