import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { flowOn, orders, StubSystem } from '../scenario/rig.ts'
import type { OpenTransport, TransportRig } from './rig.ts'
import { outOfOrder, pause } from './rig.ts'

const leaseMs = 2_000
const keys = Array.from({ length: 20 }, (_, index) => `K${index}-`)
const fast = { limits: { concurrency: 64 } }

/**
 * What every transport promises to those who use it: the same as the log. `describe` stands for vitest's, for suites
 * that need a broker.
 */
export function transportContract(
  name: string,
  open: OpenTransport,
  suite: (name: string, body: () => void) => void = describe,
): void {
  suite(`events carried by ${name}`, () => {
    let rig: TransportRig
    let erp: StubSystem
    beforeEach(async () => {
      rig = await open()
      erp = new StubSystem({ name: 'erp', ...fast })
    })
    afterEach(() => rig.close())

    it.each([1, 2, 4] as const)('arrive once, in order per key, over %i partition(s)', async (partitions) => {
      await rig.startCarried([flowOn(erp, { partitions })], { leaseMs })
      rig.startRelay()
      await rig.untilCarried(partitions)
      for (let first = 0; first < 5; first++) {
        const revisions = orders(keys, 4).map((order) => ({
          ...order,
          revision: first * 4 + order.revision,
        }))
        await rig.publish(...revisions)
        await pause(20)
      }
      await rig.until(() => erp.applied.size >= 400)
      await pause(200)
      expect(erp.sends.length).toBe(400)
      expect(outOfOrder(erp.arrivals)).toEqual([])
    })

    it('that were published before anybody was there arrive, too', async () => {
      await rig.publish(...orders(keys, 5))
      await rig.startCarried([flowOn(erp, { start: 'beginning' })], { leaseMs })
      rig.startRelay()
      await rig.until(() => erp.sends.length === 100, 6_000)
      expect(outOfOrder(erp.arrivals)).toEqual([])
    })

    it('reach every group that wants them, and no run for types that none wants', async () => {
      const wms = new StubSystem({ name: 'wms', ...fast })
      await rig.startCarried([flowOn(erp, {}), flowOn(wms, { partitions: 2 })], { leaseMs })
      rig.startRelay()
      await rig.untilCarried(3)
      await rig.publish(...orders(keys, 2), { number: 'X', revision: 1, type: 'order.unknown' })
      await rig.until(() => erp.sends.length === 40 && wms.sends.length === 40)
      expect([...outOfOrder(erp.arrivals), ...outOfOrder(wms.arrivals)]).toEqual([])
    })

    it('are not sent again when their partitions move from one worker to another and back', async () => {
      erp.answer = () => pause(2)
      const flows = [flowOn(erp, { partitions: 4 })]
      const first = await rig.startCarried(flows, { leaseMs })
      rig.startRelay()
      await rig.untilCarried(4)
      const publishing = publishSteadily(rig, 30)
      const second = await rig.startCarried(flows, { leaseMs })
      await rig.until(() => second.worker.ownedGroups.length === 2, 8_000)
      await first.stop()
      await rig.until(() => second.worker.ownedGroups.length === 4, 8_000)
      const total = await publishing()
      await rig.until(() => erp.applied.size >= total)
      expect(erp.sends.length).toBe(total)
      expect(outOfOrder(erp.arrivals)).toEqual([])
    }, 40_000)

    it('keep their order when a deployment comes with more partitions', async () => {
      erp.answer = () => pause(2)
      const before = await rig.startCarried([flowOn(erp, { partitions: 1 })], { leaseMs })
      rig.startRelay()
      await rig.untilCarried(1)
      const publishing = publishSteadily(rig, 30)
      await pause(300)
      const after = await rig.startCarried([flowOn(erp, { partitions: 4 })], { leaseMs })
      await rig.until(() => after.worker.ownedGroups.length === 4, 10_000)
      await before.stop()
      await rig.untilCarried(4)
      const total = await publishing()
      await rig.until(() => erp.applied.size >= total)
      await pause(200)
      expect(erp.sends.length).toBe(total)
      expect(outOfOrder(erp.arrivals)).toEqual([])
    }, 40_000)

    it('go on in order when a worker is killed, and send again only what it had not written down', async () => {
      erp.answer = () => pause(2)
      const flows = [flowOn(erp, { partitions: 2 })]
      const first = await rig.startCarried(flows, { leaseMs })
      rig.startRelay()
      await rig.untilCarried(2)
      const publishing = publishSteadily(rig, 30)
      await rig.until(() => erp.sends.length > 100)
      await first.kill()
      await rig.startCarried(flows, { leaseMs })
      await pause(500)
      const total = await publishing()
      await rig.until(() => erp.applied.size >= total, 15_000)
      const again = erp.sends.length - total
      expect(again).toBeLessThanOrEqual(64)
      // What had been sent and not been written down is sent again, in order: the first of each counts.
      const firsts = new Map(erp.arrivals.toReversed().map((arrival) => [arrival.key, arrival]))
      expect(outOfOrder(erp.arrivals.filter((arrival) => firsts.get(arrival.key) === arrival))).toEqual([])
    }, 40_000)

    it('wait while their group is paused, and come when it goes on', async () => {
      await rig.startCarried([flowOn(erp, {})], { leaseMs })
      rig.startRelay()
      await rig.untilCarried()
      await rig.sql('UPDATE lane_groups SET paused = true')
      await pause(leaseMs)
      await rig.publish(...orders(keys, 3))
      await pause(3_000)
      expect(erp.sends).toEqual([])
      await rig.sql('UPDATE lane_groups SET paused = false')
      await rig.until(() => erp.sends.length === 60, 6_000)
      expect(outOfOrder(erp.arrivals)).toEqual([])
    })

    it('are known within a second while all is well', async () => {
      const latencies: number[] = []
      const publishedAt = new Map<number, number>()
      erp.answer = ({ order }) => {
        latencies.push(performance.now() - (publishedAt.get(order.revision) ?? 0))
      }
      await rig.startCarried([flowOn(erp, {})], { leaseMs })
      rig.startRelay()
      await rig.untilCarried()
      for (let revision = 1; revision <= 30; revision++) {
        publishedAt.set(revision, performance.now())
        await rig.publish({ number: 'A', revision })
        await pause(60)
      }
      await rig.until(() => latencies.length === 30)
      expect(latencies.toSorted((a, b) => a - b)[27]).toBeLessThan(1_000)
    })
  })
}

/** Publishes a revision of every key each so many milliseconds; what it gives back ends it and answers how many there were. */
export function publishSteadily(rig: TransportRig, everyMs: number, numbers = keys): () => Promise<number> {
  let isOver = false
  let revision = 0
  const running = (async () => {
    while (!isOver) {
      revision++
      await rig.publish(...numbers.map((number) => ({ number, revision })))
      await pause(everyMs)
    }
  })()
  return async () => {
    isOver = true
    await running
    return revision * numbers.length
  }
}
