import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent, defineFlow, httpSystem } from '../../src/index.ts'
import type { StubAnswer, StubRequest } from '../../src/testing/index.ts'
import { startWorld, stub } from '../../src/testing/index.ts'

const orderPlaced = defineEvent({
  type: 'shop.order.placed',
  schema: z.object({ number: z.string(), total: z.number().default(10) }),
  key: (order) => order.number,
})
const paymentCaptured = defineEvent({
  type: 'shop.payment.captured',
  schema: z.object({ order: z.string(), amount: z.number() }),
  key: (payment) => payment.order,
})
const system = (name: string) => httpSystem({ name, baseUrl: `http://${name}.test`, timeout: '2s' })
const erp = system('erp')
const accounting = system('accounting')
const logistics = system('logistics')

const options = { onFailure: 'park' } as const
function orderToCash(
  more: { readonly onFailure?: 'park' | 'compensate' | { compensateAfter: '24h' } } = options,
) {
  return defineFlow('order-to-cash', more)
    .on(orderPlaced)
    .step('sale', erp, {
      run: ({ event, call }) =>
        call.post('/sales', { number: event.data.number }).then((body) => body as { id: string }),
      undo: ({ result, call }) => call.delete(`/sales/${result.id}`),
    })
    .step('invoice', accounting, {
      after: ['sale'],
      run: ({ results, call }) =>
        call.post('/invoices', { sale: results.sale.id }).then((body) => body as { id: string }),
      undo: ({ result, call }) => call.delete(`/invoices/${result.id}`),
    })
    .step('shipment', logistics, {
      after: ['invoice'],
      run: ({ results, call }) =>
        call.post('/shipments', { sale: results.sale.id, invoice: results.invoice.id }),
    })
}

const paths = (calls: readonly StubRequest[]) => calls.map(({ method, path }) => `${method} ${path}`)
const refuse = (): StubAnswer => ({ status: 422, body: { error: 'tax code missing' } })

describe('a flow of several steps', () => {
  it('gives the result of each step to those that follow it', async () => {
    await using world = await startWorld({ flows: [orderToCash()] })
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 1 })
    expect(world.calls(logistics).map(({ body }) => body)).toEqual([{ sale: 'stub-1', invoice: 'stub-1' }])
  })

  it('tries a failed step again, and not the steps before it', async () => {
    await using world = await startWorld({
      flows: [orderToCash()],
      systems: [stub(accounting, { failFirst: 3 })],
    })
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 1 })
    expect(world.calls(erp)).toHaveLength(1)
    expect(world.calls(accounting)).toHaveLength(4)
    expect(new Set(world.calls(accounting).map(({ idempotencyKey }) => idempotencyKey)).size).toBe(1)
  })

  it('parks with a failed step, holding back what follows it, and goes on from there when a person retries', async () => {
    let mended = false
    const answer = (request: StubRequest) => (mended ? { body: { id: `I${request.number}` } } : refuse())
    await using world = await startWorld({ flows: [orderToCash()], systems: [stub(accounting, { answer })] })
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.publish(orderPlaced, { number: 'SO-1' }, { id: 'second' })
    await world.untilIdle()
    expect(await world.states()).toEqual({ parked: 1, waiting: 1 })
    expect(world.calls(logistics)).toEqual([])
    mended = true
    await world.act('retry', { flow: 'order-to-cash', seq: 1 })
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 2 })
    expect(world.calls(erp)).toHaveLength(2)
    expect(world.calls(logistics)).toHaveLength(2)
  })

  it('undoes in reverse order what was done when a step fails for good', async () => {
    await using world = await startWorld({
      flows: [orderToCash({ onFailure: 'compensate' })],
      systems: [stub(logistics, { answer: refuse })],
    })
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.untilIdle()
    expect(await world.states()).toEqual({ compensated: 1 })
    expect(paths(world.calls(erp))).toEqual(['POST /sales', 'DELETE /sales/stub-1'])
    expect(paths(world.calls(accounting))).toEqual(['POST /invoices', 'DELETE /invoices/stub-1'])
    const [undone] = world.calls(accounting).slice(-1)
    const [last] = world.calls(erp).slice(-1)
    expect(undone!.at).toBeLessThanOrEqual(last!.at)
    expect(undone!.idempotencyKey).not.toBe(world.calls(accounting)[0]!.idempotencyKey)
  })

  it('leaves a person the time that the flow gives before it compensates', async () => {
    await using world = await startWorld({
      flows: [orderToCash({ onFailure: { compensateAfter: '24h' } })],
      systems: [stub(accounting, { answer: refuse })],
    })
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.advance('23h')
    expect(await world.states()).toEqual({ parked: 1 })
    await world.advance('2h')
    expect(await world.states()).toEqual({ compensated: 1 })
    expect(paths(world.calls(erp))).toEqual(['POST /sales', 'DELETE /sales/stub-1'])
  })

  it('runs independent steps side by side, and waits for all that a step follows', async () => {
    const flow = defineFlow('diamond')
      .on(orderPlaced)
      .step('sale', erp, { run: ({ call }) => call.post('/a', {}).then(() => 1) })
      .step('left', accounting, {
        after: ['sale'],
        run: ({ call }) => call.post('/left', {}).then(() => 'l'),
      })
      .step('right', logistics, {
        after: ['sale'],
        run: ({ call }) => call.post('/right', {}).then(() => 'r'),
      })
      .step('join', erp, {
        after: ['left', 'right'],
        run: ({ results, call }) => call.post('/join', results),
      })
    await using world = await startWorld({
      flows: [flow],
      systems: [stub(accounting, { latency: '1s' }), stub(logistics, { latency: '1s', failFirst: 1 })],
    })
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 1 })
    const [left] = world.calls(accounting)
    expect(world.calls(logistics)[0]!.at - left!.at).toBeLessThan(500)
    expect(world.calls(erp)[1]!.body).toEqual({ sale: 1, left: 'l', right: 'r' })
    expect(world.calls(accounting)).toHaveLength(1)
  })

  it('skips a step by its condition, and goes on without its result', async () => {
    const flow = defineFlow('condition')
      .on(orderPlaced)
      .step('check', erp, {
        when: ({ event }) => event.data.total > 100,
        run: ({ call }) => call.post('/check', {}).then(() => ({ ok: true })),
      })
      .step('ship', logistics, {
        after: ['check'],
        run: ({ results, call }) => call.post('/ship', { checked: results.check?.ok ?? false }),
      })
    await using world = await startWorld({ flows: [flow] })
    await world.publish(orderPlaced, { number: 'SO-1', total: 10 })
    await world.publish(orderPlaced, { number: 'SO-2', total: 200 })
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 2 })
    expect(world.calls(logistics).map(({ body }) => body)).toEqual([{ checked: false }, { checked: true }])
  })

  it('A7: waits in a row for its closed system where the group goes on with others, and in the log where not', async () => {
    const flow = (name: string, lane: string, first: typeof erp) =>
      defineFlow(name, { lane })
        .on(orderPlaced)
        .step('first', first, { run: ({ call }) => call.post('/first', {}) })
        .step('second', accounting, { after: ['first'], run: ({ call }) => call.post('/second', {}) })
    await using world = await startWorld({
      flows: [flow('a', 'shared', erp), flow('b', 'shared', logistics), flow('c', 'alone', erp)],
    })
    await world.pause(erp)
    for (const number of ['SO-1', 'SO-2', 'SO-3']) await world.publish(orderPlaced, { number })
    await world.advance('3s')
    const byFlow = Map.groupBy(await world.runs(), ({ flow: name }) => name)
    expect(byFlow.get('a')!.map(({ state }) => state)).toEqual(['waiting', 'waiting', 'waiting'])
    expect(byFlow.get('b')!.map(({ state }) => state)).toEqual(['waiting', 'waiting', 'waiting'])
    expect(byFlow.get('c')).toBeUndefined()
    await world.pause(erp, false)
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 9 })
    expect(world.calls(erp)).toHaveLength(6)
  })
})

describe('isolation', () => {
  it('A7: a run waits in a row for the closed system that it starts with, where its group reads on for other flows', async () => {
    const first = defineFlow('first', { lane: 'shared' })
      .on(orderPlaced)
      .step('sale', erp, { run: ({ call }) => call.post('/sales', {}) })
      .step('invoice', accounting, { after: ['sale'], run: ({ call }) => call.post('/invoices', {}) })
    const second = defineFlow('second', { lane: 'shared' })
      .on(paymentCaptured)
      .step('ship', logistics, { run: ({ call }) => call.post('/ship', {}) })
    await using world = await startWorld({ flows: [first, second] })
    await world.pause(erp)
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.publish(paymentCaptured, { order: 'SO-2', amount: 1 })
    await world.advance('10s')
    expect(await world.runs()).toMatchObject([
      { flow: 'first', state: 'waiting' },
      { flow: 'second', state: 'succeeded' },
    ])
    await world.pause(erp, false)
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 2 })
  })
})

describe('compensation', () => {
  it('is done when its time has come also for a run that is parked beside its lane', async () => {
    const flow = defineFlow('beside', { onParked: 'continue', onFailure: { compensateAfter: '24h' } })
      .on(orderPlaced)
      .step('sale', erp, {
        run: ({ call }) => call.post('/sales', {}).then((body) => body as { id: string }),
        undo: ({ result, call }) => call.delete(`/sales/${result.id}`),
      })
      .step('invoice', accounting, {
        after: ['sale'],
        run: ({ event, call }) => call.post('/invoices', { total: event.data.total }),
      })
    const answer = ({ body }: StubRequest): StubAnswer =>
      (body as { total: number }).total === 0 ? refuse() : { status: 201, body: {} }
    const once = stub(accounting, { answer })
    await using world = await startWorld({ flows: [flow], systems: [once] })
    await world.publish(orderPlaced, { number: 'SO-1', total: 0 })
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.advance('23h')
    expect(await world.states()).toEqual({ parked: 1, succeeded: 1 })
    await world.advance('2h')
    expect(await world.states()).toEqual({ compensated: 1, succeeded: 1 })
    expect(paths(world.calls(erp)).filter((path) => path.startsWith('DELETE'))).toHaveLength(1)
  })

  it('looks whether an undo of unknown outcome has taken effect, where the system knows no keys', async () => {
    const forgetful = httpSystem({
      name: 'forgetful',
      baseUrl: 'http://forgetful.test',
      timeout: '2s',
      idempotency: 'none',
    })
    const flow = defineFlow('doubtful', { onFailure: 'compensate' })
      .on(orderPlaced)
      .step('sale', forgetful, {
        run: ({ call }) => call.post('/sales', {}).then((body) => body as { id: string }),
        find: ({ call }) => call.find<{ id: string }>('/sales', {}),
        undo: ({ result, call }) => call.delete(`/sales/${result.id}`),
      })
      .step('invoice', accounting, { after: ['sale'], run: ({ call }) => call.post('/invoices', {}) })
    const answer = ({ method }: StubRequest): StubAnswer => {
      if (method === 'DELETE') return 'timeout'
      return method === 'GET' ? { status: 200, body: [] } : { status: 201, body: { id: '1' } }
    }
    const answers = stub(forgetful, { answer })
    await using world = await startWorld({
      flows: [flow],
      systems: [answers, stub(accounting, { answer: refuse })],
    })
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.untilIdle()
    expect(await world.states()).toEqual({ compensated: 1 })
    expect(world.calls(forgetful).map(({ method }) => method)).toEqual(['POST', 'DELETE', 'GET'])
  })

  it('asks the condition of a step again when a person retries one whose condition had failed', async () => {
    let broken = true
    const flow = defineFlow('conditional')
      .on(orderPlaced)
      .step('check', erp, {
        when: () => {
          if (broken) throw new Error('a table is missing')
          return false
        },
        run: ({ call }) => call.post('/check', {}),
      })
      .step('ship', logistics, { after: ['check'], run: ({ call }) => call.post('/ship', {}) })
    await using world = await startWorld({ flows: [flow] })
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.untilIdle()
    const [run] = await world.runs()
    expect(run).toMatchObject({ state: 'parked', code: 'step.when-failed' })
    broken = false
    await world.act('retry', run!)
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 1 })
    expect(world.calls(erp)).toEqual([])
    expect(world.calls(logistics)).toHaveLength(1)
  })
})

describe('waiting inside a flow', () => {
  it('pauses as long as the flow says', async () => {
    const flow = defineFlow('cooling')
      .on(orderPlaced)
      .step('sale', erp, { run: ({ call }) => call.post('/sales', {}) })
      .wait('cool-off', { for: '1h', after: ['sale'] })
      .step('ship', logistics, { after: ['cool-off'], run: ({ call }) => call.post('/ship', {}) })
    await using world = await startWorld({ flows: [flow] })
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.advance('59m')
    expect(await world.states()).toEqual({ waiting: 1 })
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 1 })
    const waited = world.calls(logistics)[0]!.at - world.calls(erp)[0]!.at
    expect(waited).toBeGreaterThanOrEqual(3_600_000)
    expect(waited).toBeLessThan(3_601_000)
  })

  const paid = (more: { timeout?: '7d'; onTimeout?: 'park' | 'continue' } = {}) =>
    defineFlow('paid-first')
      .on(orderPlaced)
      .step('sale', erp, { run: ({ call }) => call.post('/sales', {}) })
      .waitFor('payment', paymentCaptured, { after: ['sale'], ...more })
      .step('ship', logistics, {
        after: ['payment'],
        run: ({ results, call }) => call.post('/ship', { paid: results.payment?.data.amount ?? 0 }),
      })

  it('A16: goes on when the event that it waits for comes', async () => {
    await using world = await startWorld({ flows: [paid()] })
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.advance('3h')
    expect(await world.states()).toEqual({ waiting: 1 })
    await world.publish(paymentCaptured, { order: 'SO-2', amount: 1 })
    await world.advance('1m')
    expect(await world.states()).toEqual({ waiting: 1 })
    await world.publish(paymentCaptured, { order: 'SO-1', amount: 99 })
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 1 })
    expect(world.calls(logistics).map(({ body }) => body)).toEqual([{ paid: 99 }])
  })

  it('A16: finds the event that came before it began to wait', async () => {
    await using world = await startWorld({ flows: [paid()], systems: [stub(erp, { failFirst: 3 })] })
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.publish(paymentCaptured, { order: 'SO-1', amount: 99 })
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 1 })
    expect(world.calls(logistics)).toHaveLength(1)
  })

  it('decides by the data that a person has given the step whether it is needed', async () => {
    const flow = defineFlow('edited')
      .on(orderPlaced)
      .approve('lead', { role: 'lead' })
      .step('check', erp, {
        after: ['lead'],
        when: ({ event }) => event.data.total > 100,
        run: ({ event, call }) => call.post('/check', { total: event.data.total }),
      })
    await using world = await startWorld({ flows: [flow] })
    await world.publish(orderPlaced, { number: 'SO-1', total: 10 })
    await world.untilIdle()
    const at = { flow: 'edited', seq: 1 }
    await world.actOnStep({ ...at, act: 'edit', step: 'check', data: { number: 'SO-1', total: 200 } })
    await world.untilIdle()
    await world.actOnStep({ ...at, act: 'approve', step: 'lead' })
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 1 })
    expect(world.calls(erp).map(({ body }) => body)).toEqual([{ total: 200 }])
  })

  it('waits for a person, who approves or refuses', async () => {
    const flow = defineFlow('approved')
      .on(orderPlaced)
      .approve('lead', { role: 'lead', timeout: '2d' })
      .step('ship', logistics, {
        after: ['lead'],
        run: ({ results, call }) => call.post('/ship', { by: results.lead.by }),
      })
    await using world = await startWorld({ flows: [flow] })
    for (const number of ['SO-1', 'SO-2', 'SO-3']) await world.publish(orderPlaced, { number })
    await world.advance('1d')
    expect(await world.states()).toEqual({ waiting: 3 })
    await world.actOnStep({ act: 'approve', flow: 'approved', seq: 1, step: 'lead' })
    await world.actOnStep({ act: 'refuse', flow: 'approved', seq: 2, step: 'lead' })
    await expect(
      world.actOnStep({ act: 'refuse', flow: 'approved', seq: 2, step: 'lead' }),
    ).rejects.toMatchObject({ code: 'act.refused' })
    await world.untilIdle()
    expect((await world.runs()).map(({ state, code }) => [state, code])).toEqual([
      ['succeeded', null],
      ['parked', 'step.refused'],
      ['parked', 'step.timed-out'],
    ])
    expect(world.calls(logistics).map(({ body }) => body)).toEqual([{ by: 'test' }])
  })

  it('waits anew when a person retries what has not come in time', async () => {
    await using world = await startWorld({ flows: [paid({ timeout: '7d' })] })
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.untilIdle()
    expect(await world.states()).toEqual({ parked: 1 })
    await world.act('retry', { flow: 'paid-first', seq: 1 })
    await world.advance('6d')
    expect(await world.states()).toEqual({ waiting: 1 })
    await world.publish(paymentCaptured, { order: 'SO-1', amount: 5 })
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 1 })
  })

  it('is parked, or goes on without a result, when the event does not come in time', async () => {
    await using parked = await startWorld({ flows: [paid({ timeout: '7d' })] })
    await parked.publish(orderPlaced, { number: 'SO-1' })
    await parked.untilIdle()
    expect(await parked.runs()).toMatchObject([{ state: 'parked', code: 'step.timed-out' }])
    await using gone = await startWorld({ flows: [paid({ timeout: '7d', onTimeout: 'continue' })] })
    await gone.publish(orderPlaced, { number: 'SO-1' })
    await gone.untilIdle()
    expect(await gone.states()).toEqual({ succeeded: 1 })
    expect(gone.calls(logistics).map(({ body }) => body)).toEqual([{ paid: 0 }])
  })
})
