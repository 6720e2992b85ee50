import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { check, isConsistent } from './check.ts'
import { startDirectBridge } from './direct.ts'
import type { Systems } from './faults.ts'
import { everydayFaults, planFaults, playFaults } from './faults.ts'
import type { RunResult } from './report.ts'
import type { Screen } from './screen.ts'
import { runShop } from './shop.ts'
import type { ShopRecord } from './shop.ts'
import { createAccounting } from './simulators/accounting.ts'
import { createErp } from './simulators/erp.ts'
import { createLogistics } from './simulators/logistics.ts'
import { Door } from './simulators/door.ts'
import { healthy } from './simulators/faults.ts'
import type { OrderTraffic } from './traffic.ts'

/** What both runs share. */
export interface Plan {
  readonly traffic: readonly OrderTraffic[]
  readonly seed: number
  /** How long the shop sells, in milliseconds. */
  readonly durationMs: number
  readonly screen: Screen
}

/** busbar and the simulators after their run. */
export interface RunningBusbar {
  readonly url: string
  readonly systems: Systems
  readonly result: RunResult
}

/** Signs the webhooks; what it is matters to nobody, that both ends have it does. */
const secret = 'the shop and its receiver share this'
/** How long busbar may take, after the shop's last message, to bring all systems up to date. */
const patienceMs = 30_000
/** Nothing may arrive for so long before a run counts as over: late repeats must show. */
const quietMs = 1_500

/** The run with direct calls; everything is stopped again afterwards. */
export async function runDirect(plan: Plan): Promise<RunResult> {
  await using started = new AsyncDisposableStack()
  const systems = await startSystems(started, { seed: plan.seed })
  const { erp, accounting, logistics } = systems
  const bridge = await startDirectBridge({
    erpUrl: erp.url,
    accountingUrl: accounting.url,
    logisticsUrl: logistics.url,
    secret,
  })
  started.defer(() => bridge.stop())
  const shop = await sell(plan, { url: bridge.url, systems })
  await untilQuiet(systems)
  return resultOf(shop, systems)
}

/**
 * The run through busbar, which is left running with the simulators, all healthy again; disposing of `started` stops
 * them and removes the journal. `fixedPorts` takes 7070 to 7073 for busbar and the systems, and 7081 to 7083 for their
 * faults, if they are all free; otherwise all take free ports.
 */
export async function runBusbar(
  plan: Plan,
  options: { readonly started: AsyncDisposableStack; readonly fixedPorts: boolean },
): Promise<RunningBusbar> {
  const { started } = options
  const fixedPorts = options.fixedPorts && (await areFree([7070, 7071, 7072, 7073, 7081, 7082, 7083]))
  const systems = await startSystems(started, { seed: plan.seed, fixedPorts })
  const { url } = await startHub(started, { systems, port: fixedPorts ? 7070 : 0 })
  const shop = await sell(plan, { url: `${url}/in/shop`, systems })
  await untilConsistent(shop, systems)
  await untilQuiet(systems)
  const result = resultOf(shop, systems)
  await Promise.all(Object.values(systems).map((system) => system.setFaults(healthy)))
  return { url, systems, result }
}

/** The configuration reads the environment when it is first imported, as it would in production; hence the order here. */
async function startHub(
  started: AsyncDisposableStack,
  { systems, port }: { readonly systems: Systems; readonly port: number },
): Promise<{ readonly url: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'busbar-demo-'))
  started.defer(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o711) // run by root, PostgreSQL runs as another user, who must get in
  Object.assign(process.env, {
    ERP_URL: systems.erp.url,
    ACCOUNTING_URL: systems.accounting.url,
    LOGISTICS_URL: systems.logistics.url,
    SHOP_SECRET: secret,
    BUSBAR_FOLDER: join(folder, 'journal'),
    BUSBAR_PORT: String(port),
  })
  const { createHub } = await import('../../src/index.ts')
  const { default: config } = await import('./busbar.config.ts')
  const hub = createHub(config, { log: 'error' })
  started.defer(() => hub.stop())
  await hub.start()
  return hub
}

async function startSystems(
  started: AsyncDisposableStack,
  { seed, fixedPorts = false }: { readonly seed: number; readonly fixedPorts?: boolean },
): Promise<Systems> {
  const ports = (nth: number) => (fixedPorts ? { port: 7070 + nth, controlPort: 7080 + nth } : {})
  const systems = {
    erp: createErp({ seed, faults: everydayFaults.erp, ...ports(1) }),
    accounting: createAccounting({ seed, faults: everydayFaults.accounting, ...ports(2) }),
    logistics: createLogistics({ seed, faults: everydayFaults.logistics, ...ports(3) }),
  }
  for (const system of Object.values(systems)) {
    started.defer(() => system.stop())
    await system.start()
  }
  return systems
}

/** A look only: somebody may still take one before we do. */
async function areFree(ports: readonly number[]): Promise<boolean> {
  for (const port of ports) {
    const door = new Door(() => undefined, port)
    const free = await door.open().then(
      () => true,
      () => false,
    )
    await door.shut()
    if (!free) return false
  }
  return true
}

async function sell(
  { traffic, seed, durationMs, screen }: Plan,
  { url, systems }: { url: string; systems: Systems },
): Promise<ShopRecord> {
  const faults = playFaults(planFaults({ seed, durationMs }), {
    systems,
    onMoment: ({ says }) => screen.say(`  ${says}`),
  })
  let done = 0
  const progress = () => screen.progress({ done, total: traffic.length, what: 'orders sent' })
  progress()
  const onOrderSent = () => {
    done++
    progress()
  }
  const shop = await runShop(traffic, { url, secret, onOrderSent })
  await faults.done
  screen.finish()
  return shop
}

async function untilConsistent(shop: ShopRecord, systems: Systems): Promise<void> {
  const deadline = Date.now() + patienceMs
  while (Date.now() < deadline && !isConsistent(resultOf(shop, systems).findings)) await sleep(100)
}

async function untilQuiet(systems: Systems): Promise<void> {
  const arrived = () => Object.values(systems).reduce((sum, { arrivals }) => sum + arrivals.length, 0)
  let before = -1
  while (before !== arrived()) {
    before = arrived()
    await sleep(quietMs)
  }
}

function resultOf(shop: ShopRecord, systems: Systems): RunResult {
  const all = Object.values(systems)
  const met = (kind: keyof RunResult['faultsMet']) => all.reduce((sum, { hits }) => sum + hits[kind], 0)
  return {
    shop,
    findings: check(shop, all),
    faultsMet: {
      throttled: met('throttled'),
      failing: met('failing'),
      commitThenTimeout: met('commitThenTimeout'),
      lostResponse: met('lostResponse'),
    },
  }
}
