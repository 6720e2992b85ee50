import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CallError } from '../../src/errors.ts'
import type { NewEvent } from '../../src/journal/port.ts'
import { Dice } from '../simulation/dice.ts'
import type { Arrival, OrderData, Rig } from './rig.ts'
import { StubSystem, flowOn, newEvent, openRig } from './rig.ts'

const ordering = { by: 'sequence', field: (order: OrderData) => order.revision, gapTimeout: '10m' } as const

describe('order by number, with real workers', () => {
  let rig: Rig
  beforeAll(async () => {
    rig = await openRig()
  })
  afterAll(() => rig.close())

  it('10,000 events of 500 keys, shuffled, doubled, with 1 % lost until they are sent again, and one worker killed: every sink sees every key in order', async () => {
    const keys = 500
    const revisions = 20
    const random = new Dice('sequence').next
    const all = Array.from({ length: keys * revisions }, (_, index) => ({
      number: `K${index % keys}`,
      revision: 1 + Math.floor(index / keys),
    }))
    const lost = new Set(all.filter(() => random() < 0.01))
    const delivered = shuffled(
      all.filter((order) => !lost.has(order)).flatMap((order) => deliveries(order, random)),
      random,
    )
    const sinks = [new StubSystem(fast('erp')), new StubSystem(fast('crm'))]
    const flows = sinks.map((sink) => flowOn(sink, { ordering }))
    const doomed = await rig.startWorker(flows, { leaseMs: 2_000 })
    await rig.startWorker(flows, { leaseMs: 2_000 })
    await send(rig, delivered.slice(0, delivered.length / 2))
    await rig.until(() => sinks.every(({ arrivals }) => arrivals.length > 500), 20_000)
    await doomed.kill()
    await send(rig, delivered.slice(delivered.length / 2))
    await send(rig, [...lost].map(newEvent))
    const open = 'SELECT count(*)::int AS n FROM runs WHERE state < 10'
    const counted = 'SELECT count(*)::int AS n FROM runs WHERE state >= 10'
    const expected = (await rig.sql<{ n: number }>('SELECT 2 * count(*)::int AS n FROM events'))[0]?.n
    await rig.until(async () => (await rig.sql<{ n: number }>(counted))[0]?.n === expected, 45_000)
    expect((await rig.sql<{ n: number }>(open))[0]?.n).toBe(0)
    for (const { arrivals } of sinks) {
      const firsts = firstArrivals(arrivals)
      expect(disorder(firsts)).toEqual([])
      expect(firsts).toHaveLength(keys * revisions)
    }
    const [ended] = await rig.sql<{ succeeded: number; superseded: number }>(
      `SELECT count(*) FILTER (WHERE state = 10)::int AS succeeded, count(*) FILTER (WHERE state = 12)::int AS superseded FROM runs`,
    )
    expect(ended?.succeeded).toBe(2 * keys * revisions)
    expect(ended?.superseded).toBe((expected ?? 0) - 2 * keys * revisions)
    expect(ended?.superseded).toBeGreaterThan(100)
  }, 60_000)
})

describe('only the newest, with real workers', () => {
  let rig: Rig
  beforeAll(async () => {
    rig = await openRig()
  })
  afterAll(() => rig.close())

  it('1,000 stock levels of 10 articles during an outage cost about one call per article afterwards, the newest last', async () => {
    const shop = new StubSystem({
      ...fast('shop'),
      breaker: { minimumCalls: 5, probeDelay: '500ms', maxProbeDelay: '500ms' },
    })
    let down = true
    shop.answer = () => {
      if (down) throw new CallError({ class: 'unavailable', message: 'connection refused' })
    }
    await rig.startWorker([flowOn(shop, { ordering: 'latest' })])
    for (let batch = 0; batch < 20; batch++)
      await rig.publish(
        ...Array.from({ length: 50 }, (_, index) => ({
          number: `S${index % 10}`,
          revision: 1 + batch * 5 + Math.floor(index / 10),
        })),
      )
    await rig.until(async () => (await rig.sql(`SELECT FROM systems WHERE breaker <> 'closed'`)).length === 1)
    down = false
    await rig.until(
      async () => (await rig.sql('SELECT FROM runs WHERE state >= 10')).length === 1_000,
      20_000,
    )
    const applied = [...shop.applied.values()].map(({ order }) => order)
    expect(applied.length).toBeLessThanOrEqual(25)
    expect(disorder(applied)).toEqual([])
    const newest = new Map(applied.map(({ number, revision }) => [number, revision]))
    expect([...newest.values()]).toEqual(Array.from({ length: 10 }, () => 100))
  }, 40_000)
})

function fast(name: string) {
  return { name, limits: { concurrency: 32 } }
}

/** Once, or twice the same, or a second event of the same number. */
function deliveries(order: OrderData, random: () => number): NewEvent[] {
  const event = newEvent(order)
  if (random() < 0.1) return [event, event]
  return random() < 0.02 ? [event, newEvent({ ...order, id: `${event.id}-again` })] : [event]
}

async function send({ journal }: Rig, events: readonly NewEvent[]): Promise<void> {
  for (let from = 0; from < events.length; from += 250) await journal.append(events.slice(from, from + 250))
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items]
  for (let place = result.length - 1; place > 0; place--) {
    const other = Math.floor(random() * (place + 1))
    ;[result[place], result[other]] = [result[other] as T, result[place] as T]
  }
  return result
}

/** After a crash the tail that was not written may come again, with the same idempotency keys. */
function firstArrivals(arrivals: readonly Arrival[]): OrderData[] {
  const seen = new Set<string>()
  return arrivals.filter(({ key }) => !seen.has(key) && seen.add(key)).map(({ order }) => order)
}

/** Every place at which the sequence of a key does not rise. */
function disorder(orders: readonly OrderData[]): string[] {
  const last = new Map<string, number>()
  return orders.flatMap(({ number, revision }) => {
    const before = last.get(number) ?? 0
    last.set(number, revision)
    return revision > before ? [] : [`${number}: ${revision} after ${before}`]
  })
}
