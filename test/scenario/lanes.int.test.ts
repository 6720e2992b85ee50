import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CallError, FinalError } from '../../src/errors.ts'
import type { Rig } from './rig.ts'
import { flowOn, openRig, orders, StubSystem } from './rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await openRig()
})
afterEach(async () => {
  await rig.close()
})

const fast = { breaker: { probeDelay: 50, maxProbeDelay: 100 } } as const
const boom = () => new CallError({ class: 'transient', message: 'boom', status: 500 })
const gate = () => Promise.withResolvers<void>()
const stateOf = async (order: string) =>
  (
    await rig.sql<{ state: number }>(`SELECT r.state FROM runs r JOIN events e USING (seq) WHERE e.id = $1`, [
      order,
    ])
  )[0]?.state

describe('promise 5: order per key', () => {
  it('keeps runs of a key one after another, while the head is retried, and lets other keys pass', async () => {
    const erp = new StubSystem({ name: 'erp', ...fast })
    let failures = 3
    erp.answer = ({ order }) => {
      if (order.number === 'A' && order.revision === 2 && failures-- > 0) throw boom()
    }
    await rig.startWorker([flowOn(erp, { step: { retry: { first: 600, factor: 1 } } })])
    await rig.publish(...orders(['A', 'B'], 5))
    await rig.until(() => erp.applied.size === 10)
    expect(erp.sends.filter((send) => send.startsWith('A'))).toEqual([
      'A1',
      'A2',
      'A2',
      'A2',
      'A2',
      'A3',
      'A4',
      'A5',
    ])
    expect(erp.sends.filter((send) => send.startsWith('B'))).toEqual(['B1', 'B2', 'B3', 'B4', 'B5'])
  })

  it('holds a lane behind a parked run until a person retries or skips it, and only that lane', async () => {
    const erp = new StubSystem({ name: 'erp', ...fast })
    let repaired = false
    erp.answer = ({ order }) => {
      if (order.number !== 'B' && order.revision === 1 && !repaired) throw new FinalError('no tax code')
    }
    await rig.startWorker([flowOn(erp)])
    await rig.publish(...orders(['A', 'B', 'C'], 3))
    await rig.until(
      async () =>
        erp.applied.size === 3 && (await rig.sql('SELECT 1 FROM runs WHERE state = 4')).length === 2,
    )
    expect(erp.sends.filter((send) => send !== 'B1' && send !== 'B2' && send !== 'B3').sort()).toEqual([
      'A1',
      'C1',
    ])
    expect(await stateOf('A-2')).toBe(1)
    repaired = true
    const act = (verb: string, id: string) =>
      rig.sql(
        `SELECT a.* FROM runs r JOIN events e USING (seq), LATERAL act_on_run(r.flow, r.seq, r.gen, $1, 'me', 'why') a WHERE e.id = $2`,
        [verb, id],
      )
    await act('retry', 'A-1')
    await act('skip', 'C-1')
    await rig.until(() => erp.applied.size === 8)
    expect(erp.sends.filter((send) => send.startsWith('A'))).toEqual(['A1', 'A1', 'A2', 'A3'])
    expect(erp.sends.filter((send) => send.startsWith('C'))).toEqual(['C1', 'C2', 'C3'])
    await rig.until(async () => (await rig.sql('SELECT 1 FROM lanes')).length === 0)
    expect(await rig.sql('SELECT verb, actor FROM audit ORDER BY id')).toEqual([
      { verb: 'retry', actor: 'me' },
      { verb: 'skip', actor: 'me' },
    ])
  })

  it("goes on past a parked run when the flow says onParked: 'continue'", async () => {
    const erp = new StubSystem({ name: 'erp', ...fast })
    erp.answer = ({ order }) => {
      if (order.revision === 1) throw new FinalError('no tax code')
    }
    await rig.startWorker([flowOn(erp, { onParked: 'continue' })])
    await rig.publish(...orders(['A'], 3))
    await rig.until(() => erp.applied.size === 2)
    await rig.until(async () => (await stateOf('A-3')) === 10)
    expect(await stateOf('A-1')).toBe(4)
    expect(await rig.sql('SELECT 1 FROM lanes')).toEqual([])
  })

  it("keeps no order when the flow says ordering: 'none'", async () => {
    const erp = new StubSystem({ name: 'erp', ...fast })
    const first = gate()
    erp.answer = ({ order }) => (order.revision === 1 ? first.promise : undefined)
    await rig.startWorker([flowOn(erp, { ordering: 'none' })])
    await rig.publish(...orders(['A'], 3))
    await rig.until(() => erp.applied.size === 2)
    first.resolve()
    await rig.until(() => erp.applied.size === 3)
  })

  it('gives flows of one lane group a common order per key, by their place in the config', async () => {
    const erp = new StubSystem({ name: 'erp', ...fast })
    const wms = new StubSystem({ name: 'wms', ...fast })
    const trace: string[] = []
    erp.answer = ({ order }) => void trace.push(`erp ${order.number}${order.revision}`)
    wms.answer = ({ order }) => void trace.push(`wms ${order.number}${order.revision}`)
    await rig.startWorker([flowOn(erp, { lane: 'orders' }), flowOn(wms, { lane: 'orders' })])
    await rig.publish(...orders(['A'], 3))
    await rig.until(() => trace.length === 6)
    expect(trace).toEqual(['erp A1', 'wms A1', 'erp A2', 'wms A2', 'erp A3', 'wms A3'])
  })
})

describe('A6: a slow attempt or a hot key stops nobody else', () => {
  it('shows an attempt of more than a second as running, and moves the position past it', async () => {
    const erp = new StubSystem({ name: 'erp', ...fast })
    const hanging = gate()
    erp.answer = ({ order }) => (order.number === 'slow' ? hanging.promise : undefined)
    await rig.startWorker([flowOn(erp)])
    await rig.publish(
      { number: 'slow', revision: 1 },
      { number: 'slow', revision: 2 },
      ...orders(['A', 'B', 'C'], 10),
    )
    await rig.until(() => erp.applied.size === 30)
    await rig.until(async () => (await stateOf('slow-1')) === 3 && (await stateOf('slow-2')) === 1)
    await rig.until(async () => (await rig.sql('SELECT 1 FROM positions WHERE position >= 32')).length === 1)
    hanging.resolve()
    await rig.until(() => erp.applied.size === 32)
    expect(erp.sends.filter((send) => send.startsWith('slow'))).toEqual(['slow1', 'slow2'])
    await rig.until(async () => (await rig.sql('SELECT 1 FROM lanes')).length === 0)
  })

  it('keeps at most a bounded part of a hot key in memory, in order, and other keys flow', async () => {
    const erp = new StubSystem({ name: 'erp', ...fast })
    const hanging = gate()
    erp.answer = ({ order }) => (order.number === 'hot' && order.revision === 1 ? hanging.promise : undefined)
    await rig.startWorker([flowOn(erp)])
    await rig.publish(...orders(['hot'], 500))
    await rig.publish(...orders(['A'], 20))
    await rig.until(() => erp.applied.size === 20)
    hanging.resolve()
    await rig.until(() => erp.applied.size === 520, 20_000)
    expect(erp.sends.filter((send) => send.startsWith('hot'))).toEqual(
      orders(['hot'], 500).map(({ revision }) => `hot${revision}`),
    )
  })
})

describe('A7: an outage writes nothing and burns nothing', () => {
  it('stops calling a dead system but for its probes, keeps the other flow going, and drains in order', async () => {
    const erp = new StubSystem({ name: 'erp', breaker: { probeDelay: 100, maxProbeDelay: 200 } })
    const wms = new StubSystem({ name: 'wms', ...fast })
    let down = true
    erp.answer = () => {
      if (down) throw new CallError({ class: 'unavailable', message: 'connect ECONNREFUSED' })
    }
    await rig.startWorker([flowOn(erp), flowOn(wms)])
    const keys = Array.from({ length: 40 }, (_, index) => `K${index}`)
    await rig.publish(...orders(keys, 5))
    await rig.until(() => wms.applied.size === 200)
    await rig.until(() => erp.arrivals.length > 24)
    const [{ rows } = { rows: 0 }] = await rig.sql<{ rows: number }>(
      'SELECT count(*)::int AS rows FROM runs r JOIN flows f ON f.id = r.flow WHERE f.name = $1',
      ['erp'],
    )
    expect(rows).toBeLessThan(200)
    expect(await rig.sql(`SELECT 1 FROM systems WHERE name = 'erp' AND breaker <> 'closed'`)).toHaveLength(1)
    const [{ burnt } = { burnt: 0 }] = await rig.sql<{ burnt: number }>(
      'SELECT coalesce(sum(tries), 0)::int AS burnt FROM runs WHERE state < 10',
    )
    expect(burnt).toBeLessThanOrEqual(16)
    down = false
    await rig.until(() => erp.applied.size === 200)
    for (const key of keys) {
      const first = [
        ...new Set(
          erp.arrivals.filter(({ order }) => order.number === key).map(({ order }) => order.revision),
        ),
      ]
      expect(first).toEqual([1, 2, 3, 4, 5])
    }
    await rig.until(
      async () =>
        (await rig.sql(`SELECT 1 FROM problems WHERE fp = 'system:erp' AND state = 'resolved'`)).length === 1,
    )
  })

  it('makes nothing happen at a paused system, and goes on where it stood when it is resumed', async () => {
    const erp = new StubSystem({ name: 'erp', ...fast })
    await rig.startWorker([flowOn(erp)])
    await rig.sql(`SELECT set_paused('system', 'erp', true, 'me', 'month end')`)
    await rig.until(async () => (await rig.sql(`SELECT 1 FROM systems WHERE paused`)).length === 1)
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    await rig.publish(...orders(['A'], 3))
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(erp.arrivals).toHaveLength(0)
    await rig.sql(`SELECT set_paused('system', 'erp', false, 'me', 'done')`)
    await rig.until(() => erp.applied.size === 3)
  })
})

describe('promise 4: one outcome, and no blind repeat', () => {
  const lost = () => new CallError({ class: 'unknown', message: 'no answer' })

  it('looks with find before it repeats after an unknown outcome, and does not repeat what it finds', async () => {
    const books = new StubSystem({ name: 'books', idempotency: 'none', settle: 100, ...fast })
    const applied = new Set<string>()
    books.answer = ({ kind, order }) => {
      const name = `${order.number}${order.revision}`
      if (kind === 'find') return applied.has(name) ? { id: name } : undefined
      if (order.number === 'done') applied.add(name)
      if (books.sends.filter((send) => send === name).length === 1 && order.number !== 'fine') throw lost()
      applied.add(name)
      return { id: name }
    }
    await rig.startWorker([flowOn(books, { step: { find: ({ event, call }) => call.find(event.data) } })])
    await rig.publish(
      { number: 'done', revision: 1 },
      { number: 'notdone', revision: 1 },
      { number: 'fine', revision: 1 },
    )
    await rig.until(async () => (await rig.sql('SELECT 1 FROM runs WHERE state = 10')).length === 3)
    expect(books.sends.sort()).toEqual(['done1', 'fine1', 'notdone1', 'notdone1'])
    const finds = books.arrivals.filter(({ kind }) => kind === 'find')
    expect(finds.map(({ order }) => order.number).sort()).toEqual(['done', 'notdone'])
    for (const find of finds) {
      const send = books.arrivals.find(
        ({ kind, order }) => kind === 'send' && order.number === find.order.number,
      )
      expect(find.at - (send?.at ?? 0)).toBeGreaterThanOrEqual(95)
    }
  })

  it('parks an unknown outcome where the target forgets keys and the step cannot look', async () => {
    const books = new StubSystem({ name: 'books', idempotency: 'none', ...fast })
    books.answer = () => {
      throw lost()
    }
    await rig.startWorker([flowOn(books)])
    await rig.publish({ number: 'A', revision: 1 })
    await rig.until(async () => (await stateOf('A-1')) === 4)
    expect(books.sends).toEqual(['A1'])
  })

  it('sends the same idempotency key on every try, and another for every other run', async () => {
    const erp = new StubSystem({ name: 'erp', ...fast })
    erp.answer = ({ order }) => {
      if (erp.sends.filter((send) => send === `${order.number}${order.revision}`).length < 3) throw lost()
    }
    await rig.startWorker([flowOn(erp, { step: { retry: { first: 20 } } })])
    await rig.publish(...orders(['A', 'B'], 2))
    await rig.until(() => erp.applied.size === 4)
    expect(erp.arrivals).toHaveLength(12)
    expect(new Set(erp.arrivals.map(({ key }) => key)).size).toBe(4)
  })

  it('tries again when reading back shows that a yes did nothing', async () => {
    const erp = new StubSystem({ name: 'erp', ...fast })
    let confirmed = false
    erp.answer = ({ kind }) => {
      if (kind === 'verify') return confirmed || !(confirmed = true)
      return undefined
    }
    const verify = ({
      event,
      call,
    }: {
      event: { data: { number: string; revision: number } }
      call: { verify: (order: { number: string; revision: number }) => Promise<unknown> }
    }) => call.verify(event.data) as Promise<boolean>
    await rig.startWorker([flowOn(erp, { step: { verify, retry: { first: 20 } } })])
    await rig.publish({ number: 'A', revision: 1 })
    await rig.until(async () => (await stateOf('A-1')) === 10)
    expect(erp.sends).toEqual(['A1', 'A1'])
  })
})

describe('promise 8: limits', () => {
  it('never exceeds a concurrency of 2, over two workers too', async () => {
    const erp = new StubSystem({ name: 'erp', limits: { concurrency: 2 }, ...fast })
    erp.answer = () => new Promise((resolve) => setTimeout(resolve, 5))
    const flows = [flowOn(erp, { name: 'one' }), flowOn(erp, { name: 'two' })]
    await rig.startWorker(flows, { leaseMs: 3_000 })
    await rig.startWorker(flows, { leaseMs: 3_000 })
    await rig.publish(
      ...orders(
        Array.from({ length: 50 }, (_, index) => `K${index}`),
        4,
      ),
    )
    await rig.until(() => erp.applied.size === 400, 25_000)
    expect(erp.mostInFlight).toBe(2)
  })

  it('waits as a 429 says, for the whole system, and uses up no attempt', async () => {
    const erp = new StubSystem({ name: 'erp', ...fast })
    let throttled = false
    erp.answer = () => {
      if (throttled) return
      throttled = true
      throw new CallError({ class: 'throttled', message: 'slow down', status: 429, retryAfterMs: 500 })
    }
    await rig.startWorker([flowOn(erp)])
    await rig.publish({ number: 'A', revision: 1 })
    await rig.until(() => throttled)
    await rig.publish(...orders(['B', 'C'], 1))
    await rig.until(() => erp.applied.size === 3)
    expect((erp.arrivals[1]?.at ?? 0) - (erp.arrivals[0]?.at ?? 0)).toBeGreaterThanOrEqual(490)
    await rig.until(
      async () => (await rig.sql('SELECT 1 FROM runs WHERE tries = 1 AND state = 10')).length === 3,
    )
  })
})
