import { afterEach, beforeEach, expect, it } from 'vitest'
import { openInvoicing, orderPlaced } from './accounting.ts'
import type { ConsoleRig } from './rig.ts'
import { describeWithBrowser } from './rig.ts'

const numbers = Array.from({ length: 14 }, (_, index) => `SO-${20_001 + index}`)

describeWithBrowser('problems in the console', () => {
  let isMended = false
  let rig: ConsoleRig
  let close: () => Promise<void>
  beforeEach(async () => {
    isMended = false
    ;({ rig, close } = await openInvoicing(
      (request, response) => {
        request.resume()
        request.on('end', () => {
          response.writeHead(isMended ? 200 : 422, { 'content-type': 'application/json' })
          response.end(JSON.stringify(isMended ? { id: 'INV-1' } : { detail: 'no tax code' }))
        })
      },
      { label: 'the ledger' },
    ))
  })
  afterEach(async () => {
    expect(rig.complaints).toEqual([])
    await close()
  })

  const until = async (condition: () => Promise<boolean>, ms = 20_000) => {
    const deadline = performance.now() + ms
    while (!(await condition())) {
      if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${condition.toString()}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const open = async (state: number) => {
    const [row] = await rig.sql<{ n: number }>('SELECT count(*)::int AS n FROM runs WHERE state = $1', [
      state,
    ])
    return row?.n ?? 0
  }
  const breakAccounting = async () => {
    for (const number of numbers) await rig.hub.publish(orderPlaced, { number }, { id: number })
    await until(async () => (await open(4)) === numbers.length)
  }

  it('a cause is found, taken, mended, retried in stages, and is over by itself', async () => {
    const { page } = rig
    await breakAccounting()
    await rig.open('/problems')
    const row = page.getByRole('row', { name: /Needs a person/ })
    await row.getByText(`${numbers.length} objects`).waitFor()
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/problems/*')
    await page.getByText(`${numbers.length} objects stand since`, { exact: false }).waitFor()
    await page.keyboard.press('a')
    await page.getByText('Acknowledged', { exact: true }).first().waitFor()

    isMended = true
    await page.keyboard.press('r')
    const dialog = page.getByRole('dialog')
    await dialog.getByText('in log order', { exact: false }).waitFor()
    await dialog.getByLabel(/What was mended/).fill('tax codes are known now')
    await page.keyboard.press('Control+Enter')
    await page.waitForURL('**/bulk/*')
    await page.getByRole('heading', { name: `Retry of ${numbers.length} runs` }).waitFor()
    await page
      .getByText(`${numbers.length} of ${numbers.length} are through`, { exact: false })
      .waitFor({ timeout: 30_000 })
    await page.getByText(`Succeeded ${numbers.length}`).waitFor()
    expect(await page.getByRole('row', { name: /SO-2\d{4} Succeeded/ }).count()).toBe(numbers.length)

    await page.getByRole('navigation', { name: 'Place' }).getByRole('link').nth(1).click()
    await until(async () => {
      await page.reload()
      await page.locator('h1').waitFor()
      return (await page.getByText('Resolved', { exact: true }).count()) > 0
    }, 30_000)
    await page.getByText('It is over since', { exact: false }).waitFor()
    await page.getByText('the retry of its runs', { exact: false }).first().waitFor()
  })

  it('a retry that fails again stops by itself, and the rest can be cancelled', async () => {
    const { page } = rig
    await breakAccounting()
    const [problem] = await rig.sql<{ fp: string }>('SELECT fp FROM problems')
    await rig.open(`/problems/${problem?.fp}?act=retry`)
    await page.getByRole('button', { name: 'Retry the first one now' }).click()
    await page.waitForURL('**/bulk/*')
    await page.getByRole('alert').getByText('It has stopped by itself', { exact: false }).waitFor()
    await page.getByRole('row', { name: /SO-20001 Parked/ }).waitFor()
    await page.getByRole('button', { name: 'Cancel the rest' }).click()
    await page.getByText('13 runs stay as they were', { exact: false }).waitFor()
    expect(await open(4)).toBe(numbers.length)
  })

  it('problems are gathered by system and by flow, and each leads to its own', async () => {
    const { page } = rig
    await breakAccounting()
    await rig.open('/problems')
    const gathered = page.getByRole('navigation', { name: 'Gathered' })
    await gathered.getByRole('link', { name: 'By flow' }).click()
    await page.getByRole('row', { name: /^invoicing 1 1 14/ }).waitFor()
    await gathered.getByRole('link', { name: 'By system' }).click()
    await page.getByRole('row', { name: /^The ledger 1 1 14/ }).waitFor()
    await page.getByRole('link', { name: 'The ledger', exact: true }).click()
    await page.waitForURL('**/problems?system=accounting')
    await page.getByRole('row', { name: /Needs a person/ }).waitFor()
    expect(await page.getByLabel('System').inputValue()).toBe('accounting')
  })

  it('a problem calls its system as people do: on Now, in the list and on its own page', async () => {
    const { page } = rig
    await breakAccounting()
    await rig.open('/')
    await page.getByText('At the ledger.', { exact: false }).waitFor()
    await rig.open('/problems')
    await page.getByText('The ledger · call.invalid', { exact: true }).waitFor()
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await page.locator('.cause').getByRole('link', { name: 'The ledger' }).click()
    await page.getByRole('heading', { name: 'The ledger', level: 1 }).waitFor()
    expect(page.url()).toMatch(/\/systems\/accounting$/)
  })

  it('a problem is ignored until a moment, by keys alone', async () => {
    const { page } = rig
    await breakAccounting()
    await rig.open('/problems?tab=person')
    await page.keyboard.press('j')
    await page.keyboard.press('i')
    const dialog = page.getByRole('dialog', { name: 'Ignore until when?' })
    await dialog.waitFor()
    await dialog.getByLabel(/^Why/).fill('asked the tax office')
    await page.keyboard.press('Control+Enter')
    await page.getByText('Nothing needs a person').waitFor()
    await page.getByRole('link', { name: /^Ignored/ }).click()
    await page.getByRole('row', { name: /Until/ }).waitFor()
  })
})
