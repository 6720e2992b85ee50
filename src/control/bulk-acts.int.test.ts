import { fork } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defineFlow } from '../define/flow.ts'
import { FinalError, RetryableError } from '../errors.ts'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import { databaseUrl, flowOn, orderPlaced, orders, StubSystem } from '../../test/scenario/rig.ts'
import { BulkActs } from '../hub/bulk-acts.ts'
import { plain } from './sentence.ts'

let rig: ControlRig
let driver: BulkActs
beforeEach(async () => {
  rig = await openControlRig()
  driver = new BulkActs({ database: rig.database, onError: (error) => rig.errors.push(error) })
})
afterEach(async () => {
  await driver.stop()
  expect(rig.faults).toEqual([])
  await rig.close()
})

const words = (sentence: Parameters<typeof plain>[0]) => plain(sentence, () => 'then')
const names = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `SO-${from + index}`)

/** So many orders of one cause are parked; `mend` repairs all but those that are named. */
async function broken(count: number, options: { readonly concurrency?: number } = {}) {
  const erp = new StubSystem({ name: 'erp', limits: { concurrency: options.concurrency ?? 4 } })
  let refuses = (_number: string) => true
  erp.answer = ({ order }) => {
    if (refuses(order.number)) throw new FinalError(`no tax code for order ${order.number}`)
  }
  await rig.startWorker([flowOn(erp)])
  await rig.publish(...orders(names(1, count), 1))
  await rig.until(async () => (await rig.ask('status')).open.parked === count, 20_000)
  const { items } = await rig.ask('listProblems')
  erp.arrivals.length = 0
  return {
    erp,
    fingerprint: items[0]!.fingerprint,
    mend: (...but: string[]) => (refuses = (number) => but.includes(number)),
  }
}

const act = (id: number) => rig.ask('getBulkAct', { id, limit: 200 })
const ended = (id: number) =>
  rig.until(async () => !['running', 'planned'].includes((await act(id)).state), 30_000)
const outcomes = async (id: number) => (await act(id)).items.map(({ key, outcome }) => `${key} ${outcome}`)

describe('a plan', () => {
  it('counts and says what is sent and what not, and does nothing', async () => {
    const { fingerprint, erp } = await broken(3)
    const plan = await rig.ask('planBulkAct', {
      verb: 'retry',
      problem: fingerprint,
      reason: 'tax code added',
    })
    expect(plan).toMatchObject({
      state: 'planned',
      total: 3,
      ramp: [1, 10, 100],
      problem: { fingerprint, title: 'no tax code for order …' },
      stages: [
        { size: 1, state: 'next', maxFailed: 0 },
        { size: 2, state: 'next' },
      ],
      plan: {
        runs: 3,
        objects: 3,
        first: 'SO-1',
        states: { parked: 3 },
        flows: { erp: 3 },
        systems: [{ system: 'erp', runs: 3, standing: 'connected', perMinute: null }],
        inDoubt: 0,
        behind: 0,
      },
    })
    expect(words(plan.plan.tells)).toBe(
      '3 runs of 3 objects, in log order, each with the idempotency keys it had: a system that remembers them does nothing twice.',
    )
    driver.start()
    expect(erp.arrivals).toEqual([])
    expect((await rig.ask('listAudit')).items).toMatchObject([
      { verb: 'plan', object: `bulk act ${plan.id}` },
    ])
  })

  it('is refused without a selection, with two, of nothing, of what is not there, and for a skip without a reason', async () => {
    const { fingerprint } = await broken(1)
    const refusal = async (body: object) => {
      const { status, detail } = await rig.refused('planBulkAct', { verb: 'retry', ...body })
      return `${status} ${detail}`
    }
    expect(await refusal({})).toMatch(/^422 say which runs/)
    expect(await refusal({ problem: fingerprint, system: 'erp' })).toMatch(/^422 .*do not go together/)
    expect(await refusal({ key: 'SO-99' })).toMatch(/^422 no open run is like that/)
    expect(await refusal({ problem: 'nothing' })).toMatch(/^404 there is no problem nothing/)
    expect(await refusal({ flow: 'nothing' })).toMatch(/^404/)
    expect(await refusal({ verb: 'skip', problem: fingerprint })).toMatch(
      /^422 a skip of many runs needs a reason/,
    )
  })

  it('selects by filter, or the runs that are named', async () => {
    await broken(3)
    const { items } = await rig.ask('listRuns', { state: 'parked' })
    const total = async (body: object) => (await rig.ask('planBulkAct', { verb: 'retry', ...body })).total
    expect(await total({ system: 'erp' })).toBe(3)
    expect(await total({ flow: 'erp', states: ['retrying', 'parked'] })).toBe(3)
    expect(await total({ flow: 'erp', key: 'SO-2' })).toBe(1)
    expect(await total({ system: 'erp', key: 'SO-2', states: ['parked'] })).toBe(1)
    expect(await total({ key: 'SO-2', from: '2020-01-01T00:00:00Z' })).toBe(1)
    expect(
      await rig.refused('planBulkAct', { verb: 'retry', key: 'SO-2', to: '2020-01-01T00:00:00Z' }),
    ).toMatchObject({ status: 422 })
    expect(await total({ from: '2020-01-01T00:00:00Z' })).toBe(3)
    const [first, , third] = items
    expect(await total({ runs: [first, third].map((run) => ({ flow: 'erp', seq: run!.seq })) })).toBe(2)
  })
})

describe('a retry of many', () => {
  it('goes in log order, stage by stage, shows what became of each, and is audited', async () => {
    const { fingerprint, erp, mend } = await broken(16, { concurrency: 1 })
    mend()
    const { id } = await rig.ask('planBulkAct', {
      verb: 'retry',
      problem: fingerprint,
      ramp: [1, 5],
      reason: 'tax code added',
    })
    await rig.ask('startBulkAct', { id })
    driver.start()
    await ended(id)
    expect(await outcomes(id)).toEqual(names(1, 16).map((key) => `${key} succeeded`))
    const done = await act(id)
    expect(done).toMatchObject({
      state: 'done',
      counts: { left: 0, underWay: 0, held: 0, succeeded: 16, failed: 0, moved: 0 },
      stages: [
        { size: 1, state: 'done', through: 1, failed: 0 },
        { size: 5, state: 'done', through: 5 },
        { size: 10, state: 'done', through: 10 },
      ],
    })
    expect(words(done.why)).toBe('16 of 16 are through: 16 succeeded.')
    const sends = erp.sends.map((each) => each.slice(0, -1))
    expect(sends[0]).toBe('SO-1')
    expect([...sends.slice(1, 6)].sort()).toEqual(names(2, 6).sort())
    expect(sends).toEqual(names(1, 16))
    const audit = (await rig.ask('listAudit')).items
    expect(audit.map(({ verb }) => verb).filter((verb) => verb === 'retry')).toHaveLength(16)
    expect(audit.find(({ verb }) => verb === 'retry')).toMatchObject({
      actor: 'local',
      reason: `tax code added (bulk act ${id})`,
    })
    expect(audit[0]).toMatchObject({ actor: 'busbar', verb: 'done', object: `bulk act ${id}` })
    await rig.sql(`UPDATE problems SET last_seen = last_seen - interval '1 min'`)
    await rig.sql('SELECT settle_problems()')
    const problem = await rig.ask('getProblem', { fingerprint })
    expect(problem).toMatchObject({ state: 'resolved', bulkAct: { id, verb: 'retry', state: 'done' } })
  })

  it('stops by itself when its first run fails again, says as which problem, and leaves the rest alone', async () => {
    const { fingerprint, erp } = await broken(5)
    const { id } = await rig.ask('planBulkAct', { verb: 'retry', problem: fingerprint })
    await rig.ask('startBulkAct', { id })
    driver.start()
    await ended(id)
    expect(await act(id)).toMatchObject({
      state: 'stopped',
      counts: { left: 4, failed: 1 },
      items: [{ key: 'SO-1', outcome: 'failed', state: 'parked', problem: fingerprint }, {}, {}, {}, {}],
    })
    expect(words((await act(id)).why)).toBe(
      '1 of 5 is through: 1 failed again. It has stopped by itself, because 1 of 1 run of stage 1 failed: see why, mend it, and resume, or cancel the rest.',
    )
    expect(erp.arrivals).toHaveLength(1)
  })

  it('goes on after a stop when it is resumed, and tolerates few failures in a large stage', async () => {
    const { fingerprint, mend } = await broken(30)
    const { id } = await rig.ask('planBulkAct', { verb: 'retry', problem: fingerprint, ramp: [1] })
    await rig.ask('startBulkAct', { id })
    driver.start()
    await ended(id)
    mend('SO-1', 'SO-7', 'SO-9')
    await rig.ask('resumeBulkAct', { id })
    await ended(id)
    expect(await act(id)).toMatchObject({ state: 'done', counts: { succeeded: 27, failed: 3 } })
    expect((await rig.ask('getBulkAct', { id, outcome: 'failed' })).items.map(({ key }) => key)).toEqual([
      'SO-1',
      'SO-7',
      'SO-9',
    ])
  })

  it('stops in a large stage when more than the share fails, and not before', async () => {
    const { fingerprint, erp, mend } = await broken(60, { concurrency: 1 })
    mend(...names(20, 60))
    const gate = Promise.withResolvers<void>()
    const answer = erp.answer
    erp.answer = async (arrival, context) => {
      if (Number(arrival.order.number.slice(3)) > 30) await gate.promise
      return answer(arrival, context)
    }
    const { id } = await rig.ask('planBulkAct', {
      verb: 'retry',
      problem: fingerprint,
      ramp: [1, 40],
      maxErrors: 0.2,
    })
    await rig.ask('startBulkAct', { id })
    driver.start()
    await ended(id)
    gate.resolve()
    const { state, counts } = await act(id)
    expect(state).toBe('stopped')
    expect(counts).toMatchObject({ succeeded: 19, left: 19 })
    expect(counts.failed).toBeGreaterThan(4)
  })

  it('leaves alone what somebody else has acted on meanwhile, and what has another problem now', async () => {
    const { fingerprint, erp, mend } = await broken(4)
    const { id } = await rig.ask('planBulkAct', { verb: 'retry', problem: fingerprint })
    const { items } = await rig.ask('listProblemRuns', { fingerprint })
    const run = (key: string) => items.find((each) => each.key === key)!
    mend('SO-3')
    await rig.ask('skipRun', { flow: 'erp', seq: run('SO-2').seq, reason: 'by hand' })
    erp.answer = ({ order }) => {
      if (order.number === 'SO-3') throw new FinalError('the customer is blocked')
    }
    await rig.ask('retryRun', { flow: 'erp', seq: run('SO-3').seq })
    await rig.until(async () => (await rig.ask('listProblems')).items.length === 2)
    await rig.ask('retryRun', { flow: 'erp', seq: run('SO-4').seq })
    await rig.until(() => erp.applied.size === 1)
    erp.arrivals.length = 0
    await rig.ask('startBulkAct', { id })
    driver.start()
    await ended(id)
    expect(await outcomes(id)).toEqual(['SO-1 succeeded', 'SO-2 moved', 'SO-3 moved', 'SO-4 moved'])
    expect(erp.sends).toEqual(['SO-11'])
    expect((await act(id)).state).toBe('done')
  })

  it('is paused, resumed and cancelled by a person; what was begun goes on', async () => {
    const { fingerprint, erp, mend } = await broken(12)
    mend()
    const gate = Promise.withResolvers<void>()
    const answer = erp.answer
    erp.answer = async (arrival, context) => {
      if (arrival.order.number !== 'SO-1') await gate.promise
      return answer(arrival, context)
    }
    const { id } = await rig.ask('planBulkAct', { verb: 'retry', problem: fingerprint, ramp: [1, 3, 3] })
    await rig.ask('startBulkAct', { id })
    driver.start()
    await rig.until(() => erp.inFlight === 3)
    await rig.ask('pauseBulkAct', { id, reason: 'lunch' })
    gate.resolve()
    await rig.until(async () => (await act(id)).counts.succeeded === 4)
    expect(await act(id)).toMatchObject({ state: 'paused', counts: { left: 8, underWay: 0 } })
    await rig.ask('resumeBulkAct', { id })
    await rig.until(async () => (await act(id)).counts.succeeded >= 7)
    await rig.ask('cancelBulkAct', { id, reason: 'enough' })
    const cancelled = await act(id)
    expect(cancelled.state).toBe('cancelled')
    expect(await rig.refused('resumeBulkAct', { id })).toMatchObject({ status: 409, code: 'act.refused' })
    await rig.until(async () => (await act(id)).counts.underWay === 0)
    const { counts } = await act(id)
    expect(counts.succeeded + counts.left).toBe(12)
  })

  it('waits while its system is cut off, uses nothing up, and goes on when it answers', async () => {
    const { fingerprint, erp, mend } = await broken(3)
    mend()
    await rig.ask('pauseSystem', { name: 'erp' })
    const { id, plan } = await rig.ask('planBulkAct', { verb: 'retry', problem: fingerprint })
    expect(words(plan.tells)).toMatch(/erp is paused: its runs are sent when it answers\.$/)
    await rig.ask('startBulkAct', { id })
    driver.start()
    await rig.until(async () => (await act(id)).counts.underWay === 1)
    expect(erp.arrivals).toEqual([])
    await rig.ask('resumeSystem', { name: 'erp' })
    await ended(id)
    expect((await act(id)).counts.succeeded).toBe(3)
  })

  it('says which run an item stands behind, and that the next stage waits for it', async () => {
    const erp = new StubSystem({ name: 'erp' })
    erp.answer = () => {
      throw new FinalError('no tax code')
    }
    await rig.startWorker([flowOn(erp, { onParked: 'continue' })])
    const [earlier = 0, later = 0] = await rig.publish(...orders(['SO-1'], 2), ...orders(['SO-2'], 1))
    await rig.until(async () => (await rig.ask('status')).open.parked === 3, 20_000)
    const gate = Promise.withResolvers<void>()
    erp.answer = () => {
      throw new RetryableError('the tax service is away', { retryAfterMs: 3_600_000 })
    }
    await rig.ask('retryRun', { flow: 'erp', seq: earlier })
    const inAnHour = `SELECT FROM runs WHERE seq = $1 AND state = 2 AND next_at > clock_timestamp() + interval '30 min'`
    await rig.until(async () => (await rig.sql(inAnHour, [earlier])).length === 1)
    erp.answer = () => gate.promise
    const { id } = await rig.ask('planBulkAct', { verb: 'retry', states: ['parked'], flow: 'erp', ramp: [1] })
    await rig.ask('startBulkAct', { id })
    driver.start()
    await rig.until(async () => (await act(id)).counts.behind === 1)
    const waits = await act(id)
    expect(waits).toMatchObject({
      state: 'running',
      counts: { left: 1, underWay: 1, behind: 1 },
      items: [
        { seq: later, outcome: 'begun', behind: { flow: 'erp', seq: earlier, state: 'retrying' } },
        { key: 'SO-2', outcome: 'left', behind: null },
      ],
    })
    const told = `SO-1 waits behind erp/${earlier}, an earlier run of the same key that tries again then.`
    expect(words(waits.why)).toBe(
      `0 of 2 are through: 1 behind an earlier run. ${told} The next 1 follow when these 1 are through, unless more than 0 fail.`,
    )
    expect((await rig.ask('listBulkActs')).items).toMatchObject([{ id, counts: { behind: 1 } }])
    await rig.ask('retryRun', { flow: 'erp', seq: earlier })
    await rig.until(() => erp.inFlight === 1)
    expect((await act(id)).counts.behind).toBe(0) // its turn comes
    gate.resolve()
    await ended(id)
    expect((await act(id)).counts).toMatchObject({ succeeded: 2, behind: 0 })
  })

  it('of one problem runs once at a time', async () => {
    const { fingerprint } = await broken(1)
    const body = { verb: 'retry', problem: fingerprint } as const
    const [one, two] = [await rig.ask('planBulkAct', body), await rig.ask('planBulkAct', body)]
    await rig.ask('startBulkAct', { id: one.id })
    expect(await rig.refused('startBulkAct', { id: two.id })).toMatchObject({ status: 409 })
    expect(await rig.ask('startBulkAct', { id: one.id })).toMatchObject({ state: 'running' })
  })
})

describe('a skip of many', () => {
  it('ends them for good with the reason, in stages, without sending anything', async () => {
    const { fingerprint, erp } = await broken(13)
    const { id, plan } = await rig.ask('planBulkAct', {
      verb: 'skip',
      problem: fingerprint,
      reason: 'booked by hand',
    })
    expect(words(plan.tells)).toMatch(/^13 runs of 13 objects end for good .* nothing is sent\.$/)
    await rig.ask('startBulkAct', { id })
    driver.start()
    await ended(id)
    expect(await act(id)).toMatchObject({ state: 'done', counts: { succeeded: 13 } })
    expect(erp.arrivals).toEqual([])
    const { items } = await rig.ask('listRuns', { state: 'skipped' })
    expect(items.map(({ reason }) => reason)).toEqual(items.map(() => `booked by hand (bulk act ${id})`))
  })
})

describe('a compensation of many', () => {
  it('leaves alone what has nothing to undo', async () => {
    const { fingerprint } = await broken(2)
    const { id } = await rig.ask('planBulkAct', {
      verb: 'compensate',
      problem: fingerprint,
      reason: 'cancelled',
    })
    await rig.ask('startBulkAct', { id })
    driver.start()
    await ended(id)
    expect(await outcomes(id)).toEqual(['SO-1 unfit', 'SO-2 unfit'])
  })
})

describe('a compensation of many runs of several steps', () => {
  it('undoes what each has done, last step first, stops at an undo that fails, and goes on when it is mended', async () => {
    const [erp, accounting] = ['erp', 'accounting'].map((name) => new StubSystem({ name })) as [
      StubSystem,
      StubSystem,
    ]
    const shipping = new StubSystem({ name: 'shipping' })
    const flow = defineFlow('o2c', { start: 'beginning' })
      .on(orderPlaced)
      .step('sale', erp.system, {
        run: ({ event, call }) => call.send(event.data),
        undo: ({ event, call }) => call.verify(event.data),
      })
      .step('invoice', accounting.system, {
        after: ['sale'],
        run: ({ event, call }) => call.send(event.data),
        undo: ({ event, call }) => call.verify(event.data),
      })
      .step('shipment', shipping.system, {
        after: ['invoice'],
        run: ({ event, call }) => call.send(event.data),
      })
    shipping.answer = () => {
      throw new FinalError('no such address')
    }
    await rig.startWorker([flow])
    await rig.publish(...orders(names(1, 12), 1))
    await rig.until(async () => (await rig.ask('status')).open.parked === 12, 20_000)
    const [problem] = (await rig.ask('listProblems')).items
    const undone = (system: StubSystem) =>
      system.arrivals.filter(({ kind }) => kind === 'verify').map(({ order }) => order.number)
    erp.answer = ({ kind, order }) => {
      if (kind === 'verify' && order.number === 'SO-1') throw new FinalError('the sale is closed')
    }
    const { id, plan } = await rig.ask('planBulkAct', {
      verb: 'compensate',
      problem: problem!.fingerprint,
      ramp: [1, 4],
      reason: 'withdrawn',
    })
    expect(plan).toMatchObject({ runs: 12, doneSteps: 24 })
    await rig.ask('startBulkAct', { id })
    driver.start()
    await ended(id)
    expect(await act(id)).toMatchObject({ state: 'stopped', counts: { failed: 1, left: 11, moved: 0 } })
    expect([undone(accounting), undone(erp)]).toEqual([['SO-1'], ['SO-1']])
    await rig.ask('resumeBulkAct', { id })
    await ended(id)
    expect(await act(id)).toMatchObject({
      state: 'done',
      counts: { left: 0, underWay: 0, succeeded: 11, failed: 1, moved: 0 },
    })
    expect(await outcomes(id)).toEqual(['SO-1 failed', ...names(2, 12).map((key) => `${key} compensated`)])
    expect(undone(accounting).sort()).toEqual(names(1, 12).sort())
    expect(undone(erp).sort()).toEqual(names(1, 12).sort())
    for (const number of names(2, 12)) {
      const at = (system: StubSystem) =>
        system.arrivals.find(({ kind, order }) => kind === 'verify' && order.number === number)!.at
      expect(at(accounting)).toBeLessThan(at(erp))
    }
    expect((await rig.ask('listRuns', { state: 'compensated', limit: 200 })).items).toHaveLength(11)
  })

  it('waits for an undo that is tried again later as for any other, and calls it failed', async () => {
    const erp = new StubSystem({ name: 'erp' })
    const accounting = new StubSystem({ name: 'accounting' })
    const flow = defineFlow('o2c', { start: 'beginning' })
      .on(orderPlaced)
      .step('sale', erp.system, {
        run: ({ event, call }) => call.send(event.data),
        undo: ({ event, call }) => call.verify(event.data),
      })
      .step('invoice', accounting.system, {
        after: ['sale'],
        run: ({ event, call }) => call.send(event.data),
      })
    accounting.answer = () => {
      throw new FinalError('no tax code')
    }
    await rig.startWorker([flow])
    await rig.publish(...orders(names(1, 3), 1))
    await rig.until(async () => (await rig.ask('status')).open.parked === 3, 20_000)
    erp.answer = ({ kind, order }) => {
      if (kind === 'verify' && order.number === 'SO-2')
        throw new RetryableError('locked', { retryAfterMs: 3_600_000 })
    }
    const { id } = await rig.ask('planBulkAct', {
      verb: 'compensate',
      flow: 'o2c',
      maxErrors: 0.9,
      ramp: [1],
      reason: 'withdrawn',
    })
    await rig.ask('startBulkAct', { id })
    driver.start()
    await ended(id)
    expect(await outcomes(id)).toEqual(['SO-1 compensated', 'SO-2 failed', 'SO-3 compensated'])
    expect((await act(id)).counts).toMatchObject({ succeeded: 2, failed: 1 })
    erp.answer = () => undefined
    const again = await rig.ask('planBulkAct', { verb: 'retry', flow: 'o2c' })
    expect(again.total).toBe(1)
    await rig.ask('startBulkAct', { id: again.id })
    await ended(again.id)
    expect(await outcomes(again.id)).toEqual(['SO-2 compensated'])
    expect((await act(again.id)).counts).toMatchObject({ succeeded: 1, moved: 0 })
    expect((await rig.ask('listRuns', { state: 'compensated' })).items).toHaveLength(3)
  })
})

describe('a retry of many runs that undo themselves when they fail', () => {
  it('calls those failed that are undone instead of done', async () => {
    const erp = new StubSystem({ name: 'erp' })
    const accounting = new StubSystem({ name: 'accounting' })
    const flow = (onFailure: 'park' | 'compensate') =>
      defineFlow('o2c', { start: 'beginning', onFailure })
        .on(orderPlaced)
        .step('sale', erp.system, {
          run: ({ event, call }) => call.send(event.data),
          undo: ({ event, call }) => call.verify(event.data),
        })
        .step('invoice', accounting.system, {
          after: ['sale'],
          run: ({ event, call }) => call.send(event.data),
        })
    accounting.answer = () => {
      throw new FinalError('no tax code')
    }
    const parks = await rig.startWorker([flow('park')])
    await rig.publish(...orders(['SO-1'], 1))
    await rig.until(async () => (await rig.ask('status')).open.parked === 1, 20_000)
    await parks.stop()
    await rig.startWorker([flow('compensate')])
    const { id } = await rig.ask('planBulkAct', { verb: 'retry', flow: 'o2c' })
    await rig.ask('startBulkAct', { id })
    driver.start()
    await ended(id)
    expect(await outcomes(id)).toEqual(['SO-1 failed'])
    expect((await act(id)).counts).toMatchObject({ failed: 1, moved: 0 })
  })
})

describe('a process that drives it', () => {
  it('may be killed: another goes on where it was, and no run is begun twice', async () => {
    const { fingerprint, erp, mend } = await broken(40)
    mend()
    const { id } = await rig.ask('planBulkAct', { verb: 'retry', problem: fingerprint, ramp: [1, 4, 10] })
    const child = fork(new URL('../../test/scenario/bulk-driver.ts', import.meta.url), [], {
      env: { ...process.env, BUSBAR_SCHEMA: rig.schema, BUSBAR_URL: databaseUrl },
    })
    await once(child, 'message')
    const gate = Promise.withResolvers<void>()
    const answer = erp.answer
    erp.answer = async (arrival, context) => {
      if (Number(arrival.order.number.slice(3)) > 5) await gate.promise
      return answer(arrival, context)
    }
    await rig.ask('startBulkAct', { id })
    await rig.until(() => erp.inFlight > 0 && erp.applied.size === 5)
    child.kill('SIGKILL')
    await once(child, 'exit')
    gate.resolve()
    driver.start()
    await ended(id)
    expect(await act(id)).toMatchObject({ state: 'done', counts: { succeeded: 40 } })
    expect(erp.arrivals).toHaveLength(40)
    expect(
      (await rig.ask('listAudit', { limit: 200 })).items.filter(({ verb }) => verb === 'retry'),
    ).toHaveLength(40)
  })

  it('shares the work with others without doing anything twice', async () => {
    const { fingerprint, erp, mend } = await broken(60)
    mend()
    const others = [1, 2, 3].map(
      () => new BulkActs({ database: rig.database, onError: (error) => rig.errors.push(error) }),
    )
    const { id } = await rig.ask('planBulkAct', { verb: 'retry', problem: fingerprint, ramp: [] })
    await rig.ask('startBulkAct', { id })
    for (const each of others) each.start()
    await ended(id)
    for (const each of others) await each.stop()
    expect((await act(id)).counts.succeeded).toBe(60)
    expect(erp.arrivals).toHaveLength(60)
    expect(rig.errors).toEqual([])
  })
})
