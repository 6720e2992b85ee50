/** Acts of a person at moments at which not everything fits, with a worker on real PostgreSQL. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FinalError } from '../index.ts'
import { defineFlow } from '../define/flow.ts'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import { flowOn, orderPlaced, StubSystem } from '../../test/scenario/rig.ts'

let rig: ControlRig
let erp: StubSystem
let depot: StubSystem

beforeEach(async () => {
  rig = await openControlRig()
  erp = new StubSystem({ name: 'erp' })
  depot = new StubSystem({ name: 'depot' })
})
afterEach(() => rig.close())

const refuse = () => {
  throw new FinalError('no such article')
}
async function until(seq: number, state: string, flow = 'o2c'): Promise<void> {
  await rig.until(async () => {
    const { items } = await rig.ask('listRuns', { flow })
    return items.some((run) => run.seq === seq && run.state === state)
  })
}
const stateOf = async (flow: string, seq: number) => (await rig.ask('getRun', { flow, seq })).state
const lastAct = async () => (await rig.ask('listAudit')).items[0]

/** A sale, the approval of a lead, a shipment. */
function approved(timeout: { timeout?: string } = {}) {
  return defineFlow('o2c', { start: 'beginning' })
    .on(orderPlaced)
    .step('sale', erp.system, {
      run: ({ event, call }) => call.send(event.data),
      undo: ({ event, call }) => call.verify(event.data),
    })
    .approve('lead', { role: 'lead', after: ['sale'], ...(timeout as object) })
    .step('shipment', depot.system, { after: ['lead'], run: ({ event, call }) => call.send(event.data) })
}

describe('an approval that has failed', () => {
  it('is still given after its time, as long as the run is parked on it', async () => {
    await rig.startWorker([approved({ timeout: '50ms' })])
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await until(seq, 'parked')
    await rig.ask('approveStep', { flow: 'o2c', seq, step: 'lead', note: 'was ill' })
    expect(await lastAct()).toMatchObject({
      ...{ actor: 'local', verb: 'approve', object: `step lead of run o2c/${seq}` },
      before: { state: 4, code: 'step.timed-out' },
      after: { state: 10, data: expect.stringContaining('was ill') as string },
    })
    await until(seq, 'succeeded')
    expect([erp.sends, depot.sends]).toEqual([['A1'], ['A1']])
  })

  it('is given by one who has refused it first', async () => {
    await rig.startWorker([approved()])
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await until(seq, 'waiting')
    await rig.ask('refuseStep', { flow: 'o2c', seq, step: 'lead', reason: 'not creditworthy' })
    expect(await lastAct()).toMatchObject({
      ...{ verb: 'refuse', reason: 'not creditworthy' },
      before: { state: 1 },
      after: { state: 4 },
    })
    await until(seq, 'parked')
    await rig.ask('approveStep', { flow: 'o2c', seq, step: 'lead' })
    await until(seq, 'succeeded')
  })

  it('is not given any more once what was done is being undone', async () => {
    erp.answer = ({ kind }) => (kind === 'verify' ? refuse() : undefined)
    await rig.startWorker([approved({ timeout: '50ms' })])
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await until(seq, 'parked')
    await rig.ask('compensateRun', { flow: 'o2c', seq, reason: 'cancelled' })
    await rig.until(
      async () => (await rig.ask('getRun', { flow: 'o2c', seq })).steps[0]?.state === 'undo-failed',
    )
    await until(seq, 'parked')
    const { detail } = await rig.refused('approveStep', { flow: 'o2c', seq, step: 'lead' })
    expect(detail).toMatch(/being undone/)
  })

  it('is no second one, and none for a run that is not parked on it', async () => {
    depot.answer = refuse
    await rig.startWorker([approved()])
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await until(seq, 'waiting')
    await rig.ask('approveStep', { flow: 'o2c', seq, step: 'lead' })
    await until(seq, 'parked')
    const { detail } = await rig.refused('approveStep', { flow: 'o2c', seq, step: 'lead' })
    expect(detail).toMatch(/does not wait for a decision/)
  })
})

describe('a run that waits behind another', () => {
  it('goes on waiting when a step of it is edited, and is sent so in its turn', async () => {
    erp.answer = ({ order }) => (order.revision === 1 ? refuse() : undefined)
    await rig.startWorker([flowOn(erp)])
    const [first = 0, second = 0] = await rig.publish(
      { number: 'A', revision: 1 },
      { number: 'A', revision: 2 },
    )
    await until(first, 'parked', 'erp')
    await until(second, 'waiting', 'erp')
    const edited = { step: 'send', data: { number: 'A', revision: 9 }, reason: 'by telephone' }
    expect(await rig.ask('editStep', { flow: 'erp', seq: second, ...edited })).toMatchObject({
      state: 'waiting',
    })
    expect(await stateOf('erp', second)).toBe('waiting')
    await rig.ask('skipRun', { flow: 'erp', seq: first, reason: 'wrong' })
    await until(second, 'succeeded', 'erp')
    expect(erp.sends).toEqual(['A1', 'A9'])
  })

  it('goes on waiting for numbers before its own', async () => {
    await rig.startWorker([flowOn(erp, { ordering: { by: 'sequence', field: ({ revision }) => revision } })])
    const [, third = 0] = await rig.publish({ number: 'A', revision: 1 }, { number: 'A', revision: 3 })
    await rig.until(async () => (await rig.sql('SELECT FROM runs WHERE awaits = $1', ['gap'])).length === 1)
    const before = await rig.sql('SELECT awaits, next_at, state, system FROM runs WHERE seq = $1', [third])
    await rig.ask('editStep', { flow: 'erp', seq: third, step: 'send', data: { number: 'A', revision: 9 } })
    expect(await rig.sql('SELECT awaits, next_at, state, system FROM runs WHERE seq = $1', [third])).toEqual(
      before,
    )
    await rig.publish({ number: 'A', revision: 2 })
    await until(third, 'succeeded', 'erp')
    expect(erp.sends).toEqual(['A1', 'A2', 'A9'])
  })
})

describe('a flow of one step', () => {
  it('is gone on without its step when a person leaves it out: the next run of the key follows', async () => {
    erp.answer = ({ order }) => (order.revision === 1 ? refuse() : undefined)
    await rig.startWorker([flowOn(erp)])
    const [first = 0, second = 0] = await rig.publish(
      { number: 'A', revision: 1 },
      { number: 'A', revision: 2 },
    )
    await until(first, 'parked', 'erp')
    await rig.ask('skipStep', { flow: 'erp', seq: first, step: 'send', reason: 'a gift' })
    expect(await lastAct()).toMatchObject({
      ...{ actor: 'local', verb: 'skip', object: `step send of run erp/${first}`, reason: 'a gift' },
      before: { state: null, result: null, input: null, inDoubt: false },
      after: { state: 11, data: null },
    })
    await until(first, 'succeeded', 'erp')
    await until(second, 'succeeded', 'erp')
    expect(erp.sends).toEqual(['A1', 'A2'])
    const { steps } = await rig.ask('getRun', { flow: 'erp', seq: first })
    expect(steps).toMatchObject([{ name: 'send', state: 'skipped', reason: 'a gift' }])
  })
})

describe('a compensation that is refused', () => {
  it('leaves nothing in the row of a run that has ended, nor a lane', async () => {
    await rig.startWorker([flowOn(erp)])
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await until(seq, 'succeeded', 'erp')
    expect((await rig.refused('compensateRun', { flow: 'erp', seq, reason: 'x' })).code).toBe('act.refused')
    expect(await rig.sql('SELECT grp, key, khash, ord, lord FROM runs')).toEqual([
      { grp: null, key: null, khash: null, ord: null, lord: null },
    ])
    expect(await rig.sql('SELECT FROM lanes')).toEqual([])
  })
})
