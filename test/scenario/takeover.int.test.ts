import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CallError } from '../../src/errors.ts'
import type { Rig } from './rig.ts'
import { flowOn, openRig, orders, StubSystem } from './rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await openRig()
})
afterEach(async () => {
  await rig.close()
})

const leaseMs = 2_000
const options = { breaker: { probeDelay: 50, maxProbeDelay: 100 }, timeout: 1_000 } as const
const firstSends = (stub: StubSystem, number: string) => [
  ...new Set(stub.sends.filter((send) => send.startsWith(number))),
]

describe('takeover', () => {
  it('A9: goes on where a killed worker stood: nothing lost, first effects in order, repeats with the same key only', async () => {
    const erp = new StubSystem({ name: 'erp', ...options })
    erp.answer = () => new Promise((resolve) => setTimeout(resolve, 2))
    const flows = [flowOn(erp)]
    const first = await rig.startWorker(flows, { leaseMs })
    const keys = Array.from({ length: 20 }, (_, index) => `K${index}-`)
    await rig.publish(...orders(keys, 25))
    await rig.until(() => erp.applied.size > 150)
    await first.kill()
    await rig.startWorker(flows, { leaseMs })
    await rig.until(() => erp.applied.size === 500, 20_000)
    for (const key of keys)
      expect(firstSends(erp, key)).toEqual(Array.from({ length: 25 }, (_, index) => `${key}${index + 1}`))
    const repeats = erp.sends.length - new Set(erp.sends).size
    expect(repeats).toBeLessThan(150)
    expect(new Set(erp.arrivals.map(({ key }) => key)).size).toBe(500)
    await rig.until(async () => (await rig.sql('SELECT 1 FROM runs WHERE state = 10')).length === 500)
  })

  it('A9: resolves its suspects at the end of the log too, where no further event moves a position', async () => {
    const erp = new StubSystem({ name: 'erp', ...options })
    const flows = [flowOn(erp)]
    const first = await rig.startWorker(flows, { leaseMs })
    await rig.publish(...orders(['A', 'B', 'C'], 3))
    await rig.until(async () => (await rig.sql('SELECT 1 FROM positions WHERE position = 9')).length === 1)
    await first.kill()
    await rig.startWorker(flows, { leaseMs })
    await rig.until(
      async () =>
        (await rig.sql('SELECT 1 FROM lane_groups WHERE epoch > 1 AND owner IS NOT NULL')).length === 1,
    )
    await rig.until(
      async () =>
        (await rig.sql('SELECT 1 FROM lane_groups WHERE suspect_to = 0 AND unclean = 0')).length === 1,
      15_000,
    )
  })

  it('A9: looks before it repeats what the dead worker may have sent, but only that', async () => {
    const books = new StubSystem({
      name: 'books',
      idempotency: 'none',
      settle: 100,
      limits: { concurrency: 4 },
      ...options,
    })
    const booked = new Set<string>()
    let hang = true
    books.answer = async ({ kind, order }) => {
      const name = `${order.number}${order.revision}`
      if (kind === 'find') return booked.has(name) ? { name } : undefined
      if (booked.has(name)) throw new CallError({ class: 'invalid', message: `${name} booked twice` })
      booked.add(name)
      if (hang && booked.size > 20) await new Promise((resolve) => setTimeout(resolve, 60_000).unref())
      return { name }
    }
    const flows = [flowOn(books, { step: { find: ({ event, call }) => call.find(event.data) } })]
    const first = await rig.startWorker(flows, { leaseMs })
    const numbers = Array.from({ length: 300 }, (_, index) => `S${index}-`)
    await rig.publish(...orders(numbers, 1))
    await rig.until(() => booked.size === 24)
    await first.kill()
    hang = false
    await rig.startWorker(flows, { leaseMs })
    await rig.until(async () => (await rig.sql('SELECT 1 FROM runs WHERE state = 10')).length === 300, 25_000)
    expect(books.sends).toHaveLength(300)
    expect(books.arrivals.filter(({ kind }) => kind === 'find').length).toBeLessThan(60)
    expect(await rig.sql('SELECT 1 FROM runs WHERE state = 4')).toEqual([])
  })

  it('A4: an owner that stalled beyond its lease writes no outcome and sends nothing more', async () => {
    const erp = new StubSystem({ name: 'erp', ...options })
    const flows = [flowOn(erp)]
    const zombie = await rig.startWorker(flows, { leaseMs })
    await rig.publish(...orders(['A'], 2))
    await rig.until(async () => (await rig.sql('SELECT 1 FROM runs WHERE state = 10')).length === 2)
    await rig.sql(`UPDATE workers SET dead = true WHERE id = $1`, [zombie.id])
    await rig.sql(`UPDATE lane_groups SET owner = NULL, epoch = epoch + 1`)
    const next = await rig.startWorker(flows, { leaseMs })
    await rig.publish(...orders(['B'], 3))
    await rig.until(async () => (await rig.sql('SELECT 1 FROM runs WHERE state = 10')).length === 5)
    await rig.until(() => zombie.dead)
    expect(next.worker.ownedGroups).toEqual(['erp'])
    const written = await rig.sql<{ flow: number; seq: number }>(
      'SELECT flow, seq FROM runs GROUP BY 1, 2 HAVING count(*) > 1',
    )
    expect(written).toEqual([])
  })

  it('A11: a careful owner takes one run of a lane: what it had with it is left to be tried again, behind it though it be parked', async () => {
    const erp = new StubSystem({ name: 'erp', ...options })
    const flows = [flowOn(erp)]
    const states = async () =>
      (await rig.sql<{ state: number }>('SELECT state FROM runs ORDER BY seq')).map(({ state }) => state)
    erp.answer = () =>
      erp.sends.length > 1
        ? new Promise(() => undefined)
        : Promise.reject(new CallError({ class: 'transient', message: 'later', retryAfterMs: 1_200 }))
    const first = await rig.startWorker(flows, { leaseMs })
    await rig.publish(...orders(['A'], 2))
    await rig.until(async () => erp.sends.length === 2 && (await states()).join() === '3,3')
    await first.kill()
    await rig.sql('UPDATE lane_groups SET unclean = 1')
    erp.answer = () => Promise.reject(new CallError({ class: 'invalid', status: 422, message: 'refused' }))
    await rig.startWorker(flows, { leaseMs })
    await rig.until(async () => (await states()).join() === '4,2', 15_000)
    erp.answer = () => undefined
    await rig.sql(`SELECT act_on_run(flow, seq, gen, 'retry', 'tester', NULL) FROM runs ORDER BY seq LIMIT 1`)
    await rig.until(async () => (await states()).join() === '10,10')
    expect(erp.sends).toEqual(['A1', 'A1', 'A1', 'A1', 'A2'])
  })

  it('hands over cleanly on a graceful stop: no suspects, no repeats', async () => {
    const erp = new StubSystem({ name: 'erp', ...options })
    erp.answer = () => new Promise((resolve) => setTimeout(resolve, 3))
    const flows = [flowOn(erp)]
    const first = await rig.startWorker(flows)
    await rig.publish(
      ...orders(
        Array.from({ length: 30 }, (_, index) => `K${index}-`),
        20,
      ),
    )
    await rig.until(() => erp.applied.size > 100)
    await first.stop()
    const [group] = await rig.sql('SELECT owner, suspect_to::int FROM lane_groups')
    expect(group).toEqual({ owner: null, suspect_to: 0 })
    await rig.startWorker(flows)
    await rig.until(() => erp.applied.size === 600, 20_000)
    expect(erp.sends).toHaveLength(600)
  })

  it('gives a group back that it could not begin with, so that another worker need not wait for its end', async () => {
    const erp = new StubSystem({ name: 'erp', ...options })
    let acquired = false
    let failures = 0
    const first = await rig.startWorker([flowOn(erp)], {
      leaseMs: 60_000,
      fault: (call) => {
        if (call === 'release') acquired = false
        if (acquired && call === 'head') {
          failures++
          throw new Error('the database is away')
        }
        if (call === 'acquire') acquired = true
      },
    })
    expect(failures).toBeGreaterThan(0)
    expect(await rig.sql('SELECT owner FROM lane_groups')).toEqual([{ owner: null }])
    await rig.startWorker([flowOn(erp)], { leaseMs })
    await rig.publish(...orders(['A'], 1))
    await rig.until(() => erp.applied.size === 1)
    expect(first.worker.ownedGroups).toEqual([])
  })

  it('shares the groups evenly over the workers that live', async () => {
    const stubs = ['a', 'b', 'c', 'd'].map((name) => new StubSystem({ name, ...options }))
    const flows = stubs.map((stub) => flowOn(stub))
    const first = await rig.startWorker(flows, { leaseMs })
    expect(first.worker.ownedGroups).toHaveLength(4)
    const second = await rig.startWorker(flows, { leaseMs })
    await rig.until(() => first.worker.ownedGroups.length === 2 && second.worker.ownedGroups.length === 2)
    await rig.publish(...orders(['A', 'B'], 5))
    await rig.until(() => stubs.every((stub) => stub.applied.size === 10))
    await first.stop()
    await rig.until(() => second.worker.ownedGroups.length === 4)
  })
})

describe('A11: poison', () => {
  it('parks a run that was inside its own code when three workers in a row died, and lets the others pass', async () => {
    const erp = new StubSystem({ name: 'erp', ...options })
    let inside = 0
    const flows = [
      flowOn(erp, {
        step: {
          run: async ({ event, call }) => {
            if (event.data.number !== 'poison') return call.send(event.data)
            inside++
            return await new Promise(() => undefined)
          },
          timeout: '60s',
        },
      }),
    ]
    await rig.publish({ number: 'poison', revision: 1 }, ...orders(['A', 'B'], 2))
    for (let life = 1; life <= 5; life++) {
      const worker = await rig.startWorker(flows, { leaseMs: 1_200 })
      await rig.until(() => inside === life, 15_000)
      if (life > 2)
        await rig.until(async () => (await rig.sql('SELECT 1 FROM runs WHERE phase = 1')).length === 1)
      await worker.kill()
    }
    await rig.startWorker(flows, { leaseMs: 1_200 })
    await rig.until(
      async () =>
        (await rig.sql(`SELECT 1 FROM runs WHERE state = 4 AND code = 'run.poisoned' AND crashes = 3`))
          .length === 1,
      15_000,
    )
    await rig.until(() => erp.applied.size === 4)
    expect(inside).toBe(5)
  }, 60_000)
})

describe('A8: positions belong to flows', () => {
  it('lets a new flow start from the beginning, from now, or from a moment, without touching the others', async () => {
    const erp = new StubSystem({ name: 'erp', ...options })
    const first = await rig.startWorker([flowOn(erp)])
    await rig.publish(...orders(['A'], 3))
    await rig.until(() => erp.applied.size === 3)
    await rig.sql(`SELECT pg_sleep(0.05)`)
    const [{ now } = { now: new Date() }] = await rig.sql<{ now: Date }>('SELECT clock_timestamp() AS now')
    await rig.sql(`SELECT pg_sleep(0.05)`)
    await rig.publish(...orders(['B'], 2))
    await rig.until(() => erp.applied.size === 5)
    await first.stop()
    const [all, none, some] = ['all', 'none', 'some'].map((name) => new StubSystem({ name, ...options }))
    if (!all || !none || !some) throw new Error('unreachable')
    await rig.startWorker([
      flowOn(erp),
      flowOn(all),
      flowOn(none, { start: 'now' }),
      flowOn(some, { start: { at: now } }),
    ])
    await rig.publish(...orders(['C'], 1))
    await rig.until(
      () =>
        erp.applied.size === 6 &&
        all.applied.size === 6 &&
        none.applied.size === 1 &&
        some.applied.size === 3,
    )
    expect([...all.sends].sort()).toEqual(['A1', 'A2', 'A3', 'B1', 'B2', 'C1'])
    expect(none.sends).toEqual(['C1'])
    expect([...some.sends].sort()).toEqual(['B1', 'B2', 'C1'])
    expect(erp.sends).toHaveLength(6)
  })

  it('adds a flow to an existing group while an old worker lives, and loses nothing of either', async () => {
    const erp = new StubSystem({ name: 'erp', ...options })
    const wms = new StubSystem({ name: 'wms', ...options })
    const old = await rig.startWorker([flowOn(erp, { lane: 'orders' })], { leaseMs })
    await rig.publish(...orders(['A'], 3))
    await rig.until(() => erp.applied.size === 3)
    await rig.startWorker([flowOn(erp, { lane: 'orders' }), flowOn(wms, { lane: 'orders' })], { leaseMs })
    await rig.publish(...orders(['B'], 3))
    await old.stop()
    await rig.until(() => erp.applied.size === 6 && wms.applied.size === 6)
  })
})
