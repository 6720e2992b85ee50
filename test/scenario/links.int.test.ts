import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Links } from '../../src/index.ts'
import { defineEvent, defineFlow, httpSystem } from '../../src/index.ts'
import type { StubRequest } from '../../src/testing/index.ts'
import { startWorld, stub } from '../../src/testing/index.ts'

const customerCreated = defineEvent({
  type: 'crm.customer.created',
  schema: z.object({ id: z.string() }),
  key: (customer) => customer.id,
})
const orderPlaced = defineEvent({
  type: 'shop.order.placed',
  schema: z.object({ number: z.string(), customerId: z.string() }),
  key: (order) => order.number,
})
const system = (name: string) => httpSystem({ name, baseUrl: `http://${name}.test`, timeout: '2s' })
const erp = system('erp')
const accounting = system('accounting')

interface Created {
  readonly id: string
}
const created = (body: unknown) => body as Created

/** The flow that gives customers their ids in the ERP. */
const customers = defineFlow('customers')
  .on(customerCreated)
  .step('create', erp, {
    run: ({ event, call }) => call.post('/customers', { number: event.data.id }).then(created),
    links: (result) => ({ customer: result.id }),
  })

/** One that needs them. */
function ordersFlow(dependsWithin: '24h' | '72h' = '72h') {
  return defineFlow('orders')
    .on(orderPlaced)
    .step('sale', erp, {
      dependsOn: ({ event, ids }) => ids('customer', event.data.customerId, erp),
      dependsWithin,
      run: async ({ event, ids, call }) =>
        call
          .post('/sales', {
            number: event.data.number,
            customer: await ids.get('customer', event.data.customerId, erp),
          })
          .then(created),
      links: (result) => ({ order: result.id }),
    })
}

const idsOf = ({ path, body }: StubRequest) => ({
  body: { id: `${path.slice(1, 2)}:${(body as { number?: string } | undefined)?.number ?? ''}` },
})
const withIds = [stub(erp, { answer: idsOf })]
const order = (number: string, customerId = 'C-7') => ({ number, customerId })

describe('cross-references', () => {
  it('are given by a flow of one step, and read by key and by external id', async () => {
    const read: unknown[] = []
    const reader = defineFlow('reader')
      .on(orderPlaced)
      .step('read', accounting, {
        run: async ({ event, ids, call }) => {
          read.push(await ids.get('customer', event.data.customerId, erp))
          read.push(await ids.find('customer', 'erp', 'c:C-7'))
          read.push(await ids.get('customer', 'nobody', erp), await ids.find('order', erp, 'c:C-7'))
          return call.post('/read', {})
        },
      })
    await using world = await startWorld({ flows: [customers, reader], systems: withIds })
    await world.publish(customerCreated, { id: 'C-7' })
    await world.untilIdle()
    await world.publish(orderPlaced, order('SO-1'))
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 2 })
    expect(await world.links()).toEqual([{ kind: 'customer', id: 'C-7', system: 'erp', external: 'c:C-7' }])
    expect(read).toEqual(['c:C-7', 'C-7', undefined, undefined])
  })

  it('are given by what `find` finds, after an answer was lost', async () => {
    const flow = defineFlow('found')
      .on(customerCreated)
      .step('create', erp, {
        run: ({ call }) => call.post('/customers', {}).then(created),
        find: ({ call }) => call.get('/customers/by-number').then(created),
        links: (result) => ({ customer: result.id }),
      })
    const answer = ({ method }: StubRequest) =>
      method === 'POST' ? ('timeout' as const) : { body: { id: 'found-1' } }
    await using world = await startWorld({ flows: [flow], systems: [stub(erp, { answer })] })
    await world.publish(customerCreated, { id: 'C-7' })
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 1 })
    expect(world.calls(erp).filter(({ method }) => method === 'POST')).toHaveLength(1)
    expect(await world.links()).toMatchObject([{ id: 'C-7', external: 'found-1' }])
  })

  it('of several objects are given by one step, and seen by the steps that follow it', async () => {
    const flow = defineFlow('several')
      .on(orderPlaced)
      .step('sale', erp, {
        run: ({ event, call }) => call.post('/sales', { number: event.data.number }).then(created),
        links: (result, { event }) => ({
          order: result.id,
          line: [1, 2].map((line) => ({ id: `${event.data.number}/${line}`, external: line })),
        }),
      })
      .step('invoice', accounting, {
        after: ['sale'],
        run: async ({ event, ids, call }) =>
          call.post('/invoices', { sale: await ids.get('order', event.data.number, 'erp') }),
      })
    await using world = await startWorld({ flows: [flow], systems: withIds })
    await world.publish(orderPlaced, order('SO-1'))
    await world.untilIdle()
    expect(await world.links()).toEqual([
      { kind: 'line', id: 'SO-1/1', system: 'erp', external: '1' },
      { kind: 'line', id: 'SO-1/2', system: 'erp', external: '2' },
      { kind: 'order', id: 'SO-1', system: 'erp', external: 's:SO-1' },
    ])
    expect(world.calls(accounting).map(({ body }) => body)).toEqual([{ sale: 's:SO-1' }])
  })

  it('are taken back when their step is undone', async () => {
    const flow = defineFlow('undone', { onFailure: 'compensate' })
      .on(orderPlaced)
      .step('sale', erp, {
        run: ({ event, call }) => call.post('/sales', { number: event.data.number }).then(created),
        links: (result) => ({ order: result.id }),
        undo: ({ result, call }) => call.delete(`/sales/${result.id}`),
      })
      .step('invoice', accounting, { after: ['sale'], run: ({ call }) => call.post('/invoices', {}) })
    const refuse = () => ({ status: 422, body: {} })
    await using world = await startWorld({
      flows: [flow],
      systems: [...withIds, stub(accounting, { answer: refuse })],
    })
    await world.publish(orderPlaced, order('SO-1'))
    await world.untilIdle()
    expect(await world.states()).toEqual({ compensated: 1 })
    expect(await world.links()).toEqual([])
  })

  it('a second id for an object is a problem, overwrites nothing, and does not stop the run', async () => {
    let number = 0
    const answer = () => ({ body: { id: `E-${++number}` } })
    await using world = await startWorld({ flows: [customers], systems: [stub(erp, { answer })] })
    await world.publish(customerCreated, { id: 'C-7' }, { id: 'first' })
    await world.publish(customerCreated, { id: 'C-7' }, { id: 'second' })
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 2 })
    expect(await world.links()).toMatchObject([{ id: 'C-7', external: 'E-1' }])
  })

  const bad: readonly [string, () => Links, RegExp][] = [
    ['empty', () => ({ customer: '' }), /external id of the customer is empty/],
    ['missing', () => ({ customer: undefined as unknown as string }), /is undefined/],
    ['no whole number', () => ({ customer: 1.5 }), /no whole number/],
    ['too long', () => ({ customer: { id: 'x'.repeat(256), external: 'y' } }), /more than 255 bytes/],
    ['malformed', () => ({ customer: '\ud800' }), /malformed Unicode/],
    ['no object', () => 'E-1' as unknown as Links, /must answer an object/],
    [
      'too many',
      () => ({ line: Array.from({ length: 501 }, (_, id) => ({ id, external: id })) }),
      /501 links/,
    ],
    [
      'a throw',
      () => {
        throw new TypeError('no id in the answer')
      },
      /no id in the answer/,
    ],
  ]

  it.each(bad)(
    'that cannot be stored fail the step for good, after its effect: %s',
    async (_, links, message) => {
      const flow = defineFlow('bad')
        .on(customerCreated)
        .step('create', erp, { run: ({ call }) => call.post('/customers', {}), links })
      const many = defineFlow('bad-many')
        .on(customerCreated)
        .step('create', erp, { run: ({ call }) => call.post('/customers', {}), links })
        .step('next', accounting, { after: ['create'], run: ({ call }) => call.post('/next', {}) })
      await using world = await startWorld({ flows: [flow, many] })
      await world.publish(customerCreated, { id: 'C-7' })
      await world.untilIdle()
      for (const run of await world.runs()) {
        expect(run).toMatchObject({ state: 'parked', code: 'step.links-invalid' })
        expect(run.message).toMatch(message)
      }
      expect(world.calls(erp)).toHaveLength(2)
      expect(world.calls(accounting)).toEqual([])
      expect(await world.links()).toEqual([])
    },
  )
})

describe('waiting for a cross-reference', () => {
  it('A15: holds the run until the link is there, and then sends what it needs', async () => {
    await using world = await startWorld({ flows: [customers, ordersFlow()], systems: withIds })
    await world.publish(orderPlaced, order('SO-1'))
    await world.publish(orderPlaced, order('SO-2'))
    await world.publish(orderPlaced, order('SO-3', 'C-8'))
    await world.advance('3h')
    expect(await world.states()).toEqual({ waiting: 3 })
    expect(world.calls(erp)).toEqual([])
    await world.publish(customerCreated, { id: 'C-7' })
    await world.advance('10s')
    expect(await world.states()).toEqual({ succeeded: 3, waiting: 1 })
    expect(world.calls(erp).map(({ body }) => body)).toEqual([
      { number: 'C-7' },
      { number: 'SO-1', customer: 'c:C-7' },
      { number: 'SO-2', customer: 'c:C-7' },
    ])
  })

  it('costs nothing when the link is there already', async () => {
    await using world = await startWorld({ flows: [customers, ordersFlow()], systems: withIds })
    await world.publish(customerCreated, { id: 'C-7' })
    await world.untilIdle()
    const before = world.now.getTime()
    await world.publish(orderPlaced, order('SO-1'))
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 2 })
    expect(world.now.getTime() - before).toBeLessThan(1_000)
  })

  it('is released by a person who sets the link', async () => {
    await using world = await startWorld({ flows: [ordersFlow()], systems: withIds })
    await world.publish(orderPlaced, order('SO-1'))
    await world.advance('1m')
    await world.link('customer', 'C-7', erp, 'by-hand')
    await world.advance('5s')
    expect(await world.states()).toEqual({ succeeded: 1 })
    expect(world.calls(erp).map(({ body }) => body)).toEqual([{ number: 'SO-1', customer: 'by-hand' }])
    await expect(world.link('customer', 'C-7', erp, 'another')).rejects.toMatchObject({
      code: 'link.conflict',
    })
  })

  it('fails the step when the link does not come in time, and waits anew when a person retries', async () => {
    await using world = await startWorld({ flows: [ordersFlow('24h')], systems: withIds })
    await world.publish(orderPlaced, order('SO-1'))
    await world.advance('23h')
    expect(await world.states()).toEqual({ waiting: 1 })
    await world.advance('2h')
    expect(await world.runs()).toMatchObject([{ state: 'parked', code: 'step.dependency-missing' }])
    expect((await world.runs())[0]?.message).toBe('the id of customer C-7 in erp has not come in time')
    await world.act('retry', { flow: 'orders', seq: 1 })
    await world.advance('23h')
    expect(await world.states()).toEqual({ waiting: 1 })
    await world.link('customer', 'C-7', erp, 'E-7')
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 1 })
  })

  it('follows `onFailure` when the link does not come in time', async () => {
    const flow = defineFlow('compensated', { onFailure: 'compensate' })
      .on(orderPlaced)
      .step('reserve', accounting, {
        run: ({ call }) => call.post('/reservations', {}).then(created),
        undo: ({ result, call }) => call.delete(`/reservations/${result.id}`),
      })
      .step('sale', erp, {
        after: ['reserve'],
        dependsOn: ({ event, ids }) => ids('customer', event.data.customerId, 'crm'),
        dependsWithin: '1h',
        run: ({ call }) => call.post('/sales', {}),
      })
    await using world = await startWorld({ flows: [flow] })
    await world.publish(orderPlaced, order('SO-1'))
    await world.untilIdle()
    expect(await world.states()).toEqual({ compensated: 1 })
    expect(world.calls(accounting).map(({ method }) => method)).toEqual(['POST', 'DELETE'])
    expect(world.calls(erp)).toEqual([])
  })

  it('waits for all of several, skips what is undefined, and keeps the order of the key', async () => {
    const flow = defineFlow('several')
      .on(orderPlaced)
      .step('sale', erp, {
        dependsOn: ({ event, ids }) => [
          ids('customer', event.data.customerId, erp),
          event.data.number === 'SO-1' ? ids('article', 1, erp) : undefined,
        ],
        run: ({ event, call }) => call.post('/sales', { number: event.data.number }),
      })
    await using world = await startWorld({ flows: [flow], systems: withIds })
    await world.publish(orderPlaced, order('SO-1'))
    await world.publish(orderPlaced, order('SO-1', 'C-9'), { id: 'second' })
    await world.publish(orderPlaced, order('SO-2'))
    await world.link('customer', 'C-9', erp, 'E-9')
    await world.link('customer', 'C-7', erp, 'E-7')
    await world.advance('1m')
    expect(world.calls(erp).map(({ body }) => body)).toEqual([{ number: 'SO-2' }])
    await world.link('article', '1', erp, 'A-1')
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 3 })
    expect(world.calls(erp)).toHaveLength(3)
  })

  it('beside another branch of the flow holds only its own', async () => {
    const flow = defineFlow('branches')
      .on(orderPlaced)
      .step('sale', erp, {
        dependsOn: ({ event, ids }) => ids('customer', event.data.customerId, erp),
        run: ({ event, call }) => call.post('/sales', { number: event.data.number }),
      })
      .waitFor('customer', customerCreated, { timeout: '90m', onTimeout: 'continue' })
      .step('book', accounting, { run: ({ call }) => call.post('/book', {}) })
      .step('last', accounting, {
        after: ['sale', 'customer', 'book'],
        run: ({ call }) => call.post('/last', {}),
      })
    await using world = await startWorld({ flows: [flow], systems: withIds })
    await world.publish(orderPlaced, order('SO-1'))
    await world.advance('1m')
    expect(world.calls(accounting).map(({ path }) => path)).toEqual(['/book'])
    await world.link('customer', 'C-7', erp, 'E-7')
    await world.advance('1m')
    expect(world.calls(erp)).toHaveLength(1)
    expect(await world.states()).toEqual({ waiting: 1 })
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 1 })
    expect(world.calls(erp)).toHaveLength(1)
    expect(world.calls(accounting).map(({ path }) => path)).toEqual(['/book', '/last'])
  })

  it('asks its condition first: a step that is not needed waits for nothing', async () => {
    const flow = defineFlow('condition')
      .on(orderPlaced)
      .step('sale', erp, {
        when: ({ event }) => event.data.number !== 'SO-1',
        dependsOn: ({ event, ids }) => ids('customer', event.data.customerId, erp),
        run: ({ call }) => call.post('/sales', {}),
      })
    await using world = await startWorld({ flows: [flow] })
    await world.publish(orderPlaced, order('SO-1'))
    await world.publish(orderPlaced, order('SO-2'))
    await world.advance('1m')
    expect(await world.states()).toEqual({ succeeded: 1, waiting: 1 })
  })

  it('of a system that is paused waits for both, and goes on when both are there', async () => {
    await using world = await startWorld({ flows: [customers, ordersFlow()], systems: withIds })
    await world.publish(orderPlaced, order('SO-1'))
    await world.advance('1m')
    await world.pause(erp)
    await world.link('customer', 'C-7', erp, 'E-7')
    await world.advance('1h')
    expect(await world.states()).toEqual({ waiting: 1 })
    await world.pause(erp, false)
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 1 })
    expect(world.calls(erp)).toHaveLength(1)
  })

  it('is not asked for again once the step was attempted', async () => {
    await using world = await startWorld({
      flows: [ordersFlow()],
      systems: [stub(erp, { failFirst: 3, answer: idsOf })],
    })
    await world.link('customer', 'C-7', erp, 'E-7')
    await world.publish(orderPlaced, order('SO-1'))
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 1 })
    expect(world.calls(erp)).toHaveLength(4)
    expect(await world.links()).toMatchObject([{ kind: 'customer' }, { kind: 'order', external: 's:SO-1' }])
  })

  it('a "dependsOn" that throws, or names no id, fails the step with what was wrong', async () => {
    const flow = defineFlow('broken')
      .on(orderPlaced)
      .step('sale', erp, {
        dependsOn: ({ event, ids }) => ids('customer', event.data.customerId, erp),
        run: ({ call }) => call.post('/sales', {}),
      })
    await using world = await startWorld({ flows: [flow] })
    await world.publish(orderPlaced, order('SO-1', ''))
    await world.untilIdle()
    expect(await world.runs()).toMatchObject([{ state: 'parked', code: 'step.depends-failed' }])
    expect((await world.runs())[0]?.message).toContain('the id of the customer is empty')
  })
})
