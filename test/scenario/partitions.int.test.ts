import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hashKey } from '../../src/journal/hash-key.ts'
import type { Rig, RigWorker } from './rig.ts'
import { flowOn, openRig, orders, StubSystem } from './rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await openRig()
})
afterEach(async () => {
  await rig.close()
})

const leaseMs = 2_000
const options = { limits: { concurrency: 64 } }
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const countOf = ({ worker }: RigWorker) => worker.ownedGroups.length

/** So many keys of each of four partitions. */
function keysOf(count: number): readonly (readonly string[])[] {
  const keys: string[][] = [[], [], [], []]
  for (let index = 0; keys.some((own) => own.length < count); index++) {
    const own = keys[hashKey(`K${index}`) % 4] as string[]
    if (own.length < count) own.push(`K${index}`)
  }
  return keys
}

/** Orders of a key in the order in which they first arrived. */
function brokenOrder(erp: StubSystem): string[] {
  const last = new Map<string, number>()
  const seen = new Set<string>()
  const broken: string[] = []
  for (const { order } of erp.arrivals) {
    const name = `${order.number} ${order.revision}`
    if (seen.has(name)) continue
    seen.add(name)
    if ((last.get(order.number) ?? 0) > order.revision) broken.push(name)
    last.set(order.number, order.revision)
  }
  return broken
}

async function partitionsNow(): Promise<string> {
  const rows = await rig.sql<{ parts: number; owner: string | null }>(
    'SELECT parts, owner FROM lane_groups ORDER BY part',
  )
  return rows.map(({ parts, owner }) => `${parts}${owner === null ? '-' : '+'}`).join(' ')
}

describe('balance', () => {
  it('four partitions lie evenly over one, two, three workers, and over those that are left', async () => {
    const erp = new StubSystem({ name: 'erp', ...options })
    erp.answer = () => pause(5)
    const flows = [flowOn(erp, { partitions: 4 })]
    const workers = [await rig.startWorker(flows, { leaseMs })]
    const even = (...shares: number[]) =>
      rig.until(() => workers.map(countOf).sort().join() === shares.join(), 8_000)
    await even(4)
    await rig.publish(...orders(keysOf(2).flat(), 20))
    workers.push(await rig.startWorker(flows, { leaseMs }))
    await even(2, 2)
    workers.push(await rig.startWorker(flows, { leaseMs }))
    await even(1, 1, 2)
    await workers.shift()?.stop()
    await even(2, 2)
    await workers.shift()?.kill()
    await even(4)
    await rig.until(() => erp.applied.size === 160, 20_000)
    expect(brokenOrder(erp)).toEqual([])
  }, 60_000)

  it('many small groups count like partitions', async () => {
    const stubs = ['a', 'b', 'c', 'd', 'e'].map((name) => new StubSystem({ name, ...options }))
    const flows = stubs.map((stub) => flowOn(stub, stub.system.name === 'a' ? { partitions: 4 } : {}))
    const [first, second] = [
      await rig.startWorker(flows, { leaseMs }),
      await rig.startWorker(flows, { leaseMs }),
    ]
    await rig.until(() => countOf(first) === 4 && countOf(second) === 4)
  })

  it('a partition that hangs stays where it is; no other stands still for two seconds', async () => {
    const erp = new StubSystem({ name: 'erp', ...options })
    const keys = keysOf(4)
    const [[hanging] = [], ...healthy] = keys as [readonly string[], ...(readonly string[])[]]
    let release = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    erp.answer = ({ order }) => (order.number === hanging ? held : pause(20))
    const flows = [flowOn(erp, { partitions: 4, step: { timeout: '60s' } })]
    const first = await rig.startWorker(flows, { leaseMs })
    await rig.publish({ number: hanging as string, revision: 1 })
    await rig.until(() => erp.inFlight === 1)
    let revision = 0
    const publish = async () => {
      revision++
      await rig.publish(
        ...keys
          .flat()
          .filter((key) => key !== hanging)
          .map((number) => ({ number, revision })),
      )
    }
    const publishFor = async (ms: number) => {
      for (const until = performance.now() + ms; performance.now() < until; await pause(50)) await publish()
    }
    await publishFor(1_500)
    const second = await rig.startWorker(flows, { leaseMs })
    await publishFor(5_000)
    expect([countOf(first), countOf(second)]).toEqual([2, 2])
    const [{ owner } = { owner: '' }] = await rig.sql<{ owner: string }>(
      'SELECT owner FROM lane_groups WHERE part = 0',
    )
    expect(owner).toBe(first.id)
    const longest = keys.map((own, part) => {
      const times = erp.arrivals
        .filter(({ order }) => own.includes(order.number) && order.number !== hanging)
        .map(({ at }) => at)
      return { part, ms: Math.max(...times.slice(1).map((at, index) => at - (times[index] ?? at))) }
    })
    expect(longest.filter(({ ms }) => ms >= 2_000)).toEqual([])
    expect(healthy).toHaveLength(3)
    release()
    await rig.until(() => erp.applied.size === 15 * revision + 1, 20_000)
    expect(brokenOrder(erp)).toEqual([])
  }, 60_000)
})

describe('C6: another number of partitions, without draining', () => {
  it('from 1 to 4 to 2 under load, while a worker is killed: nothing lost, nothing out of order', async () => {
    const erp = new StubSystem({ name: 'erp', ...options })
    erp.answer = () => pause(4)
    const flows = (partitions: 1 | 2 | 4) => [flowOn(erp, { partitions })]
    const keys = keysOf(3).flat()
    let revision = 0
    let publishing = true
    const load = (async () => {
      for (; publishing; await pause(30))
        await rig
          .publish(...keys.map((number) => ({ number, revision: revision + 1 })))
          .then(() => revision++)
    })()
    const old = [await rig.startWorker(flows(1), { leaseMs }), await rig.startWorker(flows(1), { leaseMs })]
    await rig.until(() => erp.applied.size > 60)
    const next = [await rig.startWorker(flows(4), { leaseMs })]
    for (const worker of old) await worker.stop()
    next.push(await rig.startWorker(flows(4), { leaseMs }))
    await rig.until(async () => (await partitionsNow()) === '4+ 4+ 4+ 4+')
    const then = erp.applied.size
    await rig.until(() => erp.applied.size > then + 60)
    const last = await rig.startWorker(flows(2), { leaseMs })
    await next[0]?.kill()
    await rig.until(async () => (await partitionsNow()) === '2+ 2+', 20_000)
    await rig.until(() => countOf(last) === 2)
    await next[1]?.stop()
    publishing = false
    await load
    await rig.until(() => erp.applied.size === keys.length * revision, 20_000)
    expect(brokenOrder(erp)).toEqual([])
    const [{ rows } = { rows: 0 }] = await rig.sql<{ rows: number }>(
      'SELECT count(DISTINCT seq)::int AS rows FROM runs WHERE state = 10',
    )
    await rig.until(async () => rows > 0 && (await rig.sql('SELECT FROM lanes')).length === 0)
  }, 60_000)

  it('of two deployments the newer one has its way, and the older leaves it alone', async () => {
    const erp = new StubSystem({ name: 'erp', ...options })
    const old = await rig.startWorker([flowOn(erp)], { leaseMs })
    const newer = await rig.startWorker([flowOn(erp, { partitions: 2 })], { leaseMs })
    await rig.until(async () => (await partitionsNow()) === '2+ 2+')
    await rig.until(() => countOf(old) === 0 && countOf(newer) === 2)
    const epochs = () => rig.sql('SELECT part, parts, epoch FROM lane_groups ORDER BY part')
    const before = await epochs()
    await pause(3 * leaseMs)
    expect(await epochs()).toEqual(before)
    await rig.publish(...orders(keysOf(1).flat(), 2))
    await rig.until(() => erp.applied.size === 8)
  }, 30_000)

  it('a run that hangs at its old owner is written, or in doubt, before the new owners begin', async () => {
    const erp = new StubSystem({ name: 'erp', ...options })
    let release = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    erp.answer = ({ order }) => (order.revision === 1 ? held : undefined)
    await rig.startWorker([flowOn(erp)], { leaseMs })
    await rig.publish(...orders(['A'], 3))
    await rig.until(() => erp.inFlight === 1)
    await rig.startWorker([flowOn(erp, { partitions: 4 })], { leaseMs })
    await pause(2_500)
    expect(await partitionsNow()).toBe('1+')
    release()
    await rig.until(() => erp.applied.size === 3)
    expect(erp.sends).toEqual(['A1', 'A2', 'A3'])
  }, 30_000)
})
