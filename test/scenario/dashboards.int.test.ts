/** Dashboards and alert rules against what a running hub says, name by name and label by label. */
import { randomBytes } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import pg from 'pg'
import { request } from 'undici'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import {
  createHub,
  defineConfig,
  defineEvent,
  defineFlow,
  expectEvent,
  httpSystem,
  postgres,
  webhookSource,
} from '../../src/index.ts'
import type { Hub } from '../../src/index.ts'
import { root } from '../docs/texts.ts'
import { databaseUrl } from './rig.ts'

interface Dashboard {
  readonly uid: string
  readonly panels: readonly {
    readonly title: string
    readonly targets: readonly { expr: string; legendFormat: string }[]
  }[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: string }[] }
}
const dashboards = globSync('deploy/grafana/dashboards/*.json', { cwd: root }).map(
  (name) => JSON.parse(readFileSync(root + name, 'utf8')) as Dashboard,
)
const rules = parse(readFileSync(`${root}deploy/prometheus/busbar.rules.yml`, 'utf8')) as {
  readonly groups: readonly {
    readonly rules: readonly { alert: string; expr: string; annotations: Record<string, string> }[]
  }[]
}

/** What Prometheus adds to each series: deploy/prometheus/prometheus.yml. */
const scraped = ['job', 'instance', 'service', 'le']
/** Of node_exporter, where compose.yaml runs it. */
const foreign = new Map([
  ['node_filesystem_avail_bytes', new Set(['mountpoint'])],
  ['node_filesystem_size_bytes', new Set(['mountpoint'])],
])

/** What shows that both the flow and the expectation have seen the event. */
const worked = /busbar_runs_total\{[^}]+\} 1[^]*busbar_expectations_open\{expectation="paid"\} 1/
const schema = `dashboards_${randomBytes(6).toString('hex')}`
const hubs: Hub[] = []
let target: Server
let exposed: Map<string, Set<string>>

beforeAll(async () => {
  target = createServer((incoming, answer) => {
    incoming.resume()
    answer.writeHead(201, { 'content-type': 'application/json' }).end('{"id":1}')
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  const hub = createHub(configOf((target.address() as AddressInfo).port), { migrate: true, log: 'silent' })
  hubs.push(hub)
  await hub.start()
  await work(hub)
  await vi.waitFor(async () => expect(await scrape(hub)).toMatch(worked), { timeout: 10_000 })
  exposed = labelsOf(await scrape(hub))
})

afterAll(async () => {
  for (const hub of hubs) await hub.stop()
  target.closeAllConnections()
  target.close()
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  await client.end()
})

function configOf(port: number) {
  const Order = z.object({ number: z.string() })
  const placed = defineEvent({ type: 'order.placed', schema: Order, key: (order) => order.number })
  const paid = defineEvent({ type: 'order.paid', schema: Order, key: (order) => order.number })
  const erp = httpSystem({ name: 'erp', baseUrl: `http://127.0.0.1:${port}` })
  return defineConfig({
    journal: postgres({ url: databaseUrl, schema }),
    flows: [
      defineFlow('book')
        .on(placed)
        .step('sale', erp, { run: ({ event, call }) => call.post('/sales', event.data) }),
    ],
    expectations: [expectEvent(paid, { after: placed, within: '1h', name: 'paid' })],
    sources: [
      webhookSource({
        name: 'shop',
        unauthenticated: true,
        id: ({ headers }) => headers['x-id'],
        map: ({ body }) => ({ event: placed, data: body }),
      }),
    ],
    http: { port: 0, unauthenticated: true },
  })
}

async function work(hub: Hub): Promise<void> {
  const post = async (path: string, headers: Record<string, string>, body: object) => {
    const { statusCode, body: answer } = await request(hub.url + path, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    await answer.dump()
    return statusCode
  }
  const json = { 'content-type': 'application/json' }
  expect(await post('/in/shop', { ...json, 'x-id': '1' }, { number: 'SO-1' })).toBe(202)
  expect(await post('/in/shop', { ...json, 'x-id': '2' }, { number: 7 })).toBe(422)
  expect(await post('/events', json, {})).toBe(422)
}

async function scrape(hub: Hub): Promise<string> {
  return (await request(`${hub.url}/metrics`)).body.text()
}

/** Each metric with the labels of its samples; of one that has none here, those that docs/metrics.md says. */
function labelsOf(text: string): Map<string, Set<string>> {
  const known = new Map<string, Set<string>>()
  for (const [, name = ''] of text.matchAll(/^# TYPE (\S+)/gm)) known.set(name, documented(name))
  for (const [, name = '', labels = ''] of text.matchAll(/^([a-z_0-9]+)(?:\{(.*)\})? \S+$/gm)) {
    const base = known.has(name) ? name : name.replace(/_(bucket|count|sum)$/, '')
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) known.get(base)?.add(label)
  }
  return new Map([...known, ...foreign])
}

const docs = readFileSync(`${root}docs/metrics.md`, 'utf8')
function documented(name: string): Set<string> {
  const [, labels = ''] = new RegExp(`^\\| \`${name}\` +\\| \\w+ +\\|([^|]*)\\|`, 'm').exec(docs) ?? []
  return new Set([...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label))
}

/** Faults of a query, and of the labels that are taken from its answer. */
function faults(query: string, shown = ''): string[] {
  const found: string[] = []
  const labels = new Set(scraped)
  for (const [, name = '', matchers = ''] of query.matchAll(
    /\b((?:busbar|process|nodejs|node)_\w+)(?:\{([^}]*)\})?/g,
  )) {
    const own = exposed.get(name) ?? exposed.get(name.replace(/_(bucket|count|sum)$/, ''))
    if (!own) found.push(`there is no ${name}`)
    for (const label of own ?? []) labels.add(label)
    for (const [, label = ''] of matchers.matchAll(/(\w+)\s*[!=]~?\s*"/g))
      if (!own?.has(label) && !scraped.includes(label)) found.push(`${name} has no ${label}`)
  }
  for (const [, list = ''] of query.matchAll(/\bby \(([^)]*)\)/g))
    for (const label of list.split(',').map((each) => each.trim()))
      if (!labels.has(label)) found.push(`nothing in ${query} has ${label}`)
  for (const [, label = ''] of shown.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g))
    if (!labels.has(label)) found.push(`nothing in ${query} has ${label}`)
  return found
}

it('each query of each dashboard asks for metrics and labels that a hub exports', () => {
  expect(dashboards.length).toBe(4)
  const queries = dashboards.flatMap(({ panels }) => panels.flatMap(({ targets }) => targets))
  expect(queries.length).toBeGreaterThan(50)
  expect(queries.flatMap(({ expr, legendFormat }) => faults(expr, legendFormat))).toEqual([])
})

it('the variables of the dashboards are values of labels that there are', () => {
  const asked = dashboards.flatMap(({ templating }) => templating.list.map(({ query }) => query))
  expect(asked.length).toBe(2)
  for (const query of asked) {
    const [, name = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(query) ?? []
    expect(exposed.get(name)).toContain(label)
  }
})

it('each dashboard uses no variable that it does not have', () => {
  for (const { panels, templating } of dashboards) {
    const own = templating.list.map(({ name }) => name)
    for (const { expr } of panels.flatMap(({ targets }) => targets))
      for (const [, name = ''] of expr.matchAll(/\$(\w+)/g))
        expect([...own, '__rate_interval']).toContain(name)
  }
})

it('each alert asks for metrics and labels that a hub exports, and shows labels that its query keeps', () => {
  const all = rules.groups.flatMap((group) => group.rules)
  expect(all.length).toBeGreaterThan(15)
  expect(all.flatMap(({ expr, annotations }) => faults(expr, Object.values(annotations).join(' ')))).toEqual(
    [],
  )
})

it('says so when a query asks for what there is not', () => {
  expect(faults('sum by (flw) (busbar_runs_total)')).toEqual([
    'nothing in sum by (flw) (busbar_runs_total) has flw',
  ])
  expect(faults('busbar_run_total{outcome="x"}')).toHaveLength(2)
  expect(faults('busbar_runs_total{system="erp"}')).toEqual(['busbar_runs_total has no system'])
})

it('each metric of busbar is in a dashboard or an alert', () => {
  const used = [
    ...dashboards.flatMap(({ panels }) => panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))),
    ...rules.groups.flatMap((group) => group.rules.map(({ expr }) => expr)),
  ].join(' ')
  const unused = [...exposed.keys()].filter((name) => name.startsWith('busbar_') && !used.includes(name))
  expect(unused).toEqual([])
})
