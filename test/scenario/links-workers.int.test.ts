/** Cross-references with several workers on PostgreSQL: what a world in one process cannot show. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defineEvent } from '../../src/define/event.ts'
import { defineFlow } from '../../src/define/flow.ts'
import type { FlowOptions } from '../../src/define/flow.ts'
import type { Rig } from './rig.ts'
import { openRig, Order, orderPlaced, StubSystem } from './rig.ts'

const customerCreated = defineEvent({
  type: 'customer.created',
  schema: Order,
  key: (customer) => customer.number,
})

let rig: Rig
let erp: StubSystem
let crm: StubSystem

beforeEach(async () => {
  rig = await openRig()
  erp = new StubSystem({ name: 'erp', timeout: '2s' }) // for so long a dead worker's permits stay taken
  crm = new StubSystem({ name: 'crm' })
})
afterEach(() => rig.close())

/** Customers get their id in the CRM. */
const customers = () =>
  defineFlow('customers', { start: 'beginning' })
    .on(customerCreated)
    .step('create', crm.system, {
      run: ({ event, call }) => call.send(event.data).then(() => `crm-${event.data.number}`),
      links: (result) => ({ customer: result }),
    })

/** Orders wait for the id of the customer that their revision names. */
const ordersFlow = (name = 'orders', options: FlowOptions = {}) =>
  defineFlow(name, { start: 'beginning', ...options })
    .on(orderPlaced)
    .step('send', erp.system, {
      dependsOn: ({ event, ids }) => ids('customer', `C-${event.data.revision}`, 'crm'),
      run: async ({ event, ids, call }) => {
        const id = await ids.get('customer', `C-${event.data.revision}`, 'crm')
        if (id === undefined) throw new Error('begun before its customer was there')
        await call.send(event.data)
        return `erp-${event.data.number}`
      },
      links: (result) => ({ order: result }),
    })

const numbers = (count: number) => Array.from({ length: count }, (_, index) => `SO-${index}`)
const customer = (revision: number) => ({ type: 'customer.created', number: `C-${revision}`, revision })

async function counts(): Promise<Record<string, number>> {
  const rows = await rig.sql<{ state: number; n: number }>(
    `SELECT r.state, count(*)::int AS n FROM runs r JOIN flows f ON f.id = r.flow WHERE f.name LIKE 'orders%' GROUP BY 1`,
  )
  return Object.fromEntries(rows.map(({ state, n }) => [String(state), n]))
}

const areWaiting = async (count: number) => {
  const [row] = await rig.sql<{ n: number }>('SELECT count(*)::int AS n FROM link_waits')
  return row?.n === count
}

describe('runs that wait for a cross-reference', () => {
  it('A15: 200 orders in two groups wait for one customer; another worker creates it; each is released, none twice', async () => {
    const flows = [customers(), ordersFlow(), ordersFlow('orders-too')]
    const first = await rig.startWorker(flows)
    const second = await rig.startWorker(flows)
    await rig.until(() => first.worker.ownedGroups.length > 0 && second.worker.ownedGroups.length > 0)
    const orders = numbers(200).map((number) => ({ number, revision: 1 }))
    await rig.publish(...orders.slice(0, 150))
    await rig.until(() => areWaiting(300), 30_000)
    expect(erp.sends).toEqual([])
    // The rest begins to wait while the link comes.
    await Promise.all([rig.publish(...orders.slice(150)), rig.publish(customer(1))])
    await rig.until(async () => (await counts())['10'] === 400, 60_000)
    expect(erp.sends).toHaveLength(400)
    expect(new Set(erp.arrivals.map(({ key }) => key)).size).toBe(400)
    expect(crm.sends).toHaveLength(1)
    expect(await rig.sql('SELECT * FROM link_waits')).toEqual([])
    expect(await rig.sql('SELECT * FROM lanes')).toEqual([])
    const [links] = await rig.sql<{ n: number; given: number }>(
      `SELECT count(*)::int AS n, count(DISTINCT external_id)::int AS given FROM cross_references WHERE kind = 'order'`,
    )
    expect(links).toEqual({ n: 200, given: 200 })
  }, 120_000)

  it('a worker that is killed between wait and release leaves nothing behind: the next one releases', async () => {
    const doomed = await rig.startWorker([ordersFlow()], { leaseMs: 2_500 })
    await rig.publish(...numbers(20).map((number) => ({ number, revision: 1 })))
    await rig.until(() => areWaiting(20))
    await doomed.kill()
    const linker = await rig.startWorker([customers()], { leaseMs: 2_500 })
    await rig.publish(customer(1))
    await rig.until(async () => (await rig.sql('SELECT FROM link_waits WHERE due')).length === 20)
    expect(erp.sends).toEqual([])
    await rig.startWorker([ordersFlow()], { leaseMs: 2_500 })
    await rig.until(async () => (await counts())['10'] === 20, 30_000)
    expect(erp.sends).toHaveLength(20)
    expect(await rig.sql('SELECT * FROM link_waits')).toEqual([])
    await linker.stop()
  }, 60_000)

  it('a worker that is killed while released orders run: none is lost, each has one key', async () => {
    let slow = true
    erp.answer = () => (slow ? new Promise((resolve) => setTimeout(resolve, 300)) : undefined)
    const flows = [customers(), ordersFlow()]
    const doomed = await rig.startWorker(flows, { leaseMs: 2_500 })
    await rig.publish(...numbers(40).map((number) => ({ number, revision: 1 })))
    await rig.until(() => areWaiting(40))
    await rig.publish(customer(1))
    await rig.until(() => erp.sends.length >= 10)
    await doomed.kill()
    slow = false
    await rig.startWorker(flows, { leaseMs: 2_500 })
    await rig.until(async () => (await counts())['10'] === 40, 30_000)
    expect(erp.applied.size).toBe(40)
    expect(new Set(erp.arrivals.map(({ key }) => key)).size).toBe(40)
  }, 60_000)

  it('the deadline parks a run, and the link that comes later does not hurry it', async () => {
    const flow = defineFlow('orders', { start: 'beginning' })
      .on(orderPlaced)
      .step('send', erp.system, {
        dependsOn: ({ ids }) => ids('customer', 'C-1', 'crm'),
        dependsWithin: '1s',
        run: ({ event, call }) => call.send(event.data),
      })
    await rig.startWorker([customers(), flow])
    await rig.publish({ number: 'SO-1', revision: 1 })
    await rig.until(async () => (await counts())['4'] === 1)
    const [run] = await rig.sql<{ code: string }>(`SELECT code FROM runs WHERE state = 4`)
    expect(run?.code).toBe('step.dependency-missing')
    await rig.publish(customer(1))
    await rig.until(async () => (await rig.sql('SELECT FROM link_waits')).length === 0)
    expect(await counts()).toEqual({ 4: 1 })
    expect(erp.sends).toEqual([])
  }, 30_000)

  it('a person who edits the data of the step changes what it waits for', async () => {
    await rig.startWorker([customers(), ordersFlow()])
    await rig.publish({ number: 'SO-1', revision: 1 })
    await rig.until(() => areWaiting(1))
    await rig.publish(customer(2))
    await rig.sql(
      `SELECT act_on_step(r.flow, r.seq, r.gen, 'send', 'edit', '{"number":"SO-1","revision":2}', 'tester', 'wrong customer')
       FROM runs r WHERE r.state < 10`,
    )
    await rig.until(async () => (await counts())['10'] === 1)
    expect(erp.sends).toEqual(['SO-12'])
  }, 30_000)
})

describe('the result of a step that a person has given', () => {
  const byHand = () =>
    defineFlow('orders', { start: 'beginning' })
      .on(orderPlaced)
      .step('sale', crm.system, {
        run: ({ event, call }) => call.send(event.data).then(() => ({ id: 'never' })),
        links: (result) => ({ order: result.id }),
      })
      .step('send', erp.system, {
        after: ['sale'],
        run: async ({ event, ids, call }) => {
          seen.push(await ids.get('order', event.data.number, crm.system))
          return call.send(event.data)
        },
      })
  let seen: (string | undefined)[]
  beforeEach(() => {
    seen = []
    crm.answer = () => {
      throw new TypeError('down')
    }
  })
  const give = (json: string) =>
    rig.sql<{ act_on_step: string }>(
      `SELECT act_on_step(r.flow, r.seq, r.gen, 'sale', 'result', $1, 'tester', 'entered by hand') FROM runs r`,
      [json],
    )

  it('is linked when the run goes on, before anything that follows it', async () => {
    await rig.startWorker([byHand()])
    await rig.publish({ number: 'SO-1', revision: 1 })
    await rig.until(async () => (await counts())['2'] === 1)
    expect(await give('{"id":4711}')).toEqual([{ act_on_step: 'done' }])
    await rig.until(async () => (await counts())['10'] === 1)
    expect(seen).toEqual(['4711'])
    const links = await rig.sql('SELECT kind, id, system, external_id FROM cross_references')
    expect(links).toEqual([{ kind: 'order', id: 'SO-1', system: 'crm', external_id: '4711' }])
  }, 30_000)

  it('that gives no links is refused when the run goes on, and can be given again', async () => {
    await rig.startWorker([byHand()])
    await rig.publish({ number: 'SO-1', revision: 1 })
    await rig.until(async () => (await counts())['2'] === 1)
    await give('{"number":4711}')
    await rig.until(async () => (await counts())['4'] === 1)
    expect(erp.sends).toEqual([])
    const [run] = await rig.sql<{ code: string }>('SELECT code FROM runs')
    expect(run?.code).toBe('step.links-invalid')
    await give('{"id":"4711"}')
    await rig.until(async () => (await counts())['10'] === 1)
    expect(seen).toEqual(['4711'])
  }, 30_000)
})

describe('two ids for one object', () => {
  it('are one problem that names both; setting the right one ends it', async () => {
    await rig.startWorker([customers()])
    const flow = defineFlow('others', { start: 'beginning' })
      .on(customerCreated)
      .step('create', crm.system, {
        run: ({ event, call }) => call.send(event.data).then(() => `other-${event.data.number}`),
        links: (result) => ({ customer: result }),
      })
    await rig.publish(customer(1))
    await rig.until(async () => (await rig.sql('SELECT FROM cross_references')).length === 1)
    await rig.startWorker([flow])
    await rig.until(async () => (await rig.sql('SELECT FROM link_conflicts')).length === 1)
    const problems = await rig.sql<{ title: string; state: string }>(
      `SELECT title, state FROM problems WHERE code = 'link.conflict'`,
    )
    expect(problems).toEqual([
      {
        title:
          'customer C-1 in crm: step create of run others/1 gives the id other-C-1, but it has the id crm-C-1',
        state: 'open',
      },
    ])
    await rig.sql(`SELECT set_link('customer', 'C-1', 'crm', 'other-C-1', true, 'tester', 'looked there')`)
    expect(await rig.sql(`SELECT state FROM problems WHERE code = 'link.conflict'`)).toEqual([
      { state: 'resolved' },
    ])
    expect(await rig.sql('SELECT external_id FROM cross_references')).toEqual([{ external_id: 'other-C-1' }])
  }, 30_000)
})
