import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CallError, FinalError } from '../errors.ts'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import { flowOn, orders, StubSystem } from '../../test/scenario/rig.ts'
import { plain } from './sentence.ts'

let rig: ControlRig
beforeEach(async () => {
  rig = await openControlRig()
})
afterEach(async () => {
  expect(rig.faults).toEqual([])
  await rig.close()
})

const stateOf = async (seq: number, flow = 'erp') => {
  const { items } = await rig.ask('listRuns', { flow })
  return items.find((run) => run.seq === seq)?.state
}
const audit = async () => (await rig.ask('listAudit')).items
const words = (sentence: Parameters<typeof plain>[0]) => plain(sentence, () => 'then')

/** Refuses the orders with these numbers until it is repaired. */
function refusing(...numbers: string[]): { erp: StubSystem; repair: () => void } {
  const erp = new StubSystem({ name: 'erp' })
  let broken = true
  erp.answer = ({ order }) => {
    if (broken && numbers.includes(order.number)) throw new FinalError('no tax code for XY')
  }
  return { erp, repair: () => (broken = false) }
}

describe('retry', () => {
  it('a parked run says why it is parked, and succeeds when it is retried after the repair', async () => {
    const { erp, repair } = refusing('A')
    await rig.startWorker([flowOn(erp)])
    const [seq] = await rig.publish({ number: 'A', revision: 1 })
    await rig.until(async () => (await stateOf(seq!)) === 'parked')

    const parked = await rig.ask('getRun', { flow: 'erp', seq: seq! })
    expect(words(parked.why)).toBe('needs a person: no tax code for XY')
    expect(parked.history).toMatchObject([
      { step: 'send', outcome: 'invalid', message: 'no tax code for XY' },
    ])
    expect(parked.lane).toMatchObject({ group: 'erp', key: 'A', head: { seq }, before: 0 })
    expect(parked.event.data).toEqual({ number: 'A', revision: 1 })

    repair()
    const act = { flow: 'erp', seq: seq!, reason: 'tax code added' }
    expect(await rig.ask('retryRun', act)).toEqual({
      flow: 'erp',
      seq,
      generation: 0,
      before: 'parked',
      after: 'retrying',
    })
    await rig.until(async () => (await stateOf(seq!)) === 'succeeded')
    expect(erp.arrivals.map(({ key }) => key)).toEqual([erp.arrivals[0]?.key, erp.arrivals[0]?.key])
    expect(await audit()).toMatchObject([
      {
        actor: 'local',
        verb: 'retry',
        object: `run erp/${seq}`,
        reason: 'tax code added',
        before: { state: 4 },
        after: { state: 2 },
      },
    ])
  })

  it('is refused for a run that its flow has not reached, that runs, that waits, that has ended, that is not there', async () => {
    const { erp } = refusing('A')
    const gate = Promise.withResolvers<void>()
    const answer = erp.answer
    erp.answer = async (arrival, context) => {
      if (arrival.order.number === 'B') await gate.promise
      return answer(arrival, context)
    }
    const flow = flowOn(erp)
    const worker = await rig.startWorker([flow])
    const [a1, a2, b1, c1] = await rig.publish(
      { number: 'A', revision: 1 },
      { number: 'A', revision: 2 },
      { number: 'B', revision: 1 },
      { number: 'C', revision: 1 },
    )
    await rig.until(async () => (await stateOf(a2!)) === 'waiting' && (await stateOf(c1!)) === 'succeeded')
    await rig.until(async () => (await stateOf(b1!)) === 'running')
    const refusal = async (seq: number, id: 'retryRun' | 'skipRun' = 'retryRun') => {
      const problem = await rig.refused(id, {
        flow: 'erp',
        seq,
        ...(id === 'skipRun' && { reason: 'because' }),
      })
      return `${problem.status} ${problem.code} ${problem.detail.replaceAll(/\d{4}-\S+Z/g, 'then')}`
    }
    expect(await refusal(a2!)).toBe(
      `409 act.refused run erp/${a2} cannot be retried while it is waiting: waits behind erp/${a1}, an earlier run of the same key that is parked and needs a person`,
    )
    expect(await refusal(b1!, 'skipRun')).toBe(
      `409 act.refused run erp/${b1} cannot be skipped while it is running: is being worked on since then by worker ${worker.id}`,
    )
    expect(await refusal(c1!)).toBe(
      `409 act.refused run erp/${c1} has ended and cannot be retried: succeeded then`,
    )
    gate.resolve()
    await rig.until(async () => (await stateOf(b1!)) === 'succeeded')
    await rig.ask('pauseGroup', { name: 'erp' })
    await worker.stop()
    const [d1] = await rig.publish({ number: 'D', revision: 1 })
    expect(await refusal(d1!)).toBe(
      `409 act.refused run erp/${d1} cannot be retried while it is pending: not reached yet: lane group erp is paused`,
    )
    expect(await rig.refused('getRun', { flow: 'erp', seq: d1 })).toMatchObject({
      status: 404,
      detail: `run erp/${d1} is pending: not reached yet: lane group erp is paused`,
    })
    expect(await refusal(999)).toBe(
      '404 request.not-found there is no run erp/999: no such flow or event, or the flow does not take it',
    )
    expect(await rig.refused('retryRun', { flow: 'nothing', seq: 1 })).toMatchObject({ status: 404 })
    expect(await rig.refused('retryRun', { flow: 'erp', seq: a1, generation: 3 })).toMatchObject({
      status: 404,
    })
    expect((await audit()).map(({ verb }) => verb)).toEqual(['pause'])
  })

  it('of many finds them by filter, a bounded number at a time, and writes an audit row for each', async () => {
    const { erp, repair } = refusing('A', 'B', 'C', 'D')
    await rig.startWorker([flowOn(erp)])
    await rig.publish(...orders(['A', 'B', 'C', 'D', 'E'], 1))
    const open = async () => (await rig.ask('status')).open
    await rig.until(async () => (await open()).parked === 4)

    expect(await rig.ask('retryRuns', { key: 'A', dryRun: true })).toEqual({
      matched: 1,
      retried: 0,
      refused: [],
      next: null,
    })
    expect(await rig.ask('retryRuns', { flow: 'other' })).toMatchObject({ matched: 0, next: null })
    expect(await audit()).toEqual([])
    repair()
    const { next, ...first } = await rig.ask('retryRuns', { system: 'erp', limit: 3, reason: 'repaired' })
    expect(first).toEqual({ matched: 3, retried: 3, refused: [] })
    expect(await rig.ask('retryRuns', { system: 'erp', cursor: next! })).toEqual({
      matched: 1,
      retried: 1,
      refused: [],
      next: null,
    })
    await rig.until(async () => (await open()).parked === 0 && erp.applied.size === 5)
    expect((await audit()).map(({ verb, reason }) => `${verb} ${reason}`)).toEqual([
      'retry null',
      'retry repaired',
      'retry repaired',
      'retry repaired',
    ])
  })

  it('by two people at once, beside the workers, loses nothing, doubles nothing and keeps the order of each key', async () => {
    const erp = new StubSystem({ name: 'erp' })
    const refusals = new Set<string>()
    erp.answer = ({ order, key }) => {
      if ((order.revision * 7 + Number(order.number)) % 3 > 0 || refusals.has(key)) return
      refusals.add(key)
      throw new FinalError('not yet')
    }
    const flow = flowOn(erp)
    for (const _ of ['one', 'two']) await rig.startWorker([flow])
    const numbers = Array.from({ length: 30 }, (_, index) => String(index))
    const work = orders(numbers, 8)
    await rig.publish(...work)
    const person = async () => {
      await rig.ask('retryRuns', { limit: 20 })
      return erp.applied.size === work.length
    }
    await Promise.all([rig.until(person, 20_000), rig.until(person, 20_000)])
    for (const number of numbers) {
      const own = [...erp.applied.values()].filter(({ order }) => order.number === number)
      expect(own.map(({ order }) => order.revision)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    }
    expect(erp.arrivals).toHaveLength(work.length + refusals.size)
    expect(rig.errors).toEqual([])
    await rig.until(async () => Object.values((await rig.ask('status')).open).every((count) => count === 0))
    expect(await rig.sql('SELECT key FROM lanes')).toEqual([])
  })

  it('past doubt needs a person who says that it may double', async () => {
    const erp = new StubSystem({ name: 'erp', idempotency: 'none' })
    let silent = true
    erp.answer = () => {
      if (silent) throw new CallError({ class: 'unknown', message: 'no answer' })
    }
    await rig.startWorker([flowOn(erp)])
    const [seq] = await rig.publish({ number: 'A', revision: 1 })
    await rig.until(async () => (await stateOf(seq!)) === 'parked')
    const run = { flow: 'erp', seq: seq! }
    expect(words((await rig.ask('getRun', run)).why)).toMatch(/^needs a person: it is not known whether/)
    silent = false
    await rig.ask('retryRun', run)
    await rig.until(async () => (await stateOf(seq!)) === 'parked')
    expect(erp.arrivals).toHaveLength(1)
    await rig.ask('retryRun', { ...run, mayDouble: true, reason: 'nothing there' })
    await rig.until(async () => (await stateOf(seq!)) === 'succeeded')
    expect(erp.arrivals).toHaveLength(2)
    expect((await audit())[0]).toMatchObject({ verb: 'retry', after: { state: 2, mayDouble: true } })
  })
})

describe('skip', () => {
  it('needs a reason, ends the run for good, and lets the next of its lane go on', async () => {
    const { erp } = refusing('A')
    const answer = erp.answer
    erp.answer = (arrival, context) => (arrival.order.revision === 1 ? answer(arrival, context) : undefined)
    await rig.startWorker([flowOn(erp)])
    const [a1, a2] = await rig.publish(...orders(['A'], 2))
    await rig.until(async () => (await stateOf(a2!)) === 'waiting')
    expect(await rig.refused('skipRun', { flow: 'erp', seq: a1 })).toMatchObject({
      status: 422,
      code: 'request.invalid',
      errors: [{ pointer: '/body/reason' }],
    })
    expect(await rig.refused('skipRun', { flow: 'erp', seq: a1, reason: '  ' })).toMatchObject({
      status: 422,
    })
    await rig.ask('skipRun', { flow: 'erp', seq: a1!, reason: 'booked by hand' })
    await rig.until(async () => (await stateOf(a2!)) === 'succeeded')
    const run = await rig.ask('getRun', { flow: 'erp', seq: a1! })
    expect(run).toMatchObject({ state: 'skipped', reason: 'booked by hand', lane: null })
    expect(words(run.why)).toBe('skipped then: booked by hand')
    expect(await audit()).toMatchObject([{ verb: 'skip', object: `run erp/${a1}`, reason: 'booked by hand' }])
  })
})

describe('pause', () => {
  it('of a system holds what needs it until somebody resumes it, and says so', async () => {
    const erp = new StubSystem({ name: 'erp' })
    await rig.startWorker([flowOn(erp)])
    await rig.publish({ number: 'A', revision: 1 })
    await rig.until(() => erp.applied.size === 1)
    expect(await rig.ask('pauseSystem', { name: 'erp', reason: 'year end' })).toEqual({
      name: 'erp',
      paused: true,
    })
    const paused = await rig.ask('getSystem', { name: 'erp' })
    expect(paused).toMatchObject({ standing: 'paused', flows: ['erp'], problems: [] })
    expect(words(paused.why)).toBe('erp is paused since then, until somebody resumes it')

    await rig.ask('pauseSystem', { name: 'erp' })
    expect(await rig.ask('getSystem', { name: 'erp' })).toMatchObject({ changedAt: paused.changedAt })
    const status = await rig.ask('status')
    expect(status.ok).toBe(false)
    expect(words(status.sentence)).toBe(
      'Erp is paused since then, until somebody resumes it: nothing waits for it.',
    )

    await rig.ask('resumeSystem', { name: 'erp' })
    await rig.publish({ number: 'B', revision: 1 })
    await rig.until(() => erp.applied.size === 2)
    await rig.until(async () => (await rig.ask('status')).flows[0]?.pending === 0)
    expect(words((await rig.ask('status')).sentence)).toBe('All is well: 1 system connected, nothing waits.')
    expect((await audit()).map(({ verb, object, reason }) => [verb, object, reason])).toEqual([
      ['resume', 'system erp', null],
      ['pause', 'system erp', 'year end'],
    ])
  })

  it('of a lane group keeps its events in the log', async () => {
    const erp = new StubSystem({ name: 'erp' })
    const worker = await rig.startWorker([flowOn(erp)])
    await rig.ask('pauseGroup', { name: 'erp' })
    await worker.stop()
    await rig.startWorker([flowOn(erp)])
    const [seq] = await rig.publish(...orders(['A', 'B'], 1))
    const { items } = await rig.ask('listGroups')
    expect(items).toMatchObject([{ name: 'erp', paused: true, pending: 2, exact: true, flows: ['erp'] }])
    expect(items[0]?.oldestPendingAt).not.toBeNull()
    const event = await rig.ask('getEvent', { seq: seq! })
    expect(event.runs.map(({ state, why }) => `${state}: ${words(why)}`)).toEqual([
      'pending: not reached yet: lane group erp is paused',
    ])
    await rig.ask('resumeGroup', { name: 'erp' })
    await rig.until(() => erp.applied.size === 2)
    expect(await rig.refused('pauseGroup', { name: 'nothing' })).toMatchObject({ status: 404 })
    expect(await rig.refused('resumeSystem', { name: 'nothing' })).toMatchObject({ status: 404 })
  })
})

describe('a problem', () => {
  it('can be acknowledged, given to somebody, and ignored, each with its audit row', async () => {
    const { erp } = refusing('A')
    await rig.startWorker([flowOn(erp)])
    await rig.publish(...orders(['A'], 1))
    await rig.until(async () => (await rig.ask('listProblems')).items[0]?.parked === 1)
    const [{ fingerprint } = { fingerprint: '' }] = (await rig.ask('listProblems')).items
    const change = { fingerprint, state: 'acknowledged', owner: 'ada', note: 'asked the tax office' } as const
    expect(await rig.ask('changeProblem', change)).toMatchObject({ ...change, open: 1, parked: 1 })
    expect(await rig.ask('changeProblem', { fingerprint, note: null })).toMatchObject({
      ...change,
      note: null,
    })
    expect(await rig.ask('changeProblem', { fingerprint })).toMatchObject({ owner: 'ada' })
    await rig.ask('changeProblem', { fingerprint, state: 'ignored' })
    expect(await rig.ask('getProblem', { fingerprint })).toMatchObject({ state: 'ignored' })
    expect((await rig.ask('listProblems')).items).toEqual([])
    expect((await rig.ask('listProblems', { state: 'ignored' })).items).toHaveLength(1)
    expect((await audit()).map(({ verb, object }) => [verb, object])).toEqual(
      ['ignore', 'note', 'acknowledge'].map((verb) => [verb, `problem ${fingerprint}`]),
    )
    expect(await rig.refused('changeProblem', { fingerprint: 'none', note: 'x' })).toMatchObject({
      status: 404,
    })
    expect(await rig.refused('changeProblem', { fingerprint, state: 'resolved' })).toMatchObject({
      status: 422,
    })
  })
})
