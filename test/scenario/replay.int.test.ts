import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Replay } from '../../src/control/schema/replay.ts'
import { plain } from '../../src/control/sentence.ts'
import { defineFlow } from '../../src/define/flow.ts'
import { FinalError } from '../../src/errors.ts'
import { httpSystem } from '../../src/systems/http.ts'
import { clientCredentials } from '../../src/systems/http-auth.ts'
import { openControlRig } from './control-rig.ts'
import type { ControlRig } from './control-rig.ts'
import { brokenInSql, sqlInvariants } from '../chaos/invariants.sql.ts'
import { flowOn, orderPlaced, orders, StubSystem } from './rig.ts'

let rig: ControlRig
beforeEach(async () => {
  rig = await openControlRig()
})
afterEach(async () => {
  expect(rig.faults).toEqual([])
  await rig.close()
})

type Wanted = Partial<Parameters<typeof rig.ask<'planReplay'>>[1]> & { readonly keys: 'same' | 'new' }

/** Plans and starts a replay of everything of the flow `erp`. */
async function begin(wanted: Wanted): Promise<number> {
  const { id } = await rig.ask('planReplay', {
    flow: 'erp',
    all: true,
    reason: 'a test',
    rate: 10_000,
    ...wanted,
  })
  await rig.ask('startReplay', { id })
  return id
}

const look = (id: number): Promise<Replay> => rig.ask('getReplay', { id })
const untilState = (id: number, state: Replay['state'], ms = 20_000) =>
  rig.until(async () => (await look(id)).state === state, ms)
const allDone = (count: number) => async () => {
  const [row] = await rig.sql<{ n: number }>('SELECT count(*)::int AS n FROM runs WHERE state = 10')
  return row?.n === count
}

describe('the idempotency keys', () => {
  it('are the same: a system that remembers them does nothing twice', async () => {
    const erp = new StubSystem({ name: 'erp' })
    await rig.startWorker([flowOn(erp)])
    await rig.publish(...orders(['A', 'B'], 3))
    await rig.until(allDone(6))
    const id = await begin({ keys: 'same' })
    await untilState(id, 'done')
    expect(erp.arrivals).toHaveLength(12)
    expect(erp.applied.size).toBe(6)
    expect((await look(id)).counts).toMatchObject({ left: 0, underWay: 0, succeeded: 6, failed: 0 })
  })

  it('are new ones: everything is done again', async () => {
    const erp = new StubSystem({ name: 'erp' })
    await rig.startWorker([flowOn(erp)])
    await rig.publish(...orders(['A', 'B'], 3))
    await rig.until(allDone(6))
    await untilState(await begin({ keys: 'new' }), 'done')
    expect(erp.applied.size).toBe(12)
    expect(
      (await rig.ask('listRuns', { flow: 'erp', key: 'A' })).items.map(({ generation }) => generation).sort(),
    ).toEqual([0, 0, 0, 1, 1, 1])
  })
})

it('a replay of 2,000 events goes on where its killed owner left it: each of them once', async () => {
  // The permits of a dead worker come back when its attempts must have ended.
  const erp = new StubSystem({ name: 'erp', timeout: '2s' })
  const first = await rig.startWorker([flowOn(erp)], { leaseMs: 2_000 })
  const work = orders(
    Array.from({ length: 100 }, (_, number) => `N${number}`),
    20,
  )
  for (let from = 0; from < work.length; from += 500) await rig.publish(...work.slice(from, from + 500))
  await rig.until(allDone(2_000), 30_000)
  const before = erp.arrivals.length
  const id = await begin({ keys: 'new', rate: 1_000 })
  await rig.until(async () => (await look(id)).counts.succeeded > 400, 30_000)
  await first.kill()
  await rig.startWorker([flowOn(erp)], { leaseMs: 2_000 })
  await untilState(id, 'done', 60_000)
  const again = await rig.sql<{ seq: string; state: number; gen: number }>(
    'SELECT seq, state, gen FROM runs WHERE gen > 0 ORDER BY seq, gen',
  )
  expect(again).toHaveLength(2_000)
  expect(
    new Set(again.map(({ seq, state, gen }) => `${seq} ${state}/${gen}`).map((each) => each.split(' ')[1])),
  ).toEqual(new Set(['10/1']))
  // What was under way at the kill may have been sent twice, with one key.
  const sent = erp.arrivals.slice(before)
  expect(new Set(sent.map(({ key }) => key)).size).toBe(2_000)
  expect((await look(id)).counts).toMatchObject({ succeeded: 2_000, failed: 0, passedOver: 0 })
  for (const number of ['N0', 'N42', 'N99']) {
    const firsts = [
      ...new Set(sent.filter(({ order }) => order.number === number).map(({ order }) => order.revision)),
    ]
    expect(firsts).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
  }
  expect(await brokenInSql((text) => rig.sql(text), sqlInvariants)).toEqual([])
}, 120_000)

it('live traffic of a key stays in order among itself, does not overlap the replay, and neither starves', async () => {
  const erp = new StubSystem({ name: 'erp' })
  let busy = 0
  const overlaps: string[] = []
  const busyKeys = new Set<string>()
  erp.answer = async ({ order }) => {
    if (busyKeys.has(order.number)) overlaps.push(order.number)
    busyKeys.add(order.number)
    busy++
    await new Promise((resolve) => setTimeout(resolve, 8))
    busy--
    busyKeys.delete(order.number)
  }
  await rig.startWorker([flowOn(erp)])
  const keys = ['A', 'B', 'C']
  await rig.publish(...orders(keys, 20))
  await rig.until(allDone(60), 20_000)
  const before = erp.arrivals.length
  const id = await begin({ keys: 'new', ramp: [1] })
  // Hot keys: there is always something queued in their owner's memory, which they never leave by themselves.
  let live = 20
  const behind = () => (live - 20) * 3 - (erp.arrivals.length - before)
  const deadline = performance.now() + 20_000
  while (performance.now() < deadline && (await look(id)).state !== 'done')
    while (behind() < 60) {
      live++
      await rig.publish(...keys.map((number) => ({ number, revision: live })))
    }
  expect(await look(id)).toMatchObject({ state: 'done', counts: { succeeded: 60 } })
  await rig.until(allDone(120 + (live - 20) * 3), 30_000)
  expect(overlaps).toEqual([])
  expect(busy).toBe(0)
  const sent = erp.arrivals.slice(before).map(({ order }) => order)
  for (const number of keys) {
    const own = sent.filter((order) => order.number === number).map(({ revision }) => revision)
    const replayed = own.filter((revision) => revision <= 20)
    const fresh = own.filter((revision) => revision > 20)
    expect(replayed).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
    expect(fresh).toEqual(Array.from({ length: live - 20 }, (_, index) => index + 21))
  }
}, 60_000)

it('stops by itself when too many of its runs fail, is a problem, and goes on when it is resumed', async () => {
  const erp = new StubSystem({ name: 'erp' })
  await rig.startWorker([flowOn(erp)])
  await rig.publish(
    ...orders(
      Array.from({ length: 200 }, (_, number) => `N${number}`),
      1,
    ),
  )
  await rig.until(allDone(200), 20_000)
  let broken = true
  erp.answer = ({ order }) => {
    if (broken && Number(order.number.slice(1)) >= 11 && order.revision === 1)
      throw new FinalError('no tax code')
  }
  const id = await begin({ keys: 'new' })
  await untilState(id, 'stopped')
  const stopped = await look(id)
  expect(plain(stopped.why, String)).toMatch(/^has stopped by itself: \d+ of \d+ runs of stage 3 failed$/)
  expect(stopped.counts.left).toBe(200 - 111)
  expect(stopped.counts.succeeded).toBe(11)
  expect((await rig.ask('listProblems')).items.map(({ code }) => code)).toContain('replay.stopped')
  expect((await rig.ask('listAudit')).items[0]).toMatchObject({ actor: 'busbar', verb: 'stop' })
  const failed = await rig.ask('getReplay', { id, outcome: 'failed', limit: 1 })
  expect(failed.items[0]).toMatchObject({ state: 'parked', message: 'no tax code' })
  broken = false
  await rig.ask('resumeReplay', { id, reason: 'tax codes are there' })
  await rig.ask('retryRuns', { flow: 'erp' })
  await untilState(id, 'done')
  await rig.until(async () => (await rig.ask('status')).open.parked === 0)
  await rig.until(allDone(400), 20_000)
  const { counts } = await look(id)
  expect(counts.recovered).toBe(counts.failed)
  expect(counts.succeeded + counts.failed).toBe(200)
}, 60_000)

it('can be paused, resumed and cancelled; what was begun goes on', async () => {
  const erp = new StubSystem({ name: 'erp' })
  await rig.startWorker([flowOn(erp)])
  await rig.publish(
    ...orders(
      Array.from({ length: 300 }, (_, number) => `N${number}`),
      1,
    ),
  )
  await rig.until(allDone(300), 20_000)
  const id = await begin({ keys: 'new', rate: 100, ramp: [] })
  await rig.until(async () => (await look(id)).counts.succeeded >= 20)
  expect(await rig.ask('pauseReplay', { id, reason: 'month end' })).toMatchObject({ state: 'paused' })
  const { counts } = await look(id)
  await rig.until(allDone(600 - counts.left))
  expect((await look(id)).counts.left).toBe(counts.left)
  expect(plain((await look(id)).why, String)).toBe('is paused; what was begun goes on')
  await rig.ask('resumeReplay', { id })
  await rig.until(async () => (await look(id)).counts.left < counts.left)
  const cancelled = await rig.ask('cancelReplay', { id })
  expect(cancelled).toMatchObject({ state: 'cancelled', counts: { left: 0 } })
  expect(await rig.refused('resumeReplay', { id })).toMatchObject({ status: 409, code: 'act.refused' })
  const { items } = await rig.ask('getReplay', { id, limit: 200 })
  expect(items.every(({ outcome }) => outcome !== 'left')).toBe(true)
})

it('keeps the limits of its systems, and waits while one is paused', async () => {
  const erp = new StubSystem({ name: 'erp', limits: { concurrency: 3 } })
  erp.answer = () => new Promise((resolve) => setTimeout(resolve, 3))
  await rig.startWorker([flowOn(erp)])
  await rig.publish(
    ...orders(
      Array.from({ length: 120 }, (_, number) => `N${number}`),
      1,
    ),
  )
  await rig.until(allDone(120), 20_000)
  await rig.ask('pauseSystem', { name: 'erp' })
  await rig.until(async () => (await rig.ask('getSystem', { name: 'erp' })).standing === 'paused')
  await new Promise((resolve) => setTimeout(resolve, 1_500)) // workers look at systems once a second
  const id = await begin({ keys: 'new', ramp: [] })
  await rig.until(async () => (await look(id)).counts.underWay > 0)
  await new Promise((resolve) => setTimeout(resolve, 600))
  expect(erp.arrivals).toHaveLength(120)
  await rig.ask('resumeSystem', { name: 'erp' })
  await untilState(id, 'done')
  expect(erp.mostInFlight).toBe(3)
  expect(erp.arrivals).toHaveLength(240)
})

describe('a plan', () => {
  let target: Server
  let requests: { url: string; body: string }[]
  beforeEach(async () => {
    requests = []
    target = createServer((incoming, response) => {
      let body = ''
      incoming.on('data', (chunk: Buffer) => (body += chunk.toString()))
      incoming.on('end', () => {
        requests.push({ url: incoming.url ?? '', body })
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(incoming.url === '/token' ? '{"access_token":"t","expires_in":3600}' : '{"id":"S-1"}')
      })
    })
    await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  })
  afterEach(() => {
    target.closeAllConnections()
    return new Promise((resolve) => target.close(resolve))
  })
  const systemAt = (name: string) => {
    const baseUrl = `http://127.0.0.1:${(target.address() as AddressInfo).port}`
    const auth = clientCredentials({ tokenUrl: `${baseUrl}/token`, clientId: 'a', clientSecret: 'b' })
    return httpSystem({ name, baseUrl, auth, idempotency: { keyLife: '1h' } })
  }

  it('counts, and shows field by field what the mapping would send now, sending nothing', async () => {
    const erp = systemAt('erp')
    const flow = (tax: object, capture: boolean) =>
      defineFlow('erp', { start: 'beginning', capture })
        .on(orderPlaced)
        .step('sale', erp, {
          run: ({ event, call }) =>
            call.post(`/sales/${event.data.number}`, { revision: event.data.revision, ...tax }),
        })
    const before = await rig.startWorker([flow({ tax: 'none' }, true)])
    await rig.publish(...orders(['A', 'B'], 2))
    await rig.until(allDone(4))
    await before.stop()
    await rig.startWorker([flow({ tax: 'DE19' }, false)])
    await rig.publish({ number: 'C', revision: 1 })
    await rig.until(allDone(5))
    await rig.sql(`UPDATE runs SET first_at = first_at - interval '2 hours' WHERE seq <= 2`)
    const sent = requests.length
    const plan = await rig.ask('planReplay', {
      flow: 'erp',
      all: true,
      keys: 'same',
      reason: 'tax was missing',
    })
    expect(requests).toHaveLength(sent)
    expect(plan).toMatchObject({
      state: 'planned',
      total: 5,
      plan: {
        events: 5,
        objects: 3,
        firstObjects: ['A', 'B', 'C'],
        states: { succeeded: 5 },
        edited: 0,
        keyLives: [{ system: 'erp', lifeMs: 3_600_000, passed: 2 }],
      },
    })
    const steps = plan.preview.map(({ seq, key, steps: [step] }) => ({
      seq,
      key,
      result: step?.result,
      differences: step?.differences,
    }))
    const changed = { result: 'changed', differences: [{ field: '/tax', before: 'none', now: 'DE19' }] }
    expect(steps).toEqual([
      { seq: 1, key: 'A', ...changed },
      { seq: 2, key: 'B', ...changed },
      { seq: 3, key: 'A', ...changed },
      { seq: 4, key: 'B', ...changed },
      { seq: 5, key: 'C', result: 'not-recorded', differences: [] },
    ])
    expect(plan.preview[4]?.steps[0]?.request).toContain('POST /sales/C\n')
    expect(await rig.ask('compareReplay', { id: plan.id })).toEqual({ preview: plan.preview })
    expect(requests).toHaveLength(sent)
    const two = await rig.ask('planReplay', { flow: 'erp', key: 'A', keys: 'new', sample: 1, reason: 'x' })
    expect(two.preview).toHaveLength(1)
    expect((await rig.ask('listReplays')).items.map(({ id }) => id)).toEqual([two.id, plan.id])
    await rig.ask('cancelReplay', { id: two.id })
    expect(await rig.refused('compareReplay', { id: two.id })).toMatchObject({ code: 'act.refused' })
    expect(await rig.refused('compareReplay', { id: 99 })).toMatchObject({ code: 'request.not-found' })
  })

  it('of several steps gives each the results that were stored, and says what it cannot know', async () => {
    const erp = systemAt('erp')
    const accounting = systemAt('accounting')
    const other = new StubSystem({ name: 'other' })
    const flow = defineFlow('erp', { start: 'beginning' })
      .on(orderPlaced)
      .step('sale', erp, { run: ({ event, call }) => call.post<{ id: string }>('/sales', event.data) })
      .step('invoice', accounting, {
        after: ['sale'],
        run: ({ results, call }) => call.post('/invoices', { sale: results.sale.id }),
      })
      .step('large', erp, {
        after: ['sale'],
        when: ({ event }) => event.data.revision > 100,
        run: ({ call }) => call.post('/large'),
      })
      .step('told', other.system, { after: ['sale'], run: ({ event, call }) => call.send(event.data) })
    await rig.startWorker([flow])
    await rig.publish({ number: 'A', revision: 1 })
    await rig.until(allDone(1))
    const [sent, told] = [requests.length, other.arrivals.length]
    const plan = await rig.ask('planReplay', { flow: 'erp', all: true, keys: 'new', reason: 'x' })
    expect([requests.length, other.arrivals.length]).toEqual([sent, told])
    const steps = Object.fromEntries((plan.preview[0]?.steps ?? []).map((step) => [step.step, step]))
    expect(steps['sale']).toMatchObject({ result: 'not-recorded' })
    expect(steps['invoice']?.request).toMatch(/^POST \/invoices\n[\s\S]*\n\n\{"sale":"S-1"\}$/)
    expect(steps['large']).toMatchObject({ result: 'skipped', request: null })
    expect(steps['told']).toMatchObject({
      result: 'not-shown',
      why: 'the connector of other cannot be kept from sending',
    })
  })

  it('is refused without a filter, without a choice of keys, of nothing, of an open run, and without the flow’s code', async () => {
    const erp = new StubSystem({ name: 'erp' })
    await rig.startWorker([flowOn(erp)])
    await rig.publish({ number: 'A', revision: 1 })
    await rig.until(allDone(1))
    const wanted = { flow: 'erp', keys: 'same', reason: 'x' }
    const fault = async (input: object) => {
      const { status, errors } = await rig.refused('planReplay', input)
      return `${status} ${errors?.[0]?.pointer}: ${errors?.[0]?.message}`
    }
    expect(await fault(wanted)).toMatch('422 /body/all: without a filter every event would be replayed')
    expect(await fault({ ...wanted, all: true, key: 'A' })).toMatch(
      '422 /body/all: all does not go with a filter',
    )
    expect(await fault({ ...wanted, keys: undefined, all: true })).toMatch(
      '422 /body/keys: "same" sends the idempotency keys',
    )
    expect(await fault({ ...wanted, states: ['parked'] })).toMatch('422 /body/states/0: one of succeeded')
    expect(await fault({ ...wanted, types: ['order.gone'] })).toMatch(
      '422 /body/types: erp does not take "order.gone"',
    )
    expect(await fault({ ...wanted, key: 'Z' })).toMatch('422 /body: erp has run no such event')
    expect(await fault({ ...wanted, from: '2100-01-01T00:00:00Z' })).toMatch(
      '422 /body: erp has run no such event',
    )
    expect(await rig.refused('planReplay', { ...wanted, flow: 'none', all: true })).toMatchObject({
      status: 404,
    })
    await rig.startWorker([flowOn(new StubSystem({ name: 'shop' }))])
    expect(await rig.refused('planReplay', { ...wanted, all: true })).toMatchObject({
      status: 409,
      detail: expect.stringContaining('the code of flow erp is not in this process') as string,
    })
    expect(await rig.refused('startReplay', { id: 99 })).toMatchObject({ status: 404 })
  })
})
