import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ConsoleRig } from './rig.ts'
import { describeWithBrowser, openConsole } from './rig.ts'

describeWithBrowser('the console', () => {
  let rig: ConsoleRig
  beforeEach(async () => {
    rig = await openConsole()
  })
  afterEach(() => rig.close())

  it('is served by busbar, and goes anywhere by keys alone', async () => {
    await rig.open('/')
    await rig.page.keyboard.press('g')
    await rig.page.keyboard.press('e')
    await rig.page.waitForURL('**/events')
    await rig.page.keyboard.press('Control+k')
    await rig.page.keyboard.type('audi')
    await rig.page.getByRole('option', { name: 'Audit' }).waitFor()
    await rig.page.keyboard.press('Enter')
    await rig.page.waitForURL('**/audit')
    await rig.page.keyboard.press('?')
    await rig.page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
    await rig.page.keyboard.press('Escape')
    await rig.page.getByRole('dialog').waitFor({ state: 'detached' })
  })

  it('changes between light and dark, and remembers it', async () => {
    await rig.open('/')
    const ground = () => rig.page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
    const light = await ground()
    await rig.page.getByRole('button', { name: 'Switch between light and dark' }).click()
    expect(await ground()).not.toBe(light)
    const dark = await ground()
    await rig.page.reload()
    await rig.page.locator('h1').first().waitFor()
    expect(await ground()).toBe(dark)
  })

  it('says so where there is no such page', async () => {
    await rig.page.goto(`${rig.hub.url}/problems/a/b/c`)
    await rig.page.getByText('There is no such page').waitFor()
  })
})
