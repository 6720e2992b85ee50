import { afterEach, beforeEach, expect, it } from 'vitest'
import type { NewEvent } from '../../src/journal/port.ts'
import { hashKey } from '../../src/journal/hash-key.ts'
import type { Neighbour } from '../rabbitmq/rig.ts'
import { describeWithBroker, openNeighbour } from '../rabbitmq/rig.ts'
import { flowOn, newEvent, orders, StubSystem } from '../scenario/rig.ts'
import type { CarriedEvent } from '../../src/define/transport.ts'
import type { TransportRig } from './rig.ts'
import { openRabbitmqRig, outOfOrder, pause } from './rig.ts'

const leaseMs = 2_000
const keys = Array.from({ length: 10 }, (_, index) => `K${index}-`)
/** Far more than a message takes, far less than the five seconds after which an owner looks at the log anyway. */
const soonMs = 2_500

describeWithBroker('messages', () => {
  let rig: TransportRig
  let shop: Neighbour
  let erp: StubSystem
  beforeEach(async () => {
    rig = await openRabbitmqRig()
    shop = await openNeighbour()
    erp = new StubSystem({ name: 'erp', limits: { concurrency: 64 } })
  })
  afterEach(async () => {
    await rig.close()
    await shop.close()
  })

  const queue = () => rig.queues[0]?.queue ?? ''
  const head = () => rig.journal.head()
  const publish = async (event: NewEvent) => (await rig.journal.append([event])).results[0]?.seq ?? 0
  const untilSent = (count: number, ms = soonMs) => rig.until(() => erp.sends.length === count, ms)
  const carriers = () => rig.carriers.filter(({ carrier }) => carrier.carries)

  async function carried(options = {}): Promise<void> {
    await rig.startCarried([flowOn(erp, {})], { leaseMs, ...options })
    rig.startRelay()
    await rig.untilCarried()
  }

  /** As the relay would send it, but for what is given. */
  function forge(headers: Record<string, unknown>, body = Buffer.from('{}')) {
    return shop.send({ exchange: '', routingKey: queue(), headers }, body)
  }

  it('tell of many events at once', async () => {
    await carried()
    await rig.publish(...orders(keys, 20))
    const seq = await head()
    await rig.until(() => rig.carriers[0]?.carrier.horizon === seq, soonMs)
    await untilSent(200)
    expect(rig.carriers[0]?.carrier.arrivals).toBe(1)
  })

  it('are hints of events of every content type that JSON has', async () => {
    await carried()
    for (const [index, datacontenttype] of [
      'application/json',
      'text/plain',
      'application/a+json',
    ].entries()) {
      const seq = await publish({
        ...newEvent({ number: 'A', revision: index + 1 }),
        ext: JSON.stringify({ datacontenttype }),
      })
      await rig.until(() => rig.carriers[0]?.carrier.horizon === seq, soonMs)
    }
    await untilSent(3)
  })

  it('doubled, shuffled, late or lost change nothing but the moment', async () => {
    const total = 400
    await rig.startCarried([flowOn(erp, { partitions: 2 })], { leaseMs })
    let turn = 0
    const relay: { publish?: (events: readonly CarriedEvent[]) => Promise<void> } = {}
    const through = rig.startRelay()
    await through.stop()
    const connection = rig.connect()
    relay.publish = async (events) => {
      turn++
      const doubled = [...events, ...events].sort(
        (a, b) => hashKey(`${turn}${a.seq}`) - hashKey(`${turn}${b.seq}`),
      )
      const late = doubled.filter(({ seq }) => seq % 7 === 0)
      const each = (some: readonly CarriedEvent[]) =>
        Promise.all(some.map((event) => connection.publish([event])))
      setTimeout(() => void each(late).catch(() => undefined), 700)
      await each(doubled.filter(({ seq }) => seq % 7 !== 0 && seq % 11 !== 0))
    }
    rig.startRelay(relay)
    await rig.untilCarried(2)
    for (let first = 0; first < 20; first++) {
      await rig.publish(
        ...orders(keys, 2).map((order) => ({ ...order, revision: first * 2 + order.revision })),
      )
      await pause(30)
    }
    await rig.until(() => erp.applied.size >= total)
    await pause(1_000)
    expect(erp.sends.length).toBe(total)
    expect(outOfOrder(erp.arrivals)).toEqual([])
  })

  it('that are none of the hub, or of another log, are given back and forgotten', async () => {
    await carried()
    await forge({})
    await forge({ 'busbar-seq': 'many' })
    await forge({ 'busbar-seq': -1 })
    for (let index = 0; index < 50; index++)
      await forge({ 'busbar-seq': 1_000_000 + index, 'cloudEvents:id': `f${index}`, 'busbar-received': 1 })
    await pause(500)
    for (let revision = 1; revision <= 20; revision++) {
      const seq = (await rig.publish({ number: 'A', revision }))[0] ?? 0
      await rig.until(() => (rig.carriers[0]?.carrier.horizon ?? 0) === seq, soonMs)
    }
    await untilSent(20)
    expect(carriers().length).toBe(1)
    await untilEmpty()
  })

  it('of a log that was restored to an earlier moment change nothing of what it says now', async () => {
    const flows = [flowOn(erp, {})]
    const worker = await rig.startCarried(flows, { leaseMs })
    const relay = rig.startRelay()
    await rig.untilCarried()
    await worker.stop()
    await rig.publish(...orders(['A'], 10))
    await rig.until(() => relay.carried === 10)
    expect(await shop.ready(queue())).toBeGreaterThan(0)
    await relay.stop()
    await rig.sql('DELETE FROM events WHERE seq > 5')
    await rig.sql('UPDATE log_relays SET position = 5')
    for (let revision = 6; revision <= 8; revision++)
      await publish({
        ...newEvent({ number: 'A', revision }),
        data: JSON.stringify({ number: 'B', revision }),
      })
    await rig.startCarried(flows, { leaseMs })
    rig.startRelay()
    await untilSent(8, 8_000)
    expect(erp.sends).toEqual(['A1', 'A2', 'A3', 'A4', 'A5', 'B6', 'B7', 'B8'])
    await rig.until(() => carriers().length === 1)
    const seq = await publish(newEvent({ number: 'C', revision: 1 }))
    await rig.until(() => carriers()[0]?.carrier.horizon === seq, soonMs)
  })

  it('that are lost are made up for by the log, and the owner trusts no more for a while', async () => {
    await rig.startCarried([flowOn(erp, {})], { leaseMs })
    rig.startRelay({ publish: async () => {} })
    await rig.untilCarried()
    await rig.publish(...orders(keys, 2))
    await untilSent(20, 8_000)
    expect(carriers()).toEqual([])
    await rig.publish({ number: 'B', revision: 1 })
    await untilSent(21, 1_000)
  })

  it('of events whose attributes are too long for headers are CloudEvents in structured mode', async () => {
    await carried()
    const neighbour = await shop.queue('neighbour')
    await shop.connection.queueBind({
      queue: neighbour,
      exchange: rig.exchange,
      routingKey: 'order.placed.*',
    })
    const extensions = Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [`ext${index}`, 'ü'.repeat(500)]),
    )
    const data = '{"number":"A","revision":1,"big":12345678901234567890}'
    await publish({ ...newEvent({ number: 'A', revision: 1 }), data, ext: JSON.stringify({ extensions }) })
    await rig.publish({ number: 'A', revision: 2 })
    await untilSent(2)
    const message = await shop.connection.basicGet({ queue: neighbour, noAck: true })
    expect(message?.contentType).toBe('application/cloudevents+json; charset=utf-8')
    const text = String(message?.body)
    expect(text).toContain(`"data":${data}`)
    expect(JSON.parse(text)).toMatchObject({
      specversion: '1.0',
      id: 'A-1',
      partitionkey: 'A',
      ...extensions,
    })
  })

  it('of large events are read whole, and of those too large the log is read', async () => {
    await carried()
    const sizes = [8_184, 8_192, 300_000, 1_100_000]
    for (const [index, size] of sizes.entries())
      await publish({
        ...newEvent({ number: 'A', revision: index + 1 }),
        data: JSON.stringify({ number: 'A', revision: index + 1, text: 'x'.repeat(size) }),
      })
    await untilSent(sizes.length)
    expect(erp.arrivals.map(({ order }) => (order as { text?: string }).text?.length ?? 0)).toEqual(
      sizes.map(() => 0), // the contract takes what it knows
    )
  })

  it('reach the queue of their partition alone, and a neighbour as they came', async () => {
    const parts = [0, 1, 2, 3]
    const flows = [flowOn(erp, { partitions: 4 })]
    await rig.startCarried(flows, { leaseMs })
    rig.startRelay()
    await rig.untilCarried(4)
    const neighbour = await shop.queue('all')
    await shop.connection.queueBind({ queue: neighbour, exchange: rig.exchange, routingKey: 'order.#' })
    const data = '{"number":"Ä","revision":1, "exact": 1.10, "big":12345678901234567890,"é":"\\u00e9"}'
    await publish({
      ...newEvent({ number: 'Ä', revision: 1 }),
      data,
      ext: JSON.stringify({ subject: 'sübject', time: '2026-01-31T12:00:00Z', extensions: { traceid: 'x' } }),
    })
    await untilSent(1)
    const counts = () => rig.carriers.map(({ carrier, request }) => [request.part, carrier.arrivals])
    await rig.until(() => counts().some(([, arrivals]) => arrivals !== 0))
    expect(counts().toSorted()).toEqual(parts.map((part) => [part, hashKey('Ä') % 4 === part ? 1 : 0]))
    await rig.publish(...orders(keys, 4))
    await untilSent(41)
    await rig.until(async () => (await shop.ready(neighbour)) === 41)
    const message = await shop.connection.basicGet({ queue: neighbour, noAck: true })
    expect(String(message?.body)).toBe(data)
    expect(message).toMatchObject({
      contentType: 'application/json; charset=utf-8',
      routingKey: `order.placed.${hashKey('Ä') % 64}`,
      durable: true,
      headers: {
        'cloudEvents:specversion': '1.0',
        'cloudEvents:id': 'Ä-1',
        'cloudEvents:source': 'urn:test:shop',
        'cloudEvents:type': 'order.placed',
        'cloudEvents:subject': 'sübject',
        'cloudEvents:time': '2026-01-31T12:00:00Z',
        'cloudEvents:partitionkey': 'Ä',
        'cloudEvents:traceid': 'x',
      },
    })
  })

  /** Nothing ready, and nothing held by the owner: what is held comes back when it goes. */
  async function untilEmpty(): Promise<void> {
    await rig.until(async () => (await shop.ready(queue())) === 0)
    await pause(500)
    for (const { carrier } of rig.carriers) await carrier.close()
    await pause(200)
    expect(await shop.ready(queue())).toBe(0)
  }
})
