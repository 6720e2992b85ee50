/** What a person does to steps, through the control API, with a worker on real PostgreSQL. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FinalError } from '../index.ts'
import { defineFlow } from '../define/flow.ts'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import { flowOn, orderPlaced, StubSystem } from '../../test/scenario/rig.ts'

let rig: ControlRig
let erp: StubSystem
let accounting: StubSystem
let depot: StubSystem

beforeEach(async () => {
  rig = await openControlRig()
  ;[erp, accounting, depot] = ['erp', 'accounting', 'depot'].map((name) => new StubSystem({ name })) as [
    StubSystem,
    StubSystem,
    StubSystem,
  ]
})
afterEach(() => rig.close())

/** A sale, an invoice, the approval of a lead, a shipment; `verify` stands in for the request that takes back. */
function process() {
  return defineFlow('o2c', { start: 'beginning' })
    .on(orderPlaced)
    .step('sale', erp.system, {
      run: ({ event, call }) => call.send(event.data),
      undo: ({ event, call }) => call.verify(event.data),
    })
    .step('invoice', accounting.system, {
      after: ['sale'],
      run: ({ event, call }) => call.send(event.data).then(() => ({ invoice: event.data.revision })),
      undo: ({ event, call }) => call.verify(event.data),
    })
    .approve('lead', { role: 'lead', after: ['invoice'] })
    .step('shipment', depot.system, {
      after: ['lead'],
      run: ({ event, results, call }) =>
        call.send({ number: event.data.number, revision: results.invoice?.invoice ?? -1 }),
    })
}

const refuse = () => {
  throw new FinalError('no tax code')
}
const at = (seq: number) => ({ flow: 'o2c', seq })
async function until(seq: number, state: string, flow = 'o2c'): Promise<void> {
  await rig.until(async () => {
    const { items } = await rig.ask('listRuns', { flow })
    return items.some((run) => run.seq === seq && run.state === state)
  })
}
async function start(): Promise<number> {
  await rig.startWorker([process()])
  const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
  return seq
}
const lastAct = async () => (await rig.ask('listAudit')).items[0]

describe('a person', () => {
  it('edits the data of a step that failed: it is sent under another key, what is done is not done again', async () => {
    accounting.answer = ({ order }) => (order.revision === 7 ? undefined : refuse())
    const seq = await start()
    await until(seq, 'parked')
    const acted = await rig.ask('editStep', {
      ...at(seq),
      step: 'invoice',
      data: { number: 'A', revision: 7 },
      reason: 'by telephone',
    })
    expect(acted).toMatchObject({ act: 'edit', step: 'invoice' })
    expect(await lastAct()).toMatchObject({ verb: 'edit', object: `step invoice of run o2c/${seq}` })
    await until(seq, 'waiting')
    expect([erp.sends, accounting.sends]).toEqual([['A1'], ['A1', 'A7']])
    expect(new Set(accounting.arrivals.map(({ key }) => key)).size).toBe(2)
    await rig.ask('approveStep', { ...at(seq), step: 'lead', note: 'seen' })
    await until(seq, 'succeeded')
    expect(depot.sends).toEqual(['A7'])
    const { steps } = await rig.ask('getRun', at(seq))
    expect(steps.map(({ state }) => state)).toEqual(['done', 'done', 'done', 'done'])
    expect(steps[1]?.input).toEqual({ number: 'A', revision: 7 })
    expect(steps[2]?.result).toMatchObject({ note: 'seen' })
  })

  it('supplies what a step gave: it is not called, and those that follow it see it', async () => {
    accounting.answer = refuse
    const seq = await start()
    await until(seq, 'parked')
    await rig.ask('supplyResult', {
      ...at(seq),
      step: 'invoice',
      result: { invoice: 4711 },
      reason: 'by hand',
    })
    await until(seq, 'waiting')
    await rig.ask('approveStep', { ...at(seq), step: 'lead' })
    await until(seq, 'succeeded')
    expect([accounting.sends, depot.sends]).toEqual([['A1'], ['A4711']])
  })

  it('leaves out a step, and those that follow it go on without its result', async () => {
    accounting.answer = refuse
    const seq = await start()
    await until(seq, 'parked')
    await rig.ask('skipStep', { ...at(seq), step: 'invoice', reason: 'a gift' })
    await until(seq, 'waiting')
    await rig.ask('approveStep', { ...at(seq), step: 'lead' })
    await until(seq, 'succeeded')
    expect(depot.sends).toEqual(['A-1'])
  })

  it('refuses, and has what was done undone, last step first', async () => {
    const seq = await start()
    await until(seq, 'waiting')
    await rig.ask('refuseStep', { ...at(seq), step: 'lead', reason: 'not creditworthy' })
    await until(seq, 'parked')
    expect(depot.sends).toEqual([])
    await rig.ask('compensateRun', { ...at(seq), reason: 'not creditworthy' })
    expect(await lastAct()).toMatchObject({ verb: 'compensate' })
    await until(seq, 'compensated')
    const undone = [accounting, erp].map(({ arrivals }) => arrivals.find(({ kind }) => kind === 'verify')?.at)
    expect(undone[0]!).toBeLessThan(undone[1]!)
  })

  it('is told why an act does not fit', async () => {
    const seq = await start()
    await until(seq, 'waiting')
    const detailOf = async (id: Parameters<typeof rig.refused>[0], input: object) => {
      const { code, detail } = await rig.refused(id, { ...at(seq), ...input })
      return `${code}: ${detail}`
    }
    expect(await detailOf('editStep', { step: 'bill', data: {} })).toBe(
      'request.invalid: flow o2c has no step bill; its steps are sale, invoice, lead, shipment',
    )
    expect(await detailOf('approveStep', { step: 'sale' })).toMatch(/^act.refused: step sale is no approval/)
    expect(await detailOf('supplyResult', { step: 'lead', result: 1, reason: 'x' })).toMatch(/is an approval/)
    expect(await detailOf('skipStep', { step: 'sale', reason: 'x' })).toMatch(/is done, or left out, already/)
    expect(
      await detailOf('supplyResult', { step: 'shipment', result: 'x'.repeat(70_000), reason: 'x' }),
    ).toBe('request.invalid: the result has 70002 bytes; at most 65536 are kept')
    expect(
      await detailOf('supplyResult', { step: 'shipment', result: 'x'.repeat(300_000), reason: 'x' }),
    ).toMatch(/^event.too-large/)
    await rig.ask('compensateRun', { ...at(seq), reason: 'x' })
    await until(seq, 'compensated')
    expect(await detailOf('skipStep', { step: 'shipment', reason: 'x' })).toMatch(
      /it has ended: it is compensated/,
    )
  })

  it('edits and supplies in a flow of one step too, and its attempts go on being counted', async () => {
    accounting.answer = ({ order }) => (order.revision === 7 ? undefined : refuse())
    await rig.startWorker([flowOn(accounting)])
    const [first = 0, second = 0] = await rig.publish(
      { number: 'A', revision: 1 },
      { number: 'B', revision: 1 },
    )
    await until(first, 'parked', 'accounting')
    await until(second, 'parked', 'accounting')
    const of = (seq: number) => ({ flow: 'accounting', seq, step: 'send' })
    await rig.ask('editStep', { ...of(first), data: { number: 'A', revision: 7 } })
    await until(first, 'succeeded', 'accounting')
    await rig.ask('supplyResult', { ...of(second), result: null, reason: 'by hand' })
    await until(second, 'succeeded', 'accounting')
    expect(accounting.sends).toEqual(['A1', 'B1', 'A7'])
    const { history } = await rig.ask('getRun', { flow: 'accounting', seq: first })
    expect(history.map(({ number, outcome }) => [number, outcome])).toEqual([
      [1, 'invalid'],
      [2, 'succeeded'],
    ])
  })
})

describe('what a person sends', () => {
  /** As it goes over the wire: a client that cannot write such numbers is none of ours. */
  const send = async (seq: number, what: string, payload: string) => {
    const url = `/api/v1/runs/o2c/${seq}/steps/invoice/${what}`
    const headers = { 'content-type': 'application/json' }
    expect((await rig.app.inject({ method: 'POST', url, headers, payload })).statusCode).toBe(200)
  }
  const columnOf = async (column: string, seq: number) => {
    const text = `SELECT ${column} AS text FROM steps WHERE step = 'invoice' AND seq = ${seq}`
    return (await rig.sql<{ text: string }>(text))[0]?.text
  }
  const digits = '{"id":12345678901234567890,"sum":0.10000000000000000001,"list":[1e400]}'

  it('is stored digit by digit, as the data of a step and as its result', async () => {
    accounting.answer = refuse
    const seq = await start()
    await until(seq, 'parked')
    await send(seq, 'edit', `{"data": ${digits}, "reason": "by telephone"}`)
    expect(await columnOf('input', seq)).toBe(digits)
    await until(seq, 'parked')
    await send(seq, 'result', `{"result": ${digits}, "reason": "by hand"}`)
    expect(await columnOf('result', seq)).toBe(digits)
    expect(await lastAct()).toMatchObject({ after: { data: digits } })
    await until(seq, 'waiting')
    const shown = await rig.app.inject({ url: `/api/v1/runs/o2c/${seq}` })
    expect(shown.body).toContain('"result":{"id":12345678901234567890,')
    // Its row is written again on the way back.
    accounting.answer = ({ kind }) => (kind === 'verify' ? refuse() : undefined)
    await rig.ask('compensateRun', { ...at(seq), reason: 'cancelled' })
    await until(seq, 'parked')
    expect(await columnOf('result', seq)).toBe(digits)
  })

  it('is read as the server reads all else: a name that is a trap is refused', async () => {
    const seq = await start()
    await until(seq, 'waiting')
    const url = `/api/v1/runs/o2c/${seq}/steps/shipment/edit`
    const headers = { 'content-type': 'application/json' }
    const trap = await rig.app.inject({
      ...{ method: 'POST', url, headers },
      payload: '{"data": {"__proto__": {"admin": true}}}',
    })
    expect([trap.statusCode, trap.json<{ code: string }>().code]).toEqual([400, 'request.malformed'])
  })
})

describe('an act at an odd moment', () => {
  it('edits a step before its turn: it is sent in its turn, so', async () => {
    const seq = await start()
    await until(seq, 'waiting')
    await rig.ask('editStep', { ...at(seq), step: 'shipment', data: { number: 'Z', revision: 1 } })
    await until(seq, 'waiting')
    expect(depot.sends).toEqual([])
    await rig.ask('approveStep', { ...at(seq), step: 'lead' })
    await until(seq, 'succeeded')
    expect(depot.sends).toEqual(['Z1'])
  })

  it('supplies a result while the run waits for the paused system of the step: the run goes on', async () => {
    // Paused before there is a worker: it knows from its start.
    await rig.journal.registerSystems([{ name: 'accounting', address: 'accounting' }])
    await rig.ask('pauseSystem', { name: 'accounting' })
    await rig.startWorker([process()])
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await until(seq, 'waiting')
    await rig.ask('supplyResult', { ...at(seq), step: 'invoice', result: { invoice: 9 }, reason: 'by hand' })
    await rig.until(async () => (await rig.ask('getRun', at(seq))).steps[2]?.state === 'waiting')
    await rig.ask('approveStep', { ...at(seq), step: 'lead' })
    await until(seq, 'succeeded')
    expect([accounting.sends, depot.sends]).toEqual([[], ['A9']])
  })

  it('leaves no lane behind when it is refused', async () => {
    accounting.answer = refuse
    await rig.startWorker([flowOn(accounting, { onParked: 'continue' })])
    const [seq = 0] = await rig.publish({ number: 'A', revision: 1 })
    await until(seq, 'parked', 'accounting')
    await rig.sql(`UPDATE runs SET maybe_at = clock_timestamp()`)
    const refused = await rig.refused('editStep', { flow: 'accounting', seq, step: 'send', data: {} })
    expect(refused.code).toBe('act.refused')
    expect(await rig.sql('SELECT * FROM lanes')).toEqual([])
  })
})
