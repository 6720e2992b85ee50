import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { createHub, defineConfig, postgres } from '../../src/index.ts'
import { rabbitmq } from '../../src/rabbitmq/index.ts'
import type { Broker } from '../rabbitmq/rig.ts'
import { describeWithOwnBroker, openNeighbour, startBroker } from '../rabbitmq/rig.ts'
import { databaseUrl, flowOn, orderPlaced, orders, StubSystem } from '../scenario/rig.ts'
import type { TransportRig } from './rig.ts'
import { openRabbitmqRig, outOfOrder, pause } from './rig.ts'
import { publishSteadily } from './transport-contract.ts'
import { openWire } from './wire.ts'

const leaseMs = 2_000
const keys = Array.from({ length: 10 }, (_, index) => `K${index}-`)
const lostMs = 10_000
const timeout = 60_000

describeWithOwnBroker('a broker that is away', () => {
  let broker: Broker
  let rig: TransportRig
  const closers: (() => Promise<void>)[] = []
  beforeAll(async () => {
    broker = await startBroker()
  }, 60_000)
  afterAll(() => broker.stop())
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
  })
  beforeEach(() => broker.start(), 60_000)

  const system = () => new StubSystem({ name: 'erp', limits: { concurrency: 64 } })

  async function open(url = broker.url): Promise<TransportRig> {
    rig = await openRabbitmqRig({ url })
    closers.push(() => rig.close())
    return rig
  }

  async function carried(erp: StubSystem, url?: string): Promise<void> {
    await open(url)
    await rig.startCarried([flowOn(erp, { partitions: 2 })], { leaseMs })
    rig.startRelay()
    await rig.untilCarried(2)
  }

  it('from the start is not waited for, and used when it comes', { timeout }, async () => {
    const erp = system()
    await broker.kill()
    await open()
    await rig.startCarried([flowOn(erp, {})], { leaseMs })
    const relay = rig.startRelay()
    // A transport begins at the end of the log, as the first relay finds it.
    await rig.until(async () => (await rig.sql('SELECT FROM log_relays')).length === 1)
    await rig.publish(...orders(keys, 2))
    await rig.until(() => erp.sends.length === 20, 2_000)
    await broker.start()
    await rig.untilCarried()
    await rig.until(() => relay.carried >= 20)
    expect(erp.sends.length).toBe(20)
  })

  it('killed and started under load, loses and doubles nothing', { timeout }, async () => {
    const erp = system()
    await carried(erp)
    const publishing = publishSteadily(rig, 20, keys)
    await pause(1_000)
    await broker.kill()
    await pause(2_000)
    await broker.start()
    await pause(1_000)
    const total = await publishing()
    await rig.until(() => erp.sends.length === total, lostMs)
    await pause(1_000)
    expect(erp.sends.length).toBe(total)
    expect(outOfOrder(erp.arrivals)).toEqual([])
    await rig.untilCarried(2)
  })

  it('wiped, has exchange, queues and bindings again', { timeout }, async () => {
    const erp = system()
    await carried(erp)
    await rig.publish(...orders(keys, 1))
    await broker.wipe()
    await rig.publish(...orders(keys, 2).filter(({ revision }) => revision === 2))
    await rig.until(() => erp.sends.length === 20, lostMs)
    await broker.start()
    await rig.untilCarried(2)
    const before = rig.carriers.reduce((sum, { carrier }) => sum + carrier.arrivals, 0)
    await rig.publish(...orders(keys, 3).filter(({ revision }) => revision === 3))
    await rig.until(() => rig.carriers.reduce((sum, { carrier }) => sum + carrier.arrivals, 0) > before)
    await rig.until(() => erp.sends.length === 30)
    expect(outOfOrder(erp.arrivals)).toEqual([])
  })

  it('that blocks publishers for want of memory, delays; nothing piles up for it', { timeout }, async () => {
    const erp = system()
    await open()
    await rig.startCarried([flowOn(erp, {})], { leaseMs })
    const relay = rig.startRelay()
    await rig.untilCarried()
    const shop = await openNeighbour(broker.url)
    closers.push(() => shop.close())
    const copy = await shop.queue('copy')
    await shop.connection.queueBind({ queue: copy, exchange: rig.exchange, routingKey: '#' })
    await broker.raiseAlarm()
    closers.push(() => broker.clearAlarm())
    await rig.publish(...orders(keys, 2))
    await rig.until(() => erp.sends.length === 20, lostMs)
    await rig.until(() => relay.errors.length > 0, 15_000)
    // Tries again, and again in vain.
    await rig.until(() => relay.errors.length > 1, 15_000)
    await broker.clearAlarm()
    await rig.until(() => relay.carried >= 20)
    await pause(1_000)
    // What was on its way when the broker blocked, and once more.
    expect(await shop.ready(copy)).toBeLessThanOrEqual(40)
    expect(erp.sends.length).toBe(20)
  })

  it('that is silent does not keep a worker from handing over', { timeout }, async () => {
    const wire = await openWire(broker.port)
    closers.push(() => wire.close())
    const erp = system()
    await open(`amqp://guest:guest@127.0.0.1:${wire.port}`)
    const flows = [flowOn(erp, {})]
    const first = await rig.startCarried(flows, { leaseMs })
    rig.startRelay()
    await rig.untilCarried()
    wire.isSilent = true
    await rig.publish(...orders(keys, 1))
    await rig.until(() => erp.sends.length === 10, lostMs)
    const began = performance.now()
    await first.stop()
    expect(performance.now() - began).toBeLessThan(4_000)
    await rig.startCarried(flows, { leaseMs })
    await rig.publish(...orders(keys, 2).filter(({ revision }) => revision === 2))
    await rig.until(() => erp.sends.length === 20, lostMs)
    expect(outOfOrder(erp.arrivals)).toEqual([])
    await wire.close() // what still waits for an answer hears of the end
  })

  it('there, a hub that relays ends at once', { timeout }, async () => {
    const erp = system()
    await open()
    const worker = await rig.startCarried([flowOn(erp, {})], { leaseMs })
    const relay = rig.startRelay()
    await rig.untilCarried()
    await rig.publish(...orders(keys, 1))
    await rig.until(() => erp.sends.length === 10 && relay.carried >= 10)
    const began = performance.now()
    await relay.stop()
    await worker.stop()
    expect(performance.now() - began).toBeLessThan(2_500)
  })

  it('is not noticed by those who publish, nor when the hub ends', { timeout }, async () => {
    const schema = `transport_${randomBytes(6).toString('hex')}`
    const erp = system()
    const hub = createHub(
      defineConfig({
        journal: postgres({ url: databaseUrl, schema }),
        transport: rabbitmq({ url: broker.url }),
        flows: [flowOn(erp, { partitions: 4 })],
        http: { port: 0, unauthenticated: true },
        outbox: false,
      }),
      { migrate: true, log: pino({ level: 'silent' }), leaseMs },
    )
    closers.push(async () => {
      await hub.stop()
      const client = new pg.Client({ connectionString: databaseUrl })
      await client.connect()
      await client.query(`DROP SCHEMA ${schema} CASCADE`)
      await client.end()
    })
    await hub.start()
    await pause(2_000)
    const latencies: number[] = []
    const publish = async (revision: number) => {
      const began = performance.now()
      await hub.publish(orderPlaced, { number: 'A', revision }, { id: `A-${revision}` })
      latencies.push(performance.now() - began)
    }
    for (let revision = 1; revision <= 100; revision++) {
      if (revision === 30) await broker.kill()
      await publish(revision)
      await pause(20)
    }
    await pause(3_000)
    await publish(101)
    expect(latencies.toSorted((a, b) => a - b)[98]).toBeLessThan(500)
    for (const until = performance.now() + 2_000; erp.sends.length < 101 && performance.now() < until;)
      await pause(20)
    expect(erp.sends).toEqual(Array.from({ length: 101 }, (_, index) => `A${index + 1}`))
    const began = performance.now()
    await hub.stop()
    expect(performance.now() - began).toBeLessThan(5_000)
  })
})
