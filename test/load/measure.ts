/**
 * `node test/load/measure.ts [--requests 40] [--database busbar_load] [--url postgres://…] [--only <route>]`: asks every
 * operation of the control API that only looks, over HTTP, against what load.ts has made, and prints how long the answers
 * took. Ends with 1 when one of them is above its limit at p95: 200 ms, for the Now page's 100 ms.
 */
import { parseArgs } from 'node:util'
import Fastify from 'fastify'
import { controlServerOptions, registerControl } from '../../src/control/routes.ts'
import type { Route } from '../../src/control/route.ts'
import { apiPrefix, routes } from '../../src/control/route-table.ts'
import { openDatabase } from '../../src/journal/database.ts'
import { migrate } from '../../src/journal/migrate.ts'

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '40' },
    database: { type: 'string', default: 'busbar_load' },
    url: { type: 'string', default: 'postgres://postgres@127.0.0.1:5432/postgres' },
    only: { type: 'string' },
  },
})
const url = new URL(values.url)
url.pathname = `/${values.database}`
const database = openDatabase({
  url: url.href,
  schema: 'busbar',
  applicationName: 'measure',
  maxConnections: 3,
})
await migrate(database, 'busbar') // what was loaded by an earlier version
const app = Fastify(controlServerOptions)
registerControl(app, { database: () => database, onError: (error) => console.error(error) })
const address = await app.listen({ port: 0, host: '127.0.0.1' })

const [{ head = 0 } = {}] = await database.query<{ head: number }>({
  text: 'SELECT max(seq) AS head FROM events',
})
const [{ fp = '' } = {}] = await database.query<{ fp: string }>({
  text: 'SELECT fp FROM problems ORDER BY last_seen DESC LIMIT 1',
})
const [{ rejected = 0 } = {}] = await database.query<{ rejected: number }>({
  text: 'SELECT max(id) AS rejected FROM outbox_rejected',
})
let dice = 12_345
const random = (below: number) => (dice = (dice * 48_271) % 2_147_483_647) % below
const anySeq = () => 1 + random(head)
const order = () => `SO-${1_000_000 + Math.floor(anySeq() / 4_000) * 1_000 + random(1_000)}`
const recent = () => head - random(Math.min(head, 400_000))

type Input = Readonly<Record<string, string | number>>

/** What to ask, several ways of one operation where they go by different indexes. */
const asked: Readonly<Record<string, readonly (() => Input)[]>> = {
  status: [() => ({})],
  now: [() => ({}), () => ({ hours: 24 })],
  map: [() => ({})],
  search: [
    () => ({ q: order() }),
    () => ({ q: order().slice(0, 7) }),
    () => ({ q: `SAL-${recent()}` }),
    () => ({ q: `evt-${anySeq()}` }),
    () => ({ q: `flow-1/${anySeq()}` }),
    () => ({ q: 'tax code' }),
    () => ({ q: 'S' }),
  ],
  listObjects: [
    () => ({}),
    () => ({ cursor: Buffer.from(String(anySeq())).toString('base64url') }),
    () => ({ prefix: order().slice(0, 6) }),
    () => ({ state: 'parked' }),
    () => ({ state: 'open' }),
  ],
  findObject: [() => ({ system: 'erp', external: `SAL-${recent()}` })],
  getObject: [() => ({ key: order() }), () => ({ key: 'ART-1' }), () => ({ key: 'ART-1', before: anySeq() })],
  listEvents: [
    () => ({}),
    () => ({ before: anySeq() }),
    () => ({ key: order() }),
    () => ({ type: 'erp.stock.changed' }),
    () => ({ type: 'no.such.type' }),
    () => ({ source: 'wms', id: `evt-${anySeq()}` }),
  ],
  findEvent: [() => ({ source: 'shop', id: `evt-${4 * Math.floor(anySeq() / 4)}` })],
  getEvent: [() => ({ seq: anySeq() })],
  listRuns: [
    () => ({}),
    () => ({ flow: 'flow-1', cursor: `${anySeq()}-0-0` }),
    () => ({ state: 'open' }),
    () => ({ state: 'parked', system: 'erp' }),
    () => ({ state: 'succeeded' }),
    () => ({ state: 'skipped' }),
    () => ({ key: order() }),
    () => ({ problem: fp }),
    () => ({ system: 'crm', from: new Date(Date.now() - 86_400_000).toISOString() }),
  ],
  getRun: [() => ({ flow: 'flow-1', seq: anySeq() }), () => ({ flow: 'flow-1', seq: head - random(10_000) })],
  listLinks: [() => ({ kind: 'order', id: order() }), () => ({ system: 'erp', external: `SAL-${recent()}` })],
  listReplays: [() => ({})],
  getReplay: [],
  listSystems: [() => ({})],
  getSystem: [() => ({ name: 'erp' })],
  listGroups: [() => ({})],
  listFlows: [() => ({})],
  listProblems: [() => ({}), () => ({ state: 'resolved' }), () => ({ state: 'open', limit: 200 })],
  listProblemGroups: [() => ({ by: 'system' }), () => ({ by: 'flow' })],
  getProblem: [() => ({ fingerprint: fp })],
  listProblemRuns: [() => ({ fingerprint: fp })],
  listBulkActs: [() => ({})],
  getBulkAct: [],
  listAlertChannels: [() => ({})],
  listAlertDeliveries: [() => ({})],
  readCatalog: [() => ({})],
  listRefused: [() => ({})],
  systemHistory: [() => ({ name: 'erp' })],
  readOutbox: [() => ({}), () => ({ type: 'shop.order.placed' })],
  getRejected: [() => ({ id: rejected })],
  readTransport: [() => ({})],
  listExpectations: [() => ({})],
  listAwaited: [() => ({ name: 'invoiced-1' }), () => ({ name: 'invoiced-1', state: 'open' })],
  listWorkers: [() => ({})],
  stats: [() => ({}), () => ({ minutes: 1440 }), () => ({ minutes: 10_080 })],
  listAudit: [() => ({}), () => ({ before: 1 + random(1_000_000) })],
}

let failed = false
const unknown: string[] = []
console.log(`${'operation'.padEnd(18)} ${'asked'.padEnd(58)}   p50    p95    max  ms`)
for (const [id, route] of Object.entries(routes as Readonly<Record<string, Route>>)) {
  if (route.method !== 'GET' || (values.only !== undefined && values.only !== id)) continue
  if (!asked[id]) unknown.push(id)
  for (const make of asked[id] ?? []) await measure(id, route, make)
}
if (unknown.length > 0) console.log(`not asked, for want of an example: ${unknown.join(', ')}`)
await app.close()
await database.close()
process.exit(failed ? 1 : 0)

async function measure(id: string, route: Route, make: () => Input): Promise<void> {
  const times: number[] = []
  let last: Input = {}
  for (let round = -2; round < Number(values.requests); round++) {
    last = make()
    const startedAt = performance.now()
    const response = await fetch(address + addressOf(route, last))
    await response.text()
    if (response.status !== 200 && response.status !== 404) throw new Error(`${id}: HTTP ${response.status}`)
    if (round >= 0) times.push(performance.now() - startedAt)
  }
  times.sort((one, other) => one - other)
  const at = (share: number) => times[Math.min(times.length - 1, Math.ceil(share * times.length) - 1)] ?? 0
  const isSlow = at(0.95) > (id === 'status' || id === 'now' ? 100 : 200)
  failed ||= isSlow
  const figures = [0.5, 0.95, 1].map((share) => at(share).toFixed(1).padStart(6)).join(' ')
  console.log(
    `${id.padEnd(18)} ${JSON.stringify(last).slice(0, 58).padEnd(58)} ${figures}${isSlow ? '  SLOW' : ''}`,
  )
}

function addressOf(route: Route, input: Input): string {
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(input[name])),
  )
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(input))
    if (!(name in route.params.shape)) query.set(name, String(value))
  return `${apiPrefix}${path}?${query}`
}
