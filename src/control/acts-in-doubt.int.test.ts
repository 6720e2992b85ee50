/** What a person does to steps whose effect is not known, or is being undone, with a worker on real PostgreSQL. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CallError, FinalError } from '../index.ts'
import { defineFlow } from '../define/flow.ts'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import type { Answer } from '../../test/scenario/rig.ts'
import { flowOn, orderPlaced, StubSystem } from '../../test/scenario/rig.ts'

let rig: ControlRig
let erp: StubSystem
let accounting: StubSystem

beforeEach(async () => {
  rig = await openControlRig()
  erp = new StubSystem({ name: 'erp' })
  accounting = new StubSystem({ name: 'accounting', settle: '1ms', timeout: '2s' })
})
afterEach(() => rig.close())

const noAnswer = () => {
  throw new CallError({ class: 'unknown', message: 'no answer' })
}
const refuse = () => {
  throw new FinalError('no tax code')
}
async function until(seq: number, state: string, flow = 'o2c'): Promise<void> {
  await rig.until(async () => {
    const { items } = await rig.ask('listRuns', { flow })
    return items.some((run) => run.seq === seq && run.state === state)
  })
}
const lookUp = {
  find: ({ event, call }: { event: { data: never }; call: { find(order: never): Promise<unknown> } }) =>
    call.find(event.data),
} as object

/** The first send has no answer, `find` finds nothing, the next send is answered so. */
function lost(then: Answer): Answer {
  let sends = 0
  return (arrival, context) => {
    if (arrival.kind !== 'send') return undefined
    return ++sends === 1 ? noAnswer() : then(arrival, context)
  }
}
const corrected: Answer = ({ order }) => (order.revision === 7 ? undefined : refuse())

describe('a doubt that `find` has cleared', () => {
  it('no longer stands in the way of an edit, where what followed had a definite answer', async () => {
    accounting.answer = lost(corrected)
    await rig.startWorker([
      defineFlow('o2c', { start: 'beginning' })
        .on(orderPlaced)
        .step('sale', erp.system, { run: ({ event, call }) => call.send(event.data) })
        .step('invoice', accounting.system, {
          after: ['sale'],
          run: ({ event, call }) => call.send(event.data),
          ...lookUp,
        }),
    ])
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await until(seq, 'parked')
    expect(accounting.arrivals.map(({ kind }) => kind)).toEqual(['send', 'find', 'send'])
    const { steps } = await rig.ask('getRun', { flow: 'o2c', seq })
    expect(steps[1]).toMatchObject({ state: 'failed', inDoubt: false })
    await rig.ask('editStep', { flow: 'o2c', seq, step: 'invoice', data: { number: 'A', revision: 7 } })
    await until(seq, 'succeeded')
    expect(accounting.sends).toEqual(['A1', 'A1', 'A7'])
  })

  it('is gone in a flow of one step, too', async () => {
    accounting.answer = lost(corrected)
    await rig.startWorker([flowOn(accounting, { step: lookUp })])
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await until(seq, 'parked', 'accounting')
    await rig.ask('editStep', {
      ...{ flow: 'accounting', seq, step: 'send' },
      data: { number: 'A', revision: 7 },
    })
    await until(seq, 'succeeded', 'accounting')
  })

  it('is there again when what followed has an unknown outcome', async () => {
    accounting.answer = lost(noAnswer)
    await rig.startWorker([flowOn(accounting, { step: { ...lookUp, retry: { attempts: 2 } } })])
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await until(seq, 'parked', 'accounting')
    const refused = await rig.refused('editStep', {
      ...{ flow: 'accounting', seq, step: 'send' },
      data: { number: 'A', revision: 7 },
    })
    expect(refused.detail).toMatch(/nobody knows whether/)
  })

  it('is there as long as what followed is under way: a worker that is killed leaves it in doubt', async () => {
    let release: () => void = () => undefined
    accounting.answer = lost(() => new Promise<void>((resolve) => (release = resolve)))
    const first = await rig.startWorker([flowOn(accounting, { step: lookUp })], { leaseMs: 2_000 })
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await rig.until(() => accounting.sends.length === 2)
    await first.kill()
    release()
    accounting.answer = ({ kind }) => (kind === 'find' ? { id: 7 } : undefined)
    await rig.startWorker([flowOn(accounting, { step: lookUp })])
    await until(seq, 'succeeded', 'accounting')
    expect(accounting.arrivals.map(({ kind }) => kind)).toEqual(['send', 'find', 'send', 'find'])
  })
})

/** A sale, and an invoice for it; `verify` stands in for the request that takes back. */
function saleAndInvoice(invoice: object = {}) {
  return defineFlow('o2c', { start: 'beginning' })
    .on(orderPlaced)
    .step('sale', erp.system, {
      run: ({ event, call }) => call.send(event.data),
      undo: ({ event, call }) => call.verify(event.data),
    })
    .step('invoice', accounting.system, {
      after: ['sale'],
      run: ({ event, call }) => call.send(event.data).then(() => ({ revision: event.data.revision })),
      undo: ({ event, result, call }) =>
        call.verify({ number: event.data.number, revision: result.revision }),
      ...invoice,
    })
}
const undos = ({ arrivals }: StubSystem) =>
  arrivals.filter(({ kind }) => kind === 'verify').map(({ order }) => `${order.number}${order.revision}`)
const lastAct = async () => (await rig.ask('listAudit')).items[0]
const statesOf = async (seq: number) =>
  (await rig.ask('getRun', { flow: 'o2c', seq })).steps.map(({ state }) => state)

describe('a compensation that is stuck', () => {
  /** Done, then turned round: the undo of the invoice is refused. */
  async function stuck(): Promise<number> {
    accounting.answer = ({ kind }) => (kind === 'verify' ? refuse() : undefined)
    await rig.startWorker([saleAndInvoice()])
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await until(seq, 'succeeded')
    await rig.ask('compensateRun', { flow: 'o2c', seq, reason: 'cancelled' })
    await until(seq, 'parked')
    expect(await statesOf(seq)).toEqual(['done', 'undo-failed'])
    return seq
  }

  it('goes on with the next step when a person leaves one as it is', async () => {
    const seq = await stuck()
    await rig.ask('skipStep', { flow: 'o2c', seq, step: 'invoice', reason: 'cancelled there by hand' })
    expect(await lastAct()).toMatchObject({
      ...{ verb: 'skip', object: `step invoice of run o2c/${seq}`, reason: 'cancelled there by hand' },
      before: { state: 6, result: '{"revision":1}', code: 'call.invalid' },
      after: { state: 13 },
    })
    await until(seq, 'compensated')
    expect(await statesOf(seq)).toEqual(['undone', 'kept'])
    expect([undos(accounting), undos(erp)]).toEqual([['A1'], ['A1']])
  })

  it('tries the undo again, as before', async () => {
    const seq = await stuck()
    accounting.answer = () => undefined
    await rig.ask('retryRun', { flow: 'o2c', seq })
    await until(seq, 'compensated')
    expect(undos(accounting)).toEqual(['A1', 'A1'])
  })

  it('takes no edit, no approval, and no result of a step that has one', async () => {
    const seq = await stuck()
    const at = { flow: 'o2c', seq, step: 'invoice' }
    expect((await rig.refused('editStep', { ...at, data: {} })).detail).toMatch(/being undone/)
    const supplied = await rig.refused('supplyResult', { ...at, result: 1, reason: 'x' })
    expect(supplied.detail).toMatch(/what step invoice gave is known/)
    await rig.ask('skipStep', { ...at, reason: 'by hand' })
    await until(seq, 'compensated')
  })

  it('undoes a step in doubt once a person has said what it gave', async () => {
    accounting = new StubSystem({ name: 'accounting', idempotency: 'none', settle: '1ms', timeout: '2s' })
    accounting.answer = ({ kind }) => (kind === 'send' ? noAnswer() : undefined)
    await rig.startWorker([saleAndInvoice()])
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await until(seq, 'parked')
    await rig.ask('compensateRun', { flow: 'o2c', seq, reason: 'cancelled' })
    await rig.until(async () => (await statesOf(seq))[1] === 'undo-failed')
    await until(seq, 'parked')
    const supplied = { step: 'invoice', result: { revision: 4711 }, reason: 'found there' }
    await rig.ask('supplyResult', { flow: 'o2c', seq, ...supplied })
    expect(await lastAct()).toMatchObject({
      before: { state: 6, result: null, inDoubt: true },
      after: { state: 5, data: '{"revision":4711}' },
    })
    await until(seq, 'compensated')
    expect(await statesOf(seq)).toEqual(['undone', 'undone'])
    expect([undos(accounting), undos(erp)]).toEqual([['A4711'], ['A1']])
  })

  it('keeps what a person leaves before its turn has come', async () => {
    const seq = await stuck()
    await rig.ask('skipStep', { flow: 'o2c', seq, step: 'sale', reason: 'the sale stays' })
    await rig.until(async () => (await statesOf(seq))[0] === 'kept')
    await until(seq, 'parked')
    accounting.answer = () => undefined
    await rig.ask('retryRun', { flow: 'o2c', seq })
    await until(seq, 'compensated')
    expect([undos(erp), await statesOf(seq)]).toEqual([[], ['kept', 'undone']])
  })
})

describe('a retry that may double', () => {
  it('forgets the doubt of a step: it is sent again without a look', async () => {
    accounting = new StubSystem({ name: 'accounting', idempotency: 'none', settle: '1ms', timeout: '2s' })
    accounting.answer = noAnswer
    await rig.startWorker([saleAndInvoice()])
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await until(seq, 'parked')
    await rig.ask('retryRun', { flow: 'o2c', seq })
    await rig.until(
      async () => (await rig.ask('getRun', { flow: 'o2c', seq })).code === 'call.unknown-outcome',
    )
    await until(seq, 'parked')
    accounting.answer = () => undefined
    await rig.ask('retryRun', { flow: 'o2c', seq, mayDouble: true })
    expect(await lastAct()).toMatchObject({ verb: 'retry', after: { mayDouble: true } })
    await until(seq, 'succeeded')
    expect(accounting.sends).toEqual(['A1', 'A1'])
  })

  it('of a run that is being undone, still looks for what may have happened', async () => {
    accounting.answer = ({ kind }) => (kind === 'send' ? noAnswer() : refuse())
    await rig.startWorker([saleAndInvoice({ ...lookUp, retry: { attempts: 1 } })])
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await until(seq, 'parked')
    await rig.ask('pauseGroup', { name: 'o2c' })
    await rig.until(async () => (await rig.ask('listGroups')).items[0]?.paused)
    await rig.ask('compensateRun', { flow: 'o2c', seq, reason: 'cancelled' })
    await rig.ask('retryRun', { flow: 'o2c', seq, mayDouble: true })
    expect((await rig.ask('getRun', { flow: 'o2c', seq })).steps[1]).toMatchObject({ inDoubt: true })
    accounting.answer = ({ kind }) => (kind === 'find' ? { revision: 7 } : undefined)
    await rig.ask('resumeGroup', { name: 'o2c' })
    await until(seq, 'compensated')
    expect([undos(accounting), undos(erp)]).toEqual([['A7'], ['A1']])
  })

  it('of a run that is being undone, repeats an undo whose outcome is not known', async () => {
    accounting = new StubSystem({ name: 'accounting', idempotency: 'none', settle: '1ms', timeout: '2s' })
    accounting.answer = ({ kind }) => (kind === 'verify' ? noAnswer() : undefined)
    await rig.startWorker([saleAndInvoice()])
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await until(seq, 'succeeded')
    await rig.ask('compensateRun', { flow: 'o2c', seq, reason: 'cancelled' })
    await until(seq, 'parked')
    accounting.answer = () => undefined
    await rig.ask('retryRun', { flow: 'o2c', seq, mayDouble: true })
    await until(seq, 'compensated')
    expect(undos(accounting)).toEqual(['A1', 'A1'])
  })
})

describe('between the death of a worker and the next claim', () => {
  /** The invoice has arrived and is not answered; its worker is dead, and the next one must not claim yet. */
  async function orphaned(invoice: object): Promise<number> {
    accounting.answer = ({ kind }, { signal }) =>
      kind === 'send'
        ? new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('gone'))))
        : undefined
    const flow = saleAndInvoice(invoice)
    const first = await rig.startWorker([flow], { leaseMs: 2_000 })
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await until(seq, 'running')
    await rig.ask('pauseGroup', { name: 'o2c' })
    await first.kill()
    await rig.startWorker([flow])
    await until(seq, 'retrying')
    return seq
  }

  it('a compensation finds what had been under way, and undoes it', async () => {
    const seq = await orphaned(lookUp)
    await rig.ask('compensateRun', { flow: 'o2c', seq, reason: 'cancelled' })
    accounting.answer = ({ kind }) => (kind === 'find' ? { revision: 7 } : undefined)
    await rig.ask('resumeGroup', { name: 'o2c' })
    await until(seq, 'compensated')
    expect([undos(accounting), undos(erp)]).toEqual([['A7'], ['A1']])
  })

  it('an edit of what had been under way is refused: it may have had its effect', async () => {
    const seq = await orphaned({})
    const at = { flow: 'o2c', seq, data: { number: 'A', revision: 7 } }
    expect((await rig.refused('editStep', { ...at, step: 'invoice' })).detail).toMatch(/nobody knows whether/)
    accounting.answer = () => undefined
    await rig.ask('resumeGroup', { name: 'o2c' })
    await until(seq, 'succeeded')
    expect(accounting.sends).toEqual(['A1', 'A1'])
  })
})

describe('several requests of one attempt', () => {
  it('leave a doubt when the system wants to be waited for in between: it is looked up, not done again', async () => {
    let refusals = 0
    accounting.answer = ({ kind, order }) => {
      if (kind === 'find') return { id: 7 }
      if (order.revision !== 2 || ++refusals > 1) return undefined
      throw new CallError({ class: 'throttled', message: 'slow down', retryAfterMs: 1 })
    }
    const two = { run: ({ call }: { call: { send(order: object): Promise<unknown> } }) => twice(call) }
    await rig.startWorker([flowOn(accounting, { step: { ...lookUp, ...two } })])
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await until(seq, 'succeeded', 'accounting')
    expect(accounting.sends).toEqual(['A1', 'A2'])
  })
})

async function twice(call: { send(order: object): Promise<unknown> }): Promise<void> {
  await call.send({ number: 'A', revision: 1 })
  await call.send({ number: 'A', revision: 2 })
}
