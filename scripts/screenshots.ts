/**
 * `npm run screenshots [-- --out <folder>] [--only <page>]`: pictures of every page of the console with a company in it, light
 * and dark, on a desktop and on a phone. Needs a PostgreSQL (BUSBAR_TEST_DATABASE_URL, or the one on the default port) and a
 * Chromium.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createControlClient } from '../src/control/client.ts'
import { startTestServices } from './test-services.ts'

const { values } = parseArgs({
  options: { out: { type: 'string', default: '.screenshots' }, only: { type: 'string' } },
})
const services = await startTestServices()
Object.assign(process.env, services.env)
const { desktop, openConsole, phone } = await import('../test/console/rig.ts')
const { openScene, orderPlaced } = await import('../test/console/scene.ts')

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const scene = await openScene()
const rig = await openConsole(scene.settings)
try {
  mkdirSync(values.out, { recursive: true })
  const places = await somethingHappens()
  for (const theme of ['light', 'dark'] as const)
    for (const [device, view] of Object.entries({ desktop, phone })) {
      await rig.page.setViewportSize(view)
      for (const [name, path] of Object.entries(places)) {
        if (values.only !== undefined && !values.only.split(',').includes(name)) continue
        await rig.open(`${path}${path.includes('?') ? '&' : '?'}theme=${theme}`)
        await pause(400) // charts and graphs draw after their data
        await rig.page.screenshot({
          path: join(values.out, `${name}-${theme}-${device}.png`),
          fullPage: true,
        })
      }
    }
  for (const complaint of new Set(rig.complaints)) console.error(complaint)
} finally {
  await rig.close()
  await scene.stop()
  await services.stop()
}

/** A good hour, then one order without a tax code, then accounting is off; answers where there is something to see. */
async function somethingHappens(): Promise<Readonly<Record<string, string>>> {
  const publish = (number: number, more = {}) =>
    rig.hub.publish(orderPlaced, scene.order(number, more), { id: `SO-${number}-1` })
  await scene.systems.erp.setFaults({ failing: 0.04 })
  for (let number = 10_400; number < 10_460; number++) {
    await publish(number, number === 10_427 ? { taxCode: undefined } : {})
    await pause(25)
  }
  await pause(1_500)
  await scene.systems.accounting.setFaults({ down: true })
  for (let number = 10_460; number < 10_500; number++) {
    await publish(number)
    await pause(25)
  }
  await pause(4_000)
  const [parked] = await rig.sql<{ run: string }>(
    `SELECT f.name || '/' || r.seq AS run FROM runs r JOIN flows f ON f.id = r.flow WHERE r.state = 4 LIMIT 1`,
  )
  const problems = await rig.sql<{ fingerprint: string }>(
    'SELECT fp AS fingerprint FROM problems ORDER BY last_seen DESC',
  )
  const replay = await planReplay()
  return {
    now: '/',
    problems: '/problems',
    problem: `/problems/${problems[0]?.fingerprint}`,
    objects: '/objects',
    object: '/objects/SO-10427',
    run: `/runs/${parked?.run}`,
    map: '/map',
    events: '/events?seq=30',
    'events-test': '/events?try=shop.order.placed',
    systems: '/systems',
    system: '/systems/accounting',
    replays: '/replays',
    replay: `/replays/${replay}`,
    'replay-new': '/replays?new=1',
    operations: '/operations',
    audit: '/audit',
    settings: '/settings',
    docs: '/docs?type=shop.order.placed',
  }
}

/** What somebody has thought of and not begun yet. */
async function planReplay(): Promise<number> {
  const control = createControlClient({ url: rig.hub.url ?? '' })
  const { id } = await control.planReplay({
    flow: 'order-to-cash',
    states: ['succeeded'],
    keys: 'new',
    reason: 'the tax codes of Monday were wrong',
  })
  return id
}
