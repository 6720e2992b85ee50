/** Every page as people with other eyes, hands and ears meet it: axe finds nothing serious, in both themes, on a desktop and on a phone. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Result } from 'axe-core'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createControlClient } from '../../src/control/client.ts'
import { slackChannel, webhookChannel } from '../../src/index.ts'
import type { AlertChannel } from '../../src/index.ts'
import { Receiver } from '../scenario/alerts-rig.ts'
import type { ConsoleRig } from './rig.ts'
import { describeWithBrowser, desktop, openConsole, phone } from './rig.ts'
import { openScene, orderPlaced } from './scene.ts'
import type { Scene } from './scene.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

describeWithBrowser('axe', () => {
  let scene: Scene
  let rig: ConsoleRig
  let places: readonly string[]
  const receiver = new Receiver()

  beforeAll(async () => {
    scene = await openScene()
    rig = await openConsole({ ...scene.settings, alerts: { channels: await channels() } })
    // From outside the page's own policy: axe is a guest here.
    await rig.context.addInitScript(axe)
    places = await somethingHappens()
  })
  afterAll(async () => {
    await rig.close()
    await scene.stop()
    await receiver.close()
  })

  /** Of two messages one arrives and one is tried again. */
  async function channels(): Promise<readonly AlertChannel[]> {
    const url = await receiver.open()
    receiver.answer = ({ headers }) => ({ status: headers['webhook-id'] === undefined ? 204 : 503 })
    return [slackChannel({ name: 'operations', url }), webhookChannel({ name: 'on-call', url, secret: 's' })]
  }

  /** One order is parked for its tax code, many have succeeded, a replay is planned. */
  async function somethingHappens(): Promise<readonly string[]> {
    for (let number = 1; number <= 12; number++)
      await rig.hub.publish(orderPlaced, scene.order(number, number === 7 ? { taxCode: undefined } : {}), {
        id: `${number}`,
      })
    const control = createControlClient({ url: rig.hub.url })
    await vi.waitFor(async () => expect((await control.status()).open.parked).toBe(1), 20_000)
    const [parked] = (await control.listRuns({ state: 'parked' })).items
    const [problem] = (await control.listProblems()).items
    const replay = await control.planReplay({
      ...{ flow: 'order-to-cash', states: ['succeeded'], keys: 'new', reason: 'a look' },
    })
    for (const name of ['operations', 'on-call']) await control.testAlertChannel({ name })
    await vi.waitFor(() => expect(receiver.got.length).toBeGreaterThan(1), 20_000)
    const run = `${parked?.flow}/${parked?.seq}`
    return [
      ...['/', '/problems', `/problems/${problem?.fingerprint}`, '/objects', '/objects/SO-7', `/runs/${run}`],
      ...['/map', '/events', `/events?seq=${parked?.seq}`, '/systems', '/systems/accounting'],
      ...['/replays', '/replays?new=1', `/replays/${replay.id}`, '/audit', '/docs', '/more'],
      ...['/settings', '/settings?tab=alerts'],
      ...['groups', 'processes', 'expectations', 'outbox', 'transport'].map(
        (tab) => `/operations?tab=${tab}`,
      ),
    ]
  }

  for (const theme of ['light', 'dark'] as const)
    for (const [device, view] of Object.entries({ desktop, phone }))
      it(`finds nothing serious on any page, ${theme}, on a ${device}`, async () => {
        await rig.page.setViewportSize(view)
        const found: string[] = []
        for (const place of places) {
          await rig.open(`${place}${place.includes('?') ? '&' : '?'}theme=${theme}`)
          found.push(...(await seriousOn(rig)).map((fault) => `${place}: ${fault}`))
        }
        expect(found).toEqual([])
      }, 120_000)
})

/** What axe calls serious or critical on the page that is open: the rule, and the first element it holds of. */
async function seriousOn({ page }: ConsoleRig): Promise<string[]> {
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<{ violations: Result[] }> } }).axe.run(),
  )
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, help, nodes }) =>
        `${id} (${help}), ${nodes.length} times, first ${nodes[0]?.html.slice(0, 160)} ${nodes[0]?.failureSummary?.split('\n')[1]?.trim() ?? ''}`,
    )
}
