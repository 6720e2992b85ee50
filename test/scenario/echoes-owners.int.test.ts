import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent, defineFlow, defineSystem } from '../../src/index.ts'
import type { Flow, System } from '../../src/index.ts'
import { hashKey } from '../../src/journal/hash-key.ts'
import type { Rig } from './rig.ts'
import { openRig } from './rig.ts'

const Item = z.object({ id: z.string(), name: z.string(), version: z.number() })
type ItemData = z.infer<typeof Item>

let rig: Rig
beforeEach(async () => {
  rig = await openRig()
})
afterEach(() => rig.close())

interface StoreCall {
  read(id: string): Promise<ItemData>
  write(id: string, name: string): Promise<ItemData>
}

/** A system that keeps items, answers a repeated key with what it answered before, and tells of every write, even of one that changes nothing. */
class Store {
  readonly system: System<StoreCall>
  readonly items = new Map<string, ItemData>()
  readonly #answers = new Map<string, ItemData>()
  readonly #tell: (item: ItemData) => Promise<unknown>
  /** What it has to tell, in order. */
  told: Promise<unknown> = Promise.resolve()
  writes = 0
  beforeWrite: () => Promise<void> = async () => {}
  afterWrite: () => Promise<void> = async () => {}

  constructor(name: string, tell: (item: ItemData) => Promise<unknown>) {
    this.#tell = tell
    this.system = defineSystem<StoreCall>({
      name,
      timeout: '2s',
      connect: () => ({
        open: (context) => ({
          read: async (id) => {
            await context.beforeRequest()
            return this.#item(id)
          },
          write: async (id, name) => {
            await this.beforeWrite()
            await context.beforeRequest()
            context.sent()
            const known = this.#answers.get(context.idempotencyKey)
            if (known) return known
            this.writes++
            const item = this.change(id, name)
            this.#answers.set(context.idempotencyKey, item)
            await this.afterWrite()
            return item
          },
        }),
        close: async () => {},
      }),
    })
  }

  #item(id: string): ItemData {
    return this.items.get(id) ?? { id, name: '', version: 0 }
  }

  /** By whatever hand; told a little later. */
  change(id: string, name: string): ItemData {
    const item = { id, name, version: this.#item(id).version + 1 }
    this.items.set(id, item)
    this.told = this.told.then(() => this.#tell(item))
    return item
  }
}

async function append(type: string, item: ItemData): Promise<number> {
  const event = { source: `urn:${type}`, id: `${item.id}-${item.version}`, type, key: item.id }
  const stored = { ...event, khash: hashKey(item.id), data: JSON.stringify(item), ext: '{}' }
  const { results } = await rig.journal.append([stored])
  return results[0]?.seq ?? 0
}

function contract(type: string, system: string, by: 'fields' | 'version') {
  return defineEvent<string, typeof Item>({
    type,
    schema: Item,
    echo: {
      system,
      object: ({ id }) => id,
      ...(by === 'fields' ? { fields: ({ name }) => ({ name }) } : { version: ({ version }) => version }),
    },
  })
}

const states = async (flow: string) =>
  (
    await rig.sql<{ seq: number; gen: number; state: number; code: string | null; reason: string | null }>(
      `SELECT r.seq::int, r.gen, r.state, r.code, r.reason FROM runs r JOIN flows f ON f.id = r.flow
       WHERE f.name = $1 ORDER BY r.seq, r.gen`,
      [flow],
    )
  ).map(({ seq, gen, state, code, reason }) => ({ seq, gen, state, code, reason }))

/** One way: what the ERP tells is written to the CRM, and what the CRM tells would be filed. */
function oneWay(crm: Store, filed: string[]): Flow[] {
  const archive = defineSystem<{ file(name: string): Promise<void> }>({
    name: 'archive',
    connect: () => ({ open: () => ({ file: async (name) => void filed.push(name) }), close: async () => {} }),
  })
  const erpTold = defineEvent({ type: 'erp.item', schema: Item })
  return [
    defineFlow('to-crm', { start: 'beginning' })
      .on(erpTold)
      .step('item', crm.system, {
        run: ({ event, call }) => call.write(event.data.id, event.data.name),
        writes: ({ event }) => ({ object: event.data.id, fields: { name: event.data.name } }),
      }),
    defineFlow('to-archive', { start: 'beginning' })
      .on(contract('crm.item', 'crm', 'fields'))
      .step('file', archive, { run: ({ event, call }) => call.file(event.data.name) }),
  ]
}

const never = () => new Promise<void>(() => {})

it('the owner dies between registering the write and sending it', async () => {
  const crm = new Store('crm', (item) => append('crm.item', item))
  const filed: string[] = []
  crm.beforeWrite = never
  const first = await rig.startWorker(oneWay(crm, filed), { leaseMs: 2_000 })
  await append('erp.item', { id: 'I', name: 'B', version: 1 })
  await rig.until(async () => (await rig.sql('SELECT FROM echoes')).length === 1)
  await first.kill()
  crm.beforeWrite = async () => {}
  await rig.startWorker(oneWay(crm, filed), { leaseMs: 2_000 })
  await rig.until(async () => (await states('to-archive')).some(({ state }) => state >= 10), 20_000)
  expect(crm.writes).toBe(1)
  expect(await states('to-archive')).toMatchObject([{ state: 11, code: 'echo' }])
  expect(filed).toEqual([])
}, 30_000)

it('the owner dies between sending the write and knowing its outcome', async () => {
  const crm = new Store('crm', (item) => append('crm.item', item))
  const filed: string[] = []
  crm.afterWrite = never
  const first = await rig.startWorker(oneWay(crm, filed), { leaseMs: 2_000 })
  await append('erp.item', { id: 'I', name: 'B', version: 1 })
  await rig.until(() => crm.writes === 1)
  await first.kill()
  crm.afterWrite = async () => {}
  await rig.startWorker(oneWay(crm, filed), { leaseMs: 2_000 })
  await rig.until(async () => (await states('to-archive')).some(({ state }) => state >= 10), 20_000)
  await rig.until(async () => (await states('to-crm')).every(({ state }) => state === 10), 20_000)
  expect(crm.writes).toBe(1)
  expect(await states('to-archive')).toMatchObject([{ state: 11, code: 'echo' }])
  expect(filed).toEqual([])
}, 30_000)

it('the owner dies with the verdict committed and the run not: the next one finds the same', async () => {
  const crm = new Store('crm', (item) => append('crm.item', item))
  const filed: string[] = []
  const first = await rig.startWorker(oneWay(crm, filed), { leaseMs: 2_000 })
  await append('erp.item', { id: 'I', name: 'B', version: 1 })
  await rig.until(async () => (await states('to-archive')).length === 1)
  await first.kill()
  // As it is when the flush did not get there.
  await rig.sql(`DELETE FROM runs r USING flows f WHERE f.id = r.flow AND f.name = 'to-archive'`)
  await rig.sql(
    `UPDATE positions p SET position = 0 FROM flows f WHERE f.id = p.flow AND f.name = 'to-archive'`,
  )
  await rig.startWorker(oneWay(crm, filed), { leaseMs: 2_000 })
  await rig.until(async () => (await states('to-archive')).length === 1, 20_000)
  expect(await states('to-archive')).toMatchObject([{ state: 11, code: 'echo' }])
  expect(filed).toEqual([])
}, 30_000)

it('a replayed echo keeps its verdict, a replayed change runs again, and the run says whose echo it is', async () => {
  const crm = new Store('crm', (item) => append('crm.item', item))
  const filed: string[] = []
  await rig.startWorker(oneWay(crm, filed))
  const cause = await append('erp.item', { id: 'I', name: 'B', version: 1 })
  await rig.until(async () => (await states('to-archive')).length === 1)
  crm.change('I', 'C')
  await rig.until(() => filed.length === 1)
  await rig.until(async () => (await states('to-archive')).length === 2)
  const [echo, change] = await states('to-archive')
  expect(echo).toMatchObject({ reason: `echo of our own write to crm by to-crm/${cause} (item)` })
  await rig.sql(
    `INSERT INTO runs (flow, seq, gen, state, system, tries, attempts, ord, khash, lord, grp, key)
     SELECT f.id, e.seq, 1, 1, 0, 0, 0, f.ord, e.khash, e.seq, f.grp, e.key FROM flows f JOIN events e ON e.seq = ANY ($1)
     WHERE f.name = 'to-archive'`,
    [[echo?.seq, change?.seq]],
  )
  await rig.sql(`INSERT INTO lanes (grp, key, khash, next_at) VALUES ('to-archive', 'I', $1, now())`, [
    hashKey('I'),
  ])
  await rig.until(
    async () =>
      (await states('to-archive')).filter(({ gen, state }) => gen === 1 && state >= 10).length === 2,
  )
  expect((await states('to-archive')).map(({ gen, state }) => [gen, state])).toEqual([
    [0, 11],
    [1, 11],
    [0, 10],
    [1, 10],
  ])
  expect(filed).toEqual(['C', 'C'])
})

it('CRM and ERP keep each other up to date through 1,000 changes on both sides, two workers and the death of one, and come to rest equal', async () => {
  const names = ['A', 'B', 'C', 'D', 'E', 'F']
  const pick = <T>(from: readonly T[]): T => from[Math.floor(Math.random() * from.length)] as T
  const flows: Flow[] = []
  const stores: Store[] = []
  for (const kind of ['customer', 'product']) {
    const store = (name: string) =>
      new Store(`${name}-${kind}`, async (item) => {
        await sleep(Math.random() * 4)
        await append(`${name}.${kind}`, item)
      })
    const [crm, erp] = [store('crm'), store('erp')]
    stores.push(crm, erp)
    // One lane group, so that what the two sides change is brought over one after the other; each run copies what is there now.
    const lane = kind
    flows.push(
      defineFlow(`crm-to-erp-${kind}`, { lane, start: 'beginning' })
        .on(contract(`crm.${kind}`, crm.system.name, 'fields'))
        .step('read', crm.system, { run: ({ event, call }) => call.read(event.data.id) })
        .step('write', erp.system, {
          after: ['read'],
          run: ({ results, call }) => call.write(results.read.id, results.read.name),
          writes: ({ results }) => ({ object: results.read.id }),
          version: ({ version }) => version,
        }),
      defineFlow(`erp-to-crm-${kind}`, { lane, start: 'beginning' })
        .on(contract(`erp.${kind}`, erp.system.name, 'version'))
        .step('read', erp.system, { run: ({ event, call }) => call.read(event.data.id) })
        .step('write', crm.system, {
          after: ['read'],
          run: ({ results, call }) => call.write(results.read.id, results.read.name),
          writes: ({ results }) => ({ object: results.read.id, fields: { name: results.read.name } }),
        }),
    )
  }
  const first = await rig.startWorker(flows, { leaseMs: 2_000 })
  await rig.startWorker(flows, { leaseMs: 2_000 })
  for (let change = 0; change < 1_000; change++) {
    pick(stores).change(`I-${Math.floor(Math.random() * 40)}`, pick(names))
    if (change % 10 === 0) await sleep(5)
    if (change === 500) await first.kill()
  }
  const atRest = async () => {
    await Promise.all(stores.map(({ told }) => told))
    const [row] = await rig.sql<{ events: number; rest: boolean }>(
      `SELECT (SELECT count(*)::int FROM events) AS events,
        NOT EXISTS (SELECT FROM runs WHERE state < 10)
        AND NOT EXISTS (SELECT FROM events e JOIN flows f ON e.type = ANY (f.types)
                        LEFT JOIN runs r ON r.flow = f.id AND r.seq = e.seq WHERE r.seq IS NULL) AS rest`,
    )
    return row?.rest ? row.events : undefined
  }
  let events: number | undefined
  await rig.until(async () => {
    events = await atRest()
    if (events === undefined) return false
    await sleep(500)
    return (await atRest()) === events
  }, 90_000)
  for (const [crm, erp] of [stores.slice(0, 2), stores.slice(2)] as [Store, Store][]) {
    const contents = ({ items }: Store) => [...items.values()].map(({ id, name }) => [id, name]).sort()
    expect(contents(crm)).toEqual(contents(erp))
  }
  const writes = stores.reduce((sum, store) => sum + store.writes, 0)
  expect(events).toBe(1_000 + writes)
  const [row] = await rig.sql<{ echoes: number; runs: number }>(
    `SELECT count(*) FILTER (WHERE code = 'echo')::int AS echoes, count(*) FILTER (WHERE state = 10)::int AS runs FROM runs`,
  )
  // Every write comes back; most of them were known, and each that was not made one more.
  expect(row?.echoes).toBeGreaterThan(writes / 2)
  expect((row?.echoes ?? 0) + (row?.runs ?? 0)).toBe(events)
  expect(await rig.sql('SELECT FROM lanes')).toEqual([])
}, 120_000)
