/** Finding an order and repairing it, in a real browser against a running busbar with simulated systems. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ConsoleRig } from './rig.ts'
import { describeWithBrowser, openConsole, phone } from './rig.ts'
import type { Scene } from './scene.ts'
import { openScene, orderPlaced } from './scene.ts'

const waitMs = 20_000

describeWithBrowser('objects and runs', () => {
  let scene: Scene
  let rig: ConsoleRig
  beforeEach(async () => {
    scene = await openScene()
    rig = await openConsole(scene.settings)
  })
  afterEach(async () => {
    await rig.close()
    await scene.stop()
  })

  /** An order without a tax code is refused by accounting; another one goes through. */
  async function parkedOrder(): Promise<string> {
    await rig.hub.publish(orderPlaced, scene.order(1), { id: 'SO-1-1' })
    await rig.hub.publish(orderPlaced, scene.order(2, { taxCode: undefined }), { id: 'SO-2-1' })
    await expect
      .poll(() => rig.sql<{ n: number }>('SELECT count(*)::int AS n FROM runs WHERE state IN (4, 10)'), {
        timeout: waitMs,
      })
      .toEqual([{ n: 2 }])
    const [{ seq } = { seq: 0 }] = await rig.sql<{ seq: string }>('SELECT seq FROM runs WHERE state = 4')
    return `/runs/order-to-cash/${seq}`
  }

  const state = async (key: string) => {
    const [row] = await rig.sql<{ state: number }>(
      'SELECT r.state FROM runs r JOIN events e ON e.seq = r.seq WHERE e.key = $1',
      [key],
    )
    return row?.state
  }

  it('finds an order by the id that the ERP gave it, and tells its story', async () => {
    await parkedOrder()
    const [{ ext } = { ext: '' }] = await rig.sql<{ ext: string }>(
      `SELECT ext FROM links WHERE system = 'erp' AND cid = 'SO-2'`,
    )
    await rig.open('/')
    await rig.page.keyboard.press('Control+k')
    await rig.page.keyboard.type(ext)
    await rig.page.getByRole('option', { name: /SO-2/ }).waitFor()
    await rig.page.keyboard.press('Enter')
    await rig.page.waitForURL('**/objects/SO-2')
    await rig.page.getByRole('heading', { name: 'Order SO-2' }).waitFor()
    await rig.page.getByText(/Stuck at/).waitFor()
    const axis = rig.page.getByRole('region', { name: 'Everything that happened to SO-2' })
    await axis.getByRole('link', { name: ext }).waitFor()
    await axis.getByText('After the repair').waitFor()
    await rig.page.getByRole('button', { name: /^Attempts/ }).click()
    await rig.page.waitForURL('**view=attempts')
    await rig.page.getByRole('row', { name: /422/ }).waitFor()
    await rig.open('/objects?q=SO-')
    await rig.page.getByRole('link', { name: 'SO-1' }).waitFor()
    await rig.page.setViewportSize(phone)
    await rig.open('/objects/SO-2')
    await rig.page
      .getByRole('region', { name: 'What happened, newest first' })
      .getByText('shop.order.placed')
      .waitFor()
  })

  it('edits and retries a parked run by keys alone, and shows the difference before anything is sent', async () => {
    const run = await parkedOrder()
    await rig.open(run)
    await rig.page.keyboard.press('e')
    await rig.page.getByRole('region', { name: 'Edit and retry invoice' }).waitFor()
    await rig.page.getByLabel('Another field').fill('taxCode')
    await rig.page.getByLabel('Its value').fill('DE129273398')
    await rig.page.getByRole('button', { name: 'Add the field' }).press('Enter')
    await rig.page.getByLabel(/^Why/).fill('as told by product data')
    await rig.page.keyboard.press('Control+Enter')
    const added = rig.page.getByLabel('As it will be').locator('.add')
    await added.filter({ hasText: '"taxCode": "DE129273398"' }).waitFor()
    await rig.page.getByText('under a new idempotency key').waitFor()
    expect(await state('SO-2')).toBe(4)
    expect((await rig.sql('SELECT FROM audit')).length).toBe(0)
    await rig.page.getByLabel(/^Why/).press('Control+Enter')
    await expect.poll(() => state('SO-2'), { timeout: waitMs }).toBe(10)
    await rig.page.reload()
    await rig.page.getByText('“as told by product data”').waitFor()
  })

  it('supplies a result, so that accounting is not called again', async () => {
    const run = await parkedOrder()
    await rig.open(run)
    await rig.page.keyboard.press('s')
    await rig.page.getByRole('dialog', { name: 'Supply the result of invoice?' }).waitFor()
    await rig.page.getByLabel(/as JSON/).fill('{"id": "INV-by-hand"}')
    await rig.page.getByLabel(/^Why/).fill('booked by hand')
    await rig.page.keyboard.press('Control+Enter')
    await expect.poll(() => state('SO-2'), { timeout: waitMs }).toBe(10)
    const [shipped] = await rig.sql<{ result: string }>(
      `SELECT s.result FROM steps s JOIN events e ON e.seq = s.seq WHERE e.key = 'SO-2' AND s.step = 'invoice'`,
    )
    expect(shipped?.result).toContain('INV-by-hand')
  })

  it('skips a step only with a reason, and says that it is done', async () => {
    const run = await parkedOrder()
    await rig.open(run)
    await rig.page.keyboard.press('k')
    const dialog = rig.page.getByRole('dialog', { name: 'Skip invoice for SO-2?' })
    expect(await dialog.getByRole('button', { name: 'Skip invoice' }).isDisabled()).toBe(true)
    await dialog.getByLabel(/^Why/).fill('a gift')
    await dialog.getByRole('button', { name: 'Skip invoice' }).click()
    await rig.page.getByText('Done: skip invoice').waitFor()
    const [skipped] = await rig.sql<{ reason: string }>('SELECT reason FROM audit')
    expect(skipped?.reason).toBe('a gift')
  })

  it('opens each step from the graph, says what a retry would send, and nothing is sent by looking', async () => {
    const run = await parkedOrder()
    await rig.open(run)
    await rig.page.getByRole('link', { name: /^sale .*: Succeeded/ }).click()
    await rig.page.waitForURL('**step=sale')
    await rig.page.getByRole('heading', { name: 'sale, data' }).waitFor()
    await rig.open(run)
    await rig.page.keyboard.press('r')
    const dialog = rig.page.getByRole('dialog', { name: 'Retry order-to-cash for SO-2?' })
    await dialog.getByText('no changes').waitFor()
    await rig.page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    expect(await state('SO-2')).toBe(4)
    expect(rig.complaints.filter((complaint) => !complaint.includes('404'))).toEqual([])
  })
})
