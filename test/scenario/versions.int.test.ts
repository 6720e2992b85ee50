/** Runs that begin under one deployment and go on under another. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defineFlow } from '../../src/define/flow.ts'
import type { Flow } from '../../src/define/flow.ts'
import { CallError, FinalError } from '../../src/errors.ts'
import type { Arrival, Rig } from './rig.ts'
import { openRig, orderPlaced, StubSystem } from './rig.ts'

let rig: Rig
let erp: StubSystem
let acc: StubSystem
let otherAcc: StubSystem
beforeEach(async () => {
  rig = await openRig()
  const system = (name: string) => new StubSystem({ name, settle: '1ms', timeout: '2s' })
  erp = system('erp')
  acc = system('acc')
  otherAcc = system('other-acc')
})
afterEach(() => rig.close())

const flow = () => defineFlow('o2c', { start: 'beginning' }).on(orderPlaced)
const call = ({ system }: StubSystem) =>
  ({
    system,
    options: {
      run: ({ event, call: api }: StepArguments) => api.send(event.data),
      find: ({ event, call: api }: StepArguments) => api.find(event.data),
      undo: ({ event, call: api }: StepArguments) => api.verify(event.data),
    },
  }) as const
interface StepArguments {
  readonly event: { readonly data: { readonly number: string; readonly revision: number } }
  readonly call: {
    send(order: unknown): Promise<unknown>
    find(order: unknown): Promise<unknown>
    verify(order: unknown): Promise<unknown>
  }
}

/** A sale in the ERP, then an invoice there. */
function saleAndInvoice(accounting: StubSystem): Flow {
  return flow()
    .step('sale', erp.system, call(erp).options as never)
    .step('invoice', accounting.system, { after: ['sale'], ...call(accounting).options } as never)
}

/** A request that may have arrived, and nobody who would tell. */
const silent = ({ kind }: Arrival): never => {
  throw new CallError({ class: kind === 'send' ? 'unknown' : 'transient', message: 'no answer' })
}
const refuse = (): never => {
  throw new FinalError('no tax code')
}

interface RunState {
  readonly state: number
  readonly code: string | null
  readonly message: string | null
}
async function run(): Promise<RunState | undefined> {
  const [row] = await rig.sql<RunState & Record<string, unknown>>(
    'SELECT state, code, message FROM runs ORDER BY flow, seq',
  )
  return row
}
const isIn =
  (state: number, code: string | null = null) =>
  async () => {
    const now = await run()
    return now?.state === state && (code === null || now.code === code)
  }
/** Its invoice may have been made, and nobody has found out. */
const isInDoubt = async () =>
  (await rig.sql(`SELECT FROM steps WHERE step = 'invoice' AND state = 2 AND maybe_at IS NOT NULL`))
    .length === 1
const [waiting, retrying, parked, succeeded, compensated] = [1, 2, 4, 10, 13]
const stepsOf = () =>
  rig.sql<{ step: string; state: number; reason: string | null }>(
    'SELECT step, state, reason FROM steps ORDER BY step COLLATE "C"',
  )
const act = (verb: string) =>
  rig.sql(
    `SELECT (act_on_run(r.flow, r.seq, r.gen, $1, 'test', 'test')).* FROM (SELECT * FROM runs ORDER BY flow, seq LIMIT 1) r`,
    [verb],
  )
const kinds = (system: StubSystem) => system.arrivals.map(({ kind }) => kind)
const standing = async () =>
  (
    await rig.sql<{
      name: string
      deployed: boolean | null
      open: string
      stranded: string
      pending: boolean
    }>('SELECT name, deployed, open, stranded, pending FROM flow_standings(1000)')
  ).map((row) => ({ ...row, open: Number(row.open), stranded: Number(row.stranded) }))

/** One deployment until the run is as told; then it ends in order. */
async function deploy(
  flows: readonly Flow[],
  until: () => Promise<boolean>,
  before?: () => Promise<unknown>,
): Promise<void> {
  const worker = await rig.startWorker(flows)
  await before?.()
  await rig.until(until)
  await worker.stop()
}
const placed = () => rig.publish({ number: 'SO', revision: 1 })

describe('a run that has begun a step which the new version does not have', () => {
  it('is counted, parked with that reason when it is retried, and goes on once the right version is deployed', async () => {
    acc.answer = refuse
    await deploy([saleAndInvoice(acc)], isIn(parked, 'call.invalid'), placed)
    const renamed = flow()
      .step('sale', erp.system, call(erp).options as never)
      .step('bill', acc.system, { after: ['sale'], ...call(acc).options } as never)
    await deploy([renamed], isIn(parked, 'flow.changed'), async () => {
      await rig.until(async () => (await standing())[0]?.stranded === 1)
      await act('retry')
    })
    expect((await run())?.message).toMatch(/does not know the run's steps invoice/)
    expect(await standing()).toMatchObject([{ name: 'o2c', open: 1, stranded: 1 }])
    acc.answer = () => undefined
    await deploy([saleAndInvoice(acc)], isIn(succeeded), () => act('retry'))
    expect(erp.sends).toEqual(['SO1'])
    expect(acc.sends).toEqual(['SO1', 'SO1'])
    expect(await standing()).toMatchObject([{ stranded: 0 }])
  })
})

describe('a step that is called in another system now', () => {
  it('is not looked up there when its outcome is unknown: the run is parked, and looks where it sent', async () => {
    acc.answer = silent
    await deploy([saleAndInvoice(acc)], isIn(retrying), placed)
    await deploy([saleAndInvoice(otherAcc)], isIn(parked, 'flow.changed'))
    expect(otherAcc.arrivals).toEqual([])
    expect((await run())?.message).toMatch(
      /step invoice began as a call of acc, and whether it took effect is not known/,
    )
    expect(await standing()).toMatchObject([{ stranded: 1 }])
    acc.answer = () => ({ found: true })
    const finds = kinds(acc).filter((kind) => kind === 'find').length
    await deploy([saleAndInvoice(acc)], isIn(succeeded), () => act('retry'))
    expect(kinds(acc).filter((kind) => kind === 'find')).toHaveLength(finds + 1)
    expect(acc.sends).toHaveLength(1)
    expect(otherAcc.arrivals).toEqual([])
  })

  it('is called there when it surely has had no effect before', async () => {
    acc.answer = refuse
    await deploy([saleAndInvoice(acc)], isIn(parked), placed)
    await deploy([saleAndInvoice(otherAcc)], isIn(succeeded), () => act('retry'))
    expect([acc.sends, otherAcc.sends, erp.sends]).toEqual([['SO1'], ['SO1'], ['SO1']])
  })

  it('is looked up where it was sent last, through any number of versions', async () => {
    acc.answer = refuse
    await deploy([saleAndInvoice(acc)], isIn(parked), placed)
    otherAcc.answer = silent
    await deploy([saleAndInvoice(otherAcc)], isInDoubt, () => act('retry'))
    const before = acc.arrivals.length
    await deploy([saleAndInvoice(acc)], isIn(parked, 'flow.changed'), () => act('retry'))
    expect(acc.arrivals).toHaveLength(before)
    otherAcc.answer = () => ({ found: true })
    await deploy([saleAndInvoice(otherAcc)], isIn(succeeded), () => act('retry'))
  })

  it('is not undone there when it was done elsewhere: a running compensation, or that of a run that had succeeded', async () => {
    await deploy([saleAndInvoice(acc)], isIn(succeeded), placed)
    await deploy([saleAndInvoice(otherAcc)], isIn(parked, 'flow.changed'), () => act('compensate'))
    expect(otherAcc.arrivals).toEqual([])
    await deploy([saleAndInvoice(acc)], isIn(compensated), () => act('retry'))
    expect([kinds(acc), kinds(erp)]).toEqual([
      ['send', 'verify'],
      ['send', 'verify'],
    ])
  })

  it('is not called twice after its worker was killed in the middle of the call', async () => {
    let release = () => {}
    acc.answer = () => new Promise<void>((resolve) => (release = resolve))
    const worker = await rig.startWorker([saleAndInvoice(acc)], { leaseMs: 2_000 })
    await placed()
    await rig.until(() => acc.inFlight === 1)
    await worker.kill()
    release()
    await deploy([saleAndInvoice(otherAcc)], isIn(parked, 'flow.changed'))
    expect(otherAcc.arrivals).toEqual([])
    acc.answer = () => ({ found: true })
    await deploy([saleAndInvoice(acc)], isIn(succeeded), () => act('retry'))
    expect(acc.sends).toHaveLength(1)
  })
})

describe('a step that is something else now', () => {
  it('parks a run that stands in it', async () => {
    acc.answer = refuse
    await deploy([saleAndInvoice(acc)], isIn(parked), placed)
    const approved = flow()
      .step('sale', erp.system, call(erp).options as never)
      .approve('invoice', { role: 'finance', after: ['sale'] })
    await deploy([approved], isIn(parked, 'flow.changed'), () => act('retry'))
    expect((await run())?.message).toMatch(/step invoice began as a call of acc, and is something else/)
  })

  it('counts runs that wait in it, and parks one when it is woken', async () => {
    const approved = flow()
      .step('sale', erp.system, call(erp).options as never)
      .approve('invoice', { role: 'finance', after: ['sale'] })
    await deploy([approved], isIn(waiting), placed)
    const worker = await rig.startWorker([saleAndInvoice(acc)])
    await rig.until(async () => (await standing())[0]?.stranded === 1)
    await rig.sql(`UPDATE runs SET next_at = now()`)
    await rig.sql(`UPDATE lanes SET next_at = now()`)
    await rig.until(isIn(parked, 'flow.changed'))
    await worker.stop()
    expect(acc.arrivals).toEqual([])
  })
})

describe('a step that is new', () => {
  const withCheck = (check: StubSystem) =>
    flow()
      .step('sale', erp.system, call(erp).options as never)
      .step('check', check.system, { after: ['sale'], ...call(check).options } as never)
      .step('invoice', acc.system, { after: ['check'], ...call(acc).options } as never)
      .step('shipment', check.system, { after: ['invoice'], ...call(check).options } as never)

  it('is not made up for by a run that is past it, and is done by one that has it ahead', async () => {
    acc.answer = refuse
    await deploy([saleAndInvoice(acc)], isIn(parked), placed)
    acc.answer = () => undefined
    await deploy([withCheck(otherAcc)], isIn(succeeded), () => act('retry'))
    expect(otherAcc.sends).toEqual(['SO1']) // the shipment alone
    expect(await stepsOf()).toEqual([
      { step: 'check', state: 11, reason: 'it is new in the flow, and the run was past it already' },
      { step: 'invoice', state: 10, reason: null },
      { step: 'sale', state: 10, reason: null },
      { step: 'shipment', state: 10, reason: null },
    ])
  })

  it('is done by a run that has not come so far', async () => {
    erp.answer = refuse
    await deploy([saleAndInvoice(acc)], isIn(parked), placed)
    erp.answer = () => undefined
    await deploy([withCheck(otherAcc)], isIn(succeeded), () => act('retry'))
    expect(otherAcc.sends).toEqual(['SO1', 'SO1'])
  })
})

describe('a flow of one step', () => {
  const single = (system: StubSystem, name = 'sale') => flow().step(name, system.system, sendAndFind(system))
  const sendAndFind = (system: StubSystem) => {
    const { run: send, find } = call(system).options
    return { run: send, find } as never
  }

  it('that calls another system now parks a run whose outcome in the old one is unknown', async () => {
    erp.answer = silent
    await deploy([single(erp)], isIn(retrying), placed)
    await deploy([single(otherAcc)], isIn(parked, 'flow.changed'), () => act('retry'))
    expect(otherAcc.arrivals).toEqual([])
    erp.answer = () => ({ found: true })
    await deploy([single(erp)], isIn(succeeded), () => act('retry'))
    expect(erp.sends).toHaveLength(1)
  })

  it('whose step has another name now parks such a run too, and sends what surely was not sent', async () => {
    erp.answer = silent
    await deploy([single(erp)], isIn(retrying), placed)
    await deploy([single(erp, 'book')], isIn(parked, 'flow.changed'), () => act('retry'))
    expect(erp.sends).toHaveLength(1)
  })

  it('that has become one of several steps goes on with what is known of its only step', async () => {
    erp.answer = silent
    await deploy([single(erp)], isIn(retrying), placed)
    erp.answer = () => ({ found: true })
    await deploy([saleAndInvoice(acc)], isIn(succeeded), () => act('retry'))
    expect([erp.sends, acc.sends]).toEqual([['SO1'], ['SO1']])
  })

  it('that had several before does not do again what is done', async () => {
    acc.answer = refuse
    await deploy([saleAndInvoice(acc)], isIn(parked), placed)
    await deploy([single(erp)], isIn(parked, 'flow.changed'), () => act('retry'))
    expect(erp.sends).toEqual(['SO1'])
  })

  it('that had several before ends a run that has done the only one left', async () => {
    const paused = async () => {
      await rig.sql(`UPDATE systems SET paused = true, version = version + 1 WHERE name = 'acc'`)
      await rig.until(
        async () => (await rig.sql(`SELECT FROM systems WHERE name = 'acc' AND paused`)).length === 1,
      )
    }
    const first = await rig.startWorker([saleAndInvoice(acc)])
    await paused()
    await new Promise((resolve) => setTimeout(resolve, 1_500)) // gates look once a second
    await placed()
    await rig.until(isIn(waiting))
    await first.stop()
    await deploy([single(erp)], isIn(succeeded), () =>
      rig.sql(`UPDATE lanes SET system = 0, next_at = now()`),
    )
    expect(erp.sends).toEqual(['SO1'])
  })
})

describe('a flow that is not deployed any more', () => {
  const inLane = (name: string, system: StubSystem) =>
    defineFlow(name, { start: 'beginning', lane: 'orders' })
      .on(orderPlaced)
      .step('send', system.system, { run: ({ event, call: api }) => api.send(event.data) })

  it('parks what is left of it in a lane that others share, until a person skips it', async () => {
    erp.answer = () => {
      throw new CallError({ class: 'transient', message: 'later' })
    }
    await deploy([inLane('gone', erp), inLane('kept', acc)], isIn(retrying), placed)
    expect(acc.sends).toEqual([])
    const worker = await rig.startWorker([inLane('kept', acc)])
    await rig.until(isIn(parked, 'flow.changed'))
    expect((await run())?.message).toMatch(/not in the configuration/)
    expect(await standing()).toMatchObject([
      { name: 'gone', deployed: false, open: 1 },
      { name: 'kept', deployed: true, open: 1 },
    ])
    await act('skip')
    await rig.until(() => acc.sends.length === 1)
    await worker.stop()
    expect(await rig.sql(`SELECT remove_flow('gone', 'test', 'retired') AS result`)).toEqual([
      { result: 'done' },
    ])
    expect((await standing()).map(({ name }) => name)).toEqual(['kept'])
  })

  it('is removed by a person only when nobody runs it and nothing of it is open', async () => {
    erp.answer = refuse
    const worker = await rig.startWorker([inLane('gone', erp)])
    await placed()
    await rig.until(isIn(parked))
    const remove = async () =>
      (await rig.sql<{ result: string }>(`SELECT remove_flow('gone', 'test', 'x') AS result`))[0]?.result
    expect(await remove()).toBe('deployed')
    await worker.stop()
    expect(await remove()).toBe('open')
    await act('skip')
    expect(await remove()).toBe('done')
    expect(await remove()).toBe('absent')
  })

  it('is no reason for an old process to keep a lane group whose new flow it does not know', async () => {
    const old = await rig.startWorker([inLane('kept', acc)])
    await placed()
    await rig.until(() => acc.sends.length === 1)
    const next = await rig.startWorker([inLane('kept', acc), inLane('added', erp)])
    await rig.until(() => erp.sends.length === 1)
    const owners = await rig.sql('SELECT owner FROM lane_groups')
    expect(owners).toEqual([{ owner: next.id }])
    await Promise.all([old.stop(), next.stop()])
    expect(acc.sends).toEqual(['SO1'])
  })
})

describe('an old process that registers last, in the midst of a rolling deploy', () => {
  const renamed = () =>
    flow()
      .step('sale', erp.system, call(erp).options as never)
      .step('bill', acc.system, { after: ['sale'], ...call(acc).options } as never)
  const options = { leaseMs: 1_500 }

  it.each(['stop', 'kill'] as const)('leaves the flow to the new ones when it ends: %s', async (end) => {
    const current = await rig.startWorker([renamed()], options)
    const old = await rig.startWorker([saleAndInvoice(acc)], options)
    await rig.until(() => old.worker.ownedGroups.length === 1)
    await old[end]()
    await rig.until(() => current.worker.ownedGroups.length === 1, 15_000)
    await placed()
    await rig.until(isIn(succeeded))
    expect((await stepsOf()).map(({ step }) => step)).toEqual(['bill', 'sale'])
  })

  it('keeps the flow as long as it lives: nobody takes it back and forth', async () => {
    const current = await rig.startWorker([renamed()], options)
    const old = await rig.startWorker([saleAndInvoice(acc)], options)
    await rig.until(() => old.worker.ownedGroups.length === 1)
    const versions = () => rig.sql('SELECT version FROM flows')
    const before = await versions()
    await new Promise((resolve) => setTimeout(resolve, 4 * options.leaseMs))
    expect(await versions()).toEqual(before)
    expect(current.worker.ownedGroups).toEqual([])
    await placed()
    await rig.until(isIn(succeeded))
    expect((await stepsOf()).map(({ step }) => step)).toEqual(['invoice', 'sale'])
  })
})
