import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent } from '../define/event.ts'
import { defineFlow } from '../define/flow.ts'
import { httpSystem } from '../systems/http.ts'
import { stub } from './stub.ts'
import type { StubAnswer, StubRequest } from './stub.ts'
import type { World } from './world.ts'
import { startWorld } from './world.ts'

const placed = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string(), revision: z.number() }),
  key: (order) => order.number,
})
const erp = httpSystem({ name: 'erp', baseUrl: 'http://erp.example' })
const accounting = httpSystem({ name: 'accounting', baseUrl: 'http://accounting.example' })
const book = defineFlow('book')
  .on(placed)
  .step('sale', erp, { run: ({ event, call }) => call.post<{ id: string }>('/sales', event.data) })
  .step('invoice', accounting, {
    after: ['sale'],
    run: ({ results, call }) => call.post('/invoices', { sale: results.sale.id }),
  })

/** What the ERP answers; by default what an idempotent one would. */
let answer: (request: StubRequest) => StubAnswer
let world: World
beforeEach(async () => {
  const sales = new Map<string, string>()
  answer = ({ idempotencyKey = '' }) => {
    sales.set(idempotencyKey, sales.get(idempotencyKey) ?? `S-${sales.size + 1}`)
    return { body: { id: sales.get(idempotencyKey) } }
  }
  world = await startWorld({ flows: [book], systems: [stub(erp, { answer: (request) => answer(request) })] })
})
afterEach(() => world.stop())

const publish = async (count: number) => {
  for (let revision = 1; revision <= count; revision++)
    await world.publish(placed, { number: 'SO-1', revision })
  await world.untilIdle()
}
const invoiced = () => world.calls(accounting).map(({ body }) => (body as { sale: string }).sale)
const revisions = () => world.calls(erp).map(({ body }) => (body as { revision: number }).revision)

describe('a replay in virtual time', () => {
  it('runs all steps anew, in order, under the same keys: an idempotent system gives what it gave', async () => {
    await publish(3)
    expect(await world.replay(book, {}, { keys: 'same' })).toEqual({
      state: 'done',
      succeeded: 3,
      failed: 0,
      passedOver: 0,
    })
    expect(revisions()).toEqual([1, 2, 3, 1, 2, 3])
    expect(invoiced()).toEqual(['S-1', 'S-2', 'S-3', 'S-1', 'S-2', 'S-3'])
    const keys = world.calls(accounting).map(({ idempotencyKey }) => idempotencyKey)
    expect(keys.slice(3)).toEqual(keys.slice(0, 3))
    expect(await world.states()).toEqual({ succeeded: 6 })
  })

  it('under new keys has everything done again', async () => {
    await publish(2)
    await world.replay(book, {}, { keys: 'new' })
    expect(invoiced()).toEqual(['S-1', 'S-2', 'S-3', 'S-4'])
  })

  it('takes what is selected by time and key, and nothing is an error', async () => {
    await publish(2)
    await world.advance('1h')
    const from = world.now
    await world.publish(placed, { number: 'SO-2', revision: 7 })
    await world.untilIdle()
    await world.replay(book, { from }, { keys: 'new' })
    expect(revisions()).toEqual([1, 2, 7, 7])
    await world.replay(book, { to: from, key: 'SO-1', types: ['order.placed'] }, { keys: 'new' })
    expect(revisions()).toEqual([1, 2, 7, 7, 1, 2])
    await expect(world.replay(book, { key: 'SO-3' }, { keys: 'new' })).rejects.toMatchObject({
      code: 'request.invalid',
    })
  })

  it('stops at its first run when that fails; a person mends it', async () => {
    await publish(3)
    const before = answer
    answer = () => ({ status: 422 })
    expect(await world.replay(book, {}, { keys: 'new' })).toMatchObject({ state: 'stopped', failed: 1 })
    expect(await world.states()).toEqual({ succeeded: 3, parked: 1 })
    answer = before
    expect(await world.replay(book, {}, { keys: 'new' })).toMatchObject({ state: 'done', passedOver: 1 })
  })

  it('is through although its runs wait behind a parked one', async () => {
    await publish(2)
    answer = () => ({ status: 422 })
    await world.publish(placed, { number: 'SO-1', revision: 3 })
    await world.untilIdle()
    expect(await world.replay(book, {}, { keys: 'same' })).toEqual({
      state: 'done',
      succeeded: 0,
      failed: 0,
      passedOver: 1,
    })
    expect(await world.states()).toEqual({ succeeded: 2, parked: 1, waiting: 2 })
  })

  it('of a flow without order, and of one that begins with a pause', async () => {
    const free = defineFlow('free', { ordering: 'none' })
      .on(placed)
      .step('sale', erp, { run: ({ event, call }) => call.post('/free', event.data) })
    const slow = defineFlow('slow')
      .on(placed)
      .wait('pause', { for: '2h' })
      .step('invoice', accounting, { after: ['pause'], run: ({ call }) => call.post('/slow') })
    await using other = await startWorld({ flows: [free, slow] })
    await other.publish(placed, { number: 'SO-1', revision: 1 })
    await other.publish(placed, { number: 'SO-1', revision: 2 })
    await other.untilIdle()
    expect(await other.replay(free, {}, { keys: 'new' })).toMatchObject({ state: 'done', succeeded: 2 })
    // Runs that wait by themselves do not hold a replay up.
    expect(await other.replay(slow, {}, { keys: 'new' })).toMatchObject({ state: 'done', succeeded: 0 })
    await other.untilIdle()
    expect(await other.states()).toEqual({ succeeded: 8 })
  })
})
