import { afterEach, beforeEach, expect, it } from 'vitest'
import type { RabbitmqOptions } from '../../src/rabbitmq/transport.ts'
import type { CarriedEvent, Carrier, TransportConnection } from '../../src/define/transport.ts'
import type { Neighbour } from '../rabbitmq/rig.ts'
import { describeWithBroker, openNeighbour } from '../rabbitmq/rig.ts'
import { flowOn, newEvent, orders, StubSystem } from '../scenario/rig.ts'
import type { TransportRig } from './rig.ts'
import { openRabbitmqRig, outOfOrder, pause } from './rig.ts'

const leaseMs = 2_000
const keys = Array.from({ length: 10 }, (_, index) => `K${index}-`)
const soonMs = 2_500
/** What a broker has lost is delivered by then. */
const lostMs = 10_000

describeWithBroker('what the broker loses', () => {
  let rig: TransportRig
  let shop: Neighbour
  let erp: StubSystem
  beforeEach(async () => {
    shop = await openNeighbour()
    erp = new StubSystem({ name: 'erp', limits: { concurrency: 64 } })
  })
  afterEach(async () => {
    await rig.close()
    await shop.close()
  })

  const queue = () => rig.queues[0]?.queue ?? ''
  const untilSent = (count: number, ms = soonMs) => rig.until(() => erp.sends.length === count, ms)
  const carrier = () => rig.carriers[0]?.carrier as Carrier
  /** Messages come again: the last event's has, soon after it was published. */
  async function comes(order: { number: string; revision: number }): Promise<void> {
    const [seq = 0] = await rig.publish(order)
    await rig.until(() => carrier().horizon === seq, soonMs)
  }

  async function carried(options: Partial<RabbitmqOptions> = {}): Promise<void> {
    rig = await openRabbitmqRig(options)
    await rig.startCarried([flowOn(erp, {})], { leaseMs })
    rig.startRelay(options.prefetch || options.maxQueueLength ? { publish: oneByOne(rig.connect()) } : {})
    await rig.untilCarried()
  }

  it('with a purge', async () => {
    rig = await openRabbitmqRig()
    await rig.startCarried([flowOn(erp, {})], { leaseMs })
    const connection = rig.connect()
    rig.startRelay({
      publish: async (events) => {
        await connection.publish(events)
        await shop.connection.queuePurge({ queue: queue() })
      },
    })
    await rig.untilCarried()
    for (const order of orders(keys, 3)) {
      await rig.publish(order)
      await pause(10)
    }
    await untilSent(30, lostMs)
    expect(outOfOrder(erp.arrivals)).toEqual([])
  })

  it('with a queue that is deleted, by which the owner is cancelled', async () => {
    await carried()
    await comes({ number: 'A', revision: 1 })
    await shop.connection.queueDelete({ queue: queue() })
    await rig.publish(...orders(keys, 2))
    await untilSent(21, lostMs)
    await rig.until(() => carrier().carries)
    await comes({ number: 'A', revision: 2 })
  })

  it.each(['.hints', ''])(
    'with an exchange (<exchange>%s) that is deleted, with all bindings, of which nobody is told',
    { timeout: 45_000 },
    async (which) => {
      await carried()
      await comes({ number: 'A', revision: 1 })
      await shop.connection.exchangeDelete({ exchange: `${rig.exchange}${which}` })
      await rig.publish(...orders(keys, 2))
      await untilSent(21, lostMs)
      await rig.until(() => carrier().carries, 15_000)
      await comes({ number: 'A', revision: 2 })
    },
  )

  it('with a queue of which it keeps the newest only', async () => {
    await carried({ maxQueueLength: 1_000 })
    await rig.sql('UPDATE lane_groups SET paused = true')
    await rig.until(() => !carrier().carries, 6_000)
    for (let batch = 0; batch < 4; batch++)
      await rig.publish(
        ...orders(keys, 40).map((order) => ({ ...order, revision: batch * 40 + order.revision })),
      )
    await rig.until(async () => (await shop.ready(queue())) >= 1_000)
    await pause(500)
    expect(await shop.ready(queue())).toBeLessThanOrEqual(1_000)
    await rig.sql('UPDATE lane_groups SET paused = false')
    await untilSent(1_600, lostMs)
    expect(outOfOrder(erp.arrivals)).toEqual([])
    await rig.until(async () => (await shop.ready(queue())) === 0)
  })

  it('or holds back behind one slow event, with as many as the owner may hold', async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    erp.answer = ({ order }) => (order.number === 'slow' ? held : undefined)
    await carried({ prefetch: 10 })
    await rig.publish({ number: 'slow', revision: 1 })
    await untilSent(1)
    for (let revision = 1; revision <= 5; revision++) {
      await rig.publish(...keys.map((number) => ({ number, revision })))
      await untilSent(1 + revision * 10, 1_000)
    }
    release()
    await comes({ number: 'A', revision: 1 })
    await rig.until(async () => (await shop.ready(queue())) === 0)
  })

  it('with a relay that is killed: another takes over', async () => {
    rig = await openRabbitmqRig()
    await rig.startCarried([flowOn(erp, {})], { leaseMs })
    const first = rig.startRelay()
    await rig.untilCarried()
    await comes({ number: 'A', revision: 1 })
    const second = rig.startRelay()
    await first.kill()
    await rig.publish(...orders(keys, 3))
    await untilSent(31, lostMs)
    await rig.until(() => second.carried >= 30, lostMs)
    await rig.until(() => carrier().carries, 15_000)
    await comes({ number: 'A', revision: 2 })
    await second.stop()
    const third = rig.startRelay()
    await rig.publish({ number: 'A', revision: 3 })
    await rig.until(() => third.carried >= 1, soonMs) // given back, the lease need not run out
    expect(third.carried).toBe(1)
  }, 45_000)

  it('nothing, while two relays work at once', async () => {
    await carried()
    const twice = rig.connect()
    const before = await rig.journal.head()
    const other = rig.startRelay({ publish: (events) => twice.publish(events) })
    // Holds no lease, so what it would do is done here: everything once more.
    const all = async () => {
      const events = await rig.journal.read({
        ...{ after: before, upTo: await rig.journal.head(), types: ['order.placed'] },
        ...{ part: 0, parts: 1, limit: 1_000, maxBytes: 1_000_000 },
      })
      await twice.publish(events.events)
    }
    for (const order of orders(keys, 3)) {
      await rig.publish(order)
      await all()
    }
    await untilSent(30)
    await all()
    await pause(500)
    expect(erp.sends.length).toBe(30)
    expect(outOfOrder(erp.arrivals)).toEqual([])
    await other.stop()
  })
})

/** A message for each event, where a relay makes one of many. */
function oneByOne(connection: TransportConnection) {
  return async (events: readonly CarriedEvent[]) => {
    await Promise.all(events.map((event) => connection.publish([event])))
  }
}

describeWithBroker('a carrier', () => {
  const closers: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
  })

  async function carrierOf(): Promise<{ carrier: Carrier; rig: TransportRig }> {
    const rig = await openRabbitmqRig()
    closers.push(() => rig.close())
    closers.push(async () => void (await rig.connect().removeQueue(`${rig.exchange}.g.0-1`)))
    connection = rig.connect()
    return { carrier: carryOf(), rig }
  }

  let connection: TransportConnection
  function carryOf(): Carrier {
    return connection.carry({
      ...{ group: 'g', part: 0, parts: 1, types: ['order.placed'] },
      onArrival: () => undefined,
    })
  }

  it('leaves what is not settled to the next owner, however often', async () => {
    const { carrier, rig } = await carrierOf()
    await rig.until(() => carrier.carries)
    await rig.connect().publish([{ ...newEvent({ number: 'A', revision: 1 }), seq: 7, receivedAt: 1 }])
    await rig.until(() => carrier.arrivals === 1)
    await carrier.close()
    for (let owner = 0; owner < 25; owner++) {
      const next = carryOf()
      await rig.until(() => next.arrivals === 1, 3_000)
      await next.close()
    }
  })

  it('that is wanted again while it leaves comes back', async () => {
    const { carrier, rig } = await carrierOf()
    await rig.until(() => carrier.carries)
    carrier.want(false)
    await pause(2_100)
    carrier.want(false)
    carrier.want(true)
    await pause(200)
    await rig.until(() => carrier.carries, 4_000)
  })

  it('that is not wanted while it begins comes when it is', async () => {
    const { carrier, rig } = await carrierOf()
    carrier.want(false)
    await pause(2_100)
    carrier.want(false)
    await pause(500)
    expect(carrier.carries).toBe(false)
    carrier.want(true)
    await rig.until(() => carrier.carries, 4_000)
  })

  it('that is closed while it begins holds nothing', async () => {
    const { carrier, rig } = await carrierOf()
    await carrier.close()
    await pause(1_500)
    expect(carrier.carries).toBe(false)
    const name = `${rig.exchange}.g.0-1`
    if ((await rig.connect().queueLength(name)) === undefined) return
    const shop = await openNeighbour()
    closers.push(() => shop.close())
    expect((await shop.connection.queueDeclare({ queue: name, passive: true })).consumerCount).toBe(0)
  })
})
