import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ConsoleRig } from './rig.ts'
import { describeWithBrowser, openConsole } from './rig.ts'
import type { Scene } from './scene.ts'
import { openScene, orderPlaced } from './scene.ts'

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

const publish = (number: number) =>
  rig.hub.publish(orderPlaced, scene.order(number), { id: `SO-${number}-1` })

describeWithBrowser('Now and Systems', () => {
  it('say within 5 s that a system refuses, test it by T, and that it is back', async () => {
    const { page } = rig
    await publish(1)
    await rig.open('/')
    await page.getByText('All is well').first().waitFor()

    await scene.systems.accounting.setFaults({ down: true })
    const from = performance.now()
    for (let number = 10; number < 20; number++) await publish(number)
    const sentence = page.locator('.sentence p').first()
    await sentence.getByText('Accounting refuses connections').waitFor({ timeout: 5_000 })
    expect(performance.now() - from).toBeLessThan(5_000)
    await page.getByText('10 orders').first().waitFor()
    await page
      .locator('a.feeder', { hasText: 'Accounting' })
      .locator('dd', { hasText: '10 orders' })
      .waitFor()

    await page.keyboard.press('t')
    await page.getByRole('alert').getByText('does not answer as it should').waitFor()

    await scene.systems.accounting.setFaults({ down: false })
    await page.getByText('All is well').first().waitFor({ timeout: 10_000 })
    expect(rig.complaints).toEqual([])
  })

  it('pause and resume by P, and set and end a maintenance window', async () => {
    const { page } = rig
    await publish(1)
    await rig.open('/systems')
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: 'Accounting' }).waitFor()

    await page.keyboard.press('p')
    await page.getByLabel('Reason, kept in the audit').fill('year end')
    await page.getByRole('button', { name: 'Pause Accounting' }).click()
    await page.locator('.page-head .state').getByText('Paused').waitFor()
    await page.keyboard.press('p')
    await page.locator('.page-head .state').getByText('Connected').waitFor()
    const audit = await rig.sql('SELECT verb, reason FROM audit ORDER BY id')
    expect(audit).toEqual([
      { verb: 'pause', reason: 'year end' },
      { verb: 'resume', reason: null },
    ])

    await page.getByRole('button', { name: 'Add a window…' }).click()
    await page.getByLabel('Lasts').selectOption('30')
    await page.getByRole('button', { name: 'Set the window' }).click()
    await page.locator('.page-head .state').getByText('Maintenance').waitFor()
    await page.getByRole('button', { name: 'End it now' }).click()
    await page.locator('.page-head .state').getByText('Connected').waitFor()

    await page.getByRole('button', { name: 'Test connection' }).click()
    await page.getByRole('status').getByText('answered in').waitFor()
    await page
      .getByRole('region', { name: 'Test calls' })
      .locator('.state', { hasText: 'Answered' })
      .waitFor()
    expect(rig.complaints).toEqual([])
  })

  it('draw the map, and its nodes lead on', async () => {
    const { page } = rig
    for (let number = 1; number < 5; number++) await publish(number)
    await rig.open('/map')
    await page.locator('.map-bar').waitFor()
    await page.locator('.react-flow__edge').nth(4).waitFor({ state: 'attached' })
    await page.getByRole('link', { name: 'order-to-cash' }).click()
    await page.waitForURL(/flow=order-to-cash/)
    await page.getByText('As a table').click()
    await page.getByRole('cell', { name: 'logistics' }).waitFor()
    await page.locator('a.map-system', { hasText: 'ERP' }).click()
    await page.getByRole('heading', { level: 1, name: 'ERP' }).waitFor()
    expect(rig.complaints).toEqual([])
  })
})
