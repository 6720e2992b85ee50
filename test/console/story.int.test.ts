import { afterEach, beforeEach, expect, it } from 'vitest'
import { Simulator } from '../../examples/order-to-cash/simulators/simulator.ts'
import type { ConsoleRig } from './rig.ts'
import { describeWithBrowser, openConsole } from './rig.ts'
import type { Scene } from './scene.ts'
import { openScene, orderPlaced } from './scene.ts'

/** The console must tell of an outage by then, without anybody loading a page again. */
const toldMs = 5_000
const patience = { timeout: 30_000 }

describeWithBrowser('a story in the console', () => {
  let scene: Scene
  let rig: ConsoleRig
  beforeEach(async () => {
    scene = await openScene()
    rig = await openConsole(scene.settings)
  })
  afterEach(async () => {
    expect(rig.complaints).toEqual([])
    await rig.close()
    await scene.stop()
  })

  const publish = async (from: number, to: number, more = {}) => {
    for (let number = from; number <= to; number++)
      await rig.hub.publish(orderPlaced, scene.order(number, more), { id: `SO-${number}` })
  }

  it(
    'accounting breaks: the sentence says so, and says again when all is well',
    { timeout: 90_000 },
    async () => {
      const { page } = rig
      await publish(1, 5)
      await rig.open('/')
      await page.getByText('All is well', { exact: false }).waitFor(patience)

      await scene.systems.accounting.setFaults({ down: true })
      const broken = performance.now()
      await publish(6, 25)
      const sentence = page.getByText(/accounting refuses connections/i).first()
      await sentence.waitFor({ timeout: toldMs })
      console.info(`an outage is told ${Math.round(performance.now() - broken)} ms after it began`)

      await page
        .getByRole('link', { name: /accounting refuses connections/i })
        .first()
        .click()
      await page.waitForURL('**/problems/*')
      await page.getByRole('heading', { name: /accounting refuses connections/i }).waitFor()

      await scene.systems.accounting.setFaults({ down: false })
      await page.getByText('Resolved', { exact: true }).first().waitFor(patience)
      await rig.open('/')
      await page.getByText('All is well', { exact: false }).waitFor(patience)
    },
  )

  it(
    'orders are refused: cause, repair, retry in stages, and each story is complete',
    { timeout: 120_000 },
    async () => {
      const { page } = rig
      await rig.open('/')
      await publish(101, 114, { taxCode: undefined })
      const problem = page.getByRole('link', { name: /business customer needs a tax code/i }).first()
      await problem.waitFor(patience)
      await problem.click()
      await page.waitForURL('**/problems/*')
      // Now says the same words: the page of the problem must be there before a key is for it.
      await page.getByRole('heading', { name: /business customer needs a tax code/i, level: 1 }).waitFor()
      await page.getByText('a business customer needs a tax code', { exact: false }).first().waitFor()
      await page.getByText('14 objects', { exact: false }).first().waitFor(patience)

      await mendAccounting()
      await page.keyboard.press('r')
      const dialog = page.getByRole('dialog')
      await dialog.getByText('in log order', { exact: false }).waitFor(patience)
      await dialog.getByLabel(/What was mended/).fill('accounting takes them without a code now')
      await page.keyboard.press('Control+Enter')
      await page.waitForURL('**/bulk/*')
      await page.getByText('14 of 14 are through', { exact: false }).waitFor(patience)

      await rig.open('/objects/SO-107')
      for (const id of ['SALE-', 'INV-', 'SHIP-'])
        await page.getByText(id, { exact: false }).first().waitFor(patience)
      await page
        .getByText(/Done|Succeeded/)
        .first()
        .waitFor()
      await rig.open('/')
      await page.getByText('All is well', { exact: false }).waitFor(patience)
    },
  )

  /** The same accounting package, at the same address, without the rule that refused them. */
  async function mendAccounting(): Promise<void> {
    const port = Number(new URL(scene.systems.accounting.url).port)
    await scene.systems.accounting.stop()
    const mended = new Simulator(
      { name: 'accounting', collection: 'invoices', idPrefix: 'INV', amendable: false, honoursKeys: false },
      { port },
    )
    await mended.start()
    const broken = scene
    scene = {
      ...scene,
      stop: async () => void (await Promise.all([broken.stop(), mended.stop()])),
    }
  }
})
