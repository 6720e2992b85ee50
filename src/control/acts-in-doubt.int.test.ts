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
