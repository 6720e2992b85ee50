import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { FlowOptions } from '../../src/index.ts'
import { defineEvent, defineFlow, httpSystem } from '../../src/index.ts'
import type { StubAnswer, StubOptions, World } from '../../src/testing/index.ts'
import { startWorld, stub } from '../../src/testing/index.ts'

const Order = z.object({ number: z.string(), revision: z.number().optional() })
type Order = z.infer<typeof Order>
const orderChanged = defineEvent({ type: 'order.changed', schema: Order, key: (order) => order.number })
const stockChanged = defineEvent({
  type: 'stock.changed',
  schema: z.object({ sku: z.string(), onHand: z.number() }),
  key: (stock) => stock.sku,
})
const erp = httpSystem({ name: 'erp', baseUrl: 'http://erp.test', timeout: '2s' })
const crm = httpSystem({ name: 'crm', baseUrl: 'http://crm.test', timeout: '2s' })

const flowTo = (system: typeof erp, options: FlowOptions<Order>) =>
  defineFlow(`to-${system.name}`, options)
    .on(orderChanged)
    .step('send', system, { run: ({ event, call }) => call.put('/orders', event.data) })

const byRevision = { by: 'sequence', field: (order: Order) => order.revision } as const

/** What a system was sent, by revision. */
function sent(world: World, system = erp): unknown[] {
  return world.calls(system).map(({ body }) => (body as { revision: number }).revision)
}

async function publish(world: World, ...revisions: readonly number[]): Promise<void> {
  for (const revision of revisions) await world.publish(orderChanged, { number: 'A', revision })
}

const told = async (world: World) =>
  (await world.runs()).map(({ state, code, reason }) => [state, code ?? reason])

describe("ordering: 'sequence'", () => {
  it('runs events by their number, whatever the order in which they come', async () => {
    await using world = await startWorld({ flows: [flowTo(erp, { ordering: byRevision })] })
    await publish(world, 1, 4)
    await world.advance('10s')
    await publish(world, 3)
    await world.advance('10s')
    expect(sent(world)).toEqual([1])
    expect(await told(world)).toEqual([
      ['succeeded', null],
      ['waiting', 'waits for numbers 2 to 3, has 4'],
      ['waiting', 'waits for number 2, has 3'],
    ])
    await publish(world, 2)
    await world.untilIdle()
    expect(sent(world)).toEqual([1, 2, 3, 4])
    expect(await world.states()).toEqual({ succeeded: 4 })
  })

  it('takes the CloudEvents attribute "sequence" where no field is named', async () => {
    await using world = await startWorld({ flows: [flowTo(erp, { ordering: 'sequence' })] })
    for (const sequence of ['0002', '0001'])
      await world.publish(
        orderChanged,
        { number: 'A', revision: Number(sequence) },
        { extensions: { sequence } },
      )
    await world.untilIdle()
    expect(sent(world)).toEqual([1, 2])
  })

  it('never applies what comes too late', async () => {
    await using world = await startWorld({ flows: [flowTo(erp, { ordering: byRevision })] })
    await publish(world, 0, 1, 2)
    await world.advance('1s')
    await publish(world, 1, 2, 3)
    await world.untilIdle()
    expect(sent(world)).toEqual([1, 2, 3])
    expect((await told(world)).filter(([state]) => state === 'superseded')).toEqual([
      ['superseded', 'number 0 lies before the first, which is 1'],
      ['superseded', 'number 1 came after 2 was dealt with'],
      ['superseded', 'number 2 was dealt with before, as event 3'],
    ])
  })

  it('an event without a number is parked at once and holds nobody', async () => {
    await using world = await startWorld({ flows: [flowTo(erp, { ordering: byRevision })] })
    await world.publish(orderChanged, { number: 'A' })
    await world.publish(orderChanged, { number: 'A', revision: 0.5 })
    await publish(world, 1)
    await world.untilIdle()
    expect(sent(world)).toEqual([1])
    expect(await told(world)).toEqual([
      ['parked', 'sequence.missing'],
      ['parked', 'sequence.missing'],
      ['succeeded', null],
    ])
    await world.act('retry', { flow: 'to-erp', seq: 1 })
    await world.act('skip', { flow: 'to-erp', seq: 2 })
    await publish(world, 2)
    await world.untilIdle()
    expect(sent(world)).toEqual([1, 2])
    expect((await told(world)).slice(0, 2)).toEqual([
      ['parked', 'sequence.missing'],
      ['skipped', 'sequence.missing'],
    ])
  })

  it('a gap past its time is a problem that holds the key, and the missing event ends it', async () => {
    await using world = await startWorld({
      flows: [flowTo(erp, { ordering: { ...byRevision, gapTimeout: '5m' } })],
    })
    await publish(world, 1, 3, 4)
    await world.advance('4m')
    expect(await world.states()).toEqual({ succeeded: 1, waiting: 2 })
    await world.advance('2m')
    expect(await told(world)).toEqual([
      ['succeeded', null],
      ['parked', 'sequence.gap'],
      ['waiting', null],
    ])
    await publish(world, 2)
    await world.untilIdle()
    expect(sent(world)).toEqual([1, 2, 3, 4])
    expect(await world.states()).toEqual({ succeeded: 4 })
  })

  it('a person who retries at a gap goes on without what is missing', async () => {
    await using world = await startWorld({ flows: [flowTo(erp, { ordering: byRevision })] })
    await publish(world, 1, 3)
    await world.untilIdle()
    expect(await world.states()).toEqual({ succeeded: 1, parked: 1 })
    await world.act('retry', { flow: 'to-erp', seq: 2 })
    await world.untilIdle()
    await publish(world, 2, 4)
    await world.untilIdle()
    expect(sent(world)).toEqual([1, 3, 4])
    expect((await told(world))[2]).toEqual(['superseded', 'number 2 came after 3 was dealt with'])
  })

  it('a retry need not wait for the time to pass', async () => {
    await using world = await startWorld({ flows: [flowTo(erp, { ordering: byRevision })] })
    await publish(world, 2)
    await world.advance('1s')
    await world.act('retry', { flow: 'to-erp', seq: 1 })
    await world.advance('1s')
    expect(sent(world)).toEqual([2])
  })

  it('a run that a person skips counts as dealt with', async () => {
    await using world = await startWorld({ flows: [flowTo(erp, { ordering: byRevision })] })
    await publish(world, 1, 3, 4)
    await world.untilIdle()
    await world.act('skip', { flow: 'to-erp', seq: 2 })
    await world.untilIdle()
    expect(sent(world)).toEqual([1, 4])
  })

  it('one that is skipped before its turn leaves those before it in force', async () => {
    await using world = await startWorld({ flows: [flowTo(erp, { ordering: byRevision })] })
    await publish(world, 1, 3, 4, 5)
    await world.advance('1s')
    await world.act('skip', { flow: 'to-erp', seq: 3 })
    await publish(world, 2)
    await world.untilIdle()
    expect(sent(world)).toEqual([1, 2, 3, 5])
  })

  it("onGap 'continue' goes on after its time, and what comes later than that is stale", async () => {
    await using world = await startWorld({
      flows: [flowTo(erp, { ordering: { ...byRevision, gapTimeout: '1m', onGap: 'continue' } })],
    })
    await publish(world, 1, 3, 4)
    await world.advance('2m')
    await publish(world, 2, 5)
    await world.untilIdle()
    expect(sent(world)).toEqual([1, 3, 4, 5])
    expect(await world.states()).toEqual({ succeeded: 4, superseded: 1 })
  })

  it('flows of one lane group share the order of a key', async () => {
    const ordering = byRevision
    await using world = await startWorld({
      flows: [flowTo(erp, { lane: 'orders', ordering }), flowTo(crm, { lane: 'orders', ordering })],
      systems: [stub(erp, { failFirst: 2 })],
    })
    await publish(world, 2, 1, 3, 2)
    await world.untilIdle()
    expect(sent(world)).toEqual([1, 1, 1, 2, 3])
    expect(sent(world, crm)).toEqual([1, 2, 3])
    expect(await world.states()).toEqual({ succeeded: 6, superseded: 2 })
  })

  it('goes on past a parked run where the flow says so, and a person may still retry that', async () => {
    let refuse = true
    const answer = (): StubAnswer => (refuse ? { status: 422 } : {})
    await using world = await startWorld({
      flows: [flowTo(erp, { ordering: byRevision, onParked: 'continue' })],
      systems: [stub(erp, { answer })],
    })
    await publish(world, 1)
    await world.untilIdle()
    refuse = false
    await publish(world, 2)
    await world.untilIdle()
    await world.act('retry', { flow: 'to-erp', seq: 1 })
    await world.untilIdle()
    expect(sent(world)).toEqual([1, 2, 1])
    expect(await world.states()).toEqual({ succeeded: 2 })
  })

  it('holds for flows of several steps', async () => {
    const flow = defineFlow('to-both', { ordering: byRevision })
      .on(orderChanged)
      .step('erp', erp, { run: ({ event, call }) => call.put('/orders', event.data) })
      .step('crm', crm, { after: ['erp'], run: ({ event, call }) => call.put('/orders', event.data) })
    await using world = await startWorld({ flows: [flow], systems: [stub(crm, { failFirst: 3 })] })
    await publish(world, 3, 2, 1)
    await world.untilIdle()
    expect(sent(world)).toEqual([1, 2, 3])
    expect(sent(world, crm)).toEqual([1, 1, 1, 1, 2, 3])
  })

  it('an event without a key stands outside of every sequence', async () => {
    const keyless = defineEvent({ type: 'order.keyless', schema: Order })
    const flow = defineFlow('keyless', { ordering: byRevision })
      .on(keyless)
      .step('send', erp, { run: ({ event, call }) => call.put('/orders', event.data) })
    await using world = await startWorld({ flows: [flow] })
    await world.publish(keyless, { number: 'A', revision: 7 })
    await world.untilIdle()
    expect(sent(world)).toEqual([7])
  })
})

describe("ordering: 'latest'", () => {
  const push = (onHand: StubOptions['answer']) => {
    const flow = defineFlow('push-stock', { ordering: 'latest' })
      .on(stockChanged)
      .step('push', erp, {
        retry: { first: '1m', factor: 1, attempts: 5 },
        run: ({ event, call }) => call.put('/stock', event.data),
      })
    return startWorld({ flows: [flow], systems: [stub(erp, { ...(onHand && { answer: onHand }) })] })
  }
  const stock = async (world: World, ...levels: readonly number[]) => {
    for (const onHand of levels) await world.publish(stockChanged, { sku: 'S', onHand })
  }
  const pushed = (world: World) => world.calls(erp).map(({ body }) => (body as { onHand: number }).onHand)

  it('a newer snapshot takes the place of one that is tried again', async () => {
    let down = true
    await using world = await push(() => (down ? { status: 500 } : {}))
    await stock(world, 1)
    await world.advance('1s')
    down = false
    await stock(world, 2, 3)
    await world.untilIdle()
    expect(pushed(world)).toEqual([1, 3])
    expect(await told(world)).toEqual([
      ['superseded', expect.anything()],
      ['superseded', 'a newer snapshot, seq 3, took its place'],
      ['succeeded', null],
    ])
  })

  it('a newer snapshot takes the place of a parked one', async () => {
    await using world = await push(({ body }) =>
      (body as { onHand: number }).onHand < 0 ? { status: 422 } : {},
    )
    await stock(world, -1)
    await world.untilIdle()
    expect(await world.states()).toEqual({ parked: 1 })
    await stock(world, 5)
    await world.untilIdle()
    expect(pushed(world)).toEqual([-1, 5])
    expect(await world.states()).toEqual({ superseded: 1, succeeded: 1 })
  })

  it('what may be under way is never replaced before it has landed', async () => {
    const flow = defineFlow('push-stock', { ordering: 'latest' })
      .on(stockChanged)
      .step('push', keyless, { run: ({ event, call }) => call.put('/stock', event.data) })
    await using world = await startWorld({
      flows: [flow],
      systems: [stub(keyless, { answer: ({ number }) => (number === 1 ? 'timeout' : {}) })],
    })
    await world.publish(stockChanged, { sku: 'S', onHand: 1 })
    await world.advance('3s')
    expect(await world.states()).toEqual({ parked: 1 })
    await world.publish(stockChanged, { sku: 'S', onHand: 2 })
    await world.advance('3s')
    expect(await world.states()).toEqual({ parked: 1, waiting: 1 })
    await world.untilIdle()
    expect(await world.states()).toEqual({ superseded: 1, succeeded: 1 })
    const [first, second] = world.calls(keyless)
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(10_000)
  })
  const keyless = httpSystem({
    name: 'shop',
    baseUrl: 'http://shop.test',
    timeout: '2s',
    idempotency: 'none',
    settle: '10s',
  })

  it('a flow of several steps that has begun is left to end', async () => {
    const flow = defineFlow('push-stock', { ordering: 'latest' })
      .on(stockChanged)
      .step('erp', erp, { run: ({ event, call }) => call.put('/stock', event.data) })
      .step('crm', crm, { after: ['erp'], run: ({ event, call }) => call.put('/stock', event.data) })
    await using world = await startWorld({ flows: [flow], systems: [stub(crm, { failFirst: 3 })] })
    await stock(world, 1)
    await world.advance('1s')
    await stock(world, 2, 3)
    await world.untilIdle()
    expect(pushed(world)).toEqual([1, 3])
    expect(await world.states()).toEqual({ succeeded: 2, superseded: 1 })
  })
})
