/** Expectations in virtual time. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { ExpectationOptions } from '../../src/index.ts'
import { defineEvent, expectEvent } from '../../src/index.ts'
import { startWorld } from '../../src/testing/index.ts'

const orderPlaced = defineEvent({
  type: 'shop.order.placed',
  schema: z.object({ number: z.string(), express: z.boolean().default(false) }),
  key: (order) => order.number,
})
const invoicePosted = defineEvent({
  type: 'shop.invoice.posted',
  schema: z.object({ order: z.string(), invoice: z.string().default('I-1') }),
  key: (invoice) => invoice.order,
})
const shipmentSent = defineEvent({
  type: 'wms.shipment.sent',
  schema: z.object({ shipment: z.string(), reference: z.string() }),
  key: (shipment) => shipment.shipment,
})
const heartbeat = defineEvent({
  type: 'wms.heartbeat',
  schema: z.object({ site: z.string() }),
  key: ({ site }) => site,
})

type Options = Omit<
  ExpectationOptions<
    z.input<typeof orderPlaced.schema>,
    { number: string; express: boolean },
    { order: string; invoice: string }
  >,
  'after' | 'within'
>
const invoiceInTime = (more: Options = {}) =>
  expectEvent(invoicePosted, { after: orderPlaced, within: '2h', name: 'invoice', ...more })
const start = (...expectations: ReturnType<typeof expectEvent>[]) => startWorld({ flows: [], expectations })

describe('an expected event', () => {
  it('that comes in time leaves nothing behind', async () => {
    await using world = await start(invoiceInTime())
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.advance('30m')
    expect(await world.expectations()).toEqual([
      {
        expectation: 'invoice',
        seq: 1,
        key: 'SO-1',
        state: 'open',
        dueAt: new Date('2030-01-01T02:00:00Z'),
        metSeq: null,
      },
    ])
    await world.publish(invoicePosted, { order: 'SO-1' })
    expect(await world.expectations()).toEqual([])
    await world.advance('3h')
    expect(await world.problems()).toEqual([])
  })

  it('that does not come opens a problem for its object; when it comes late, the problem says so and is resolved', async () => {
    await using world = await start(invoiceInTime())
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.publish(orderPlaced, { number: 'SO-2' })
    await world.publish(invoicePosted, { order: 'SO-2' })
    await world.advance('2h')
    expect(await world.problems()).toEqual([]) // not before its time
    await world.advance('40m')
    const title = 'no shop.invoice.posted for SO-1 within 2 h of shop.order.placed (seq 1)'
    expect(await world.problems()).toEqual([
      { system: 'invoice', code: 'expectation.overdue', title, state: 'open' },
    ])
    expect((await world.expectations()).map(({ key, state }) => [key, state])).toEqual([['SO-1', 'overdue']])
    await world.publish(invoicePosted, { order: 'SO-1' }, { id: 'late' })
    expect(await world.problems()).toMatchObject([
      { state: 'resolved', title: `${title}: came 40 min late (seq 4)` },
    ])
    expect(await world.expectations()).toMatchObject([{ key: 'SO-1', state: 'late', metSeq: 4 }])
  })

  it('opens its problem again when the same object is overdue again, in words of its own', async () => {
    await using world = await start(invoiceInTime())
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.advance('3h')
    await world.publish(invoicePosted, { order: 'SO-1' })
    await world.publish(orderPlaced, { number: 'SO-1' }, { id: 'second' })
    await world.advance('3h')
    expect(await world.problems()).toMatchObject([
      { state: 'open', title: 'no shop.invoice.posted for SO-1 within 2 h of shop.order.placed (seq 3)' },
    ])
  })

  it('meets all that is open for its object and was opened before it, and nothing that comes after it', async () => {
    await using world = await start(invoiceInTime())
    for (const id of ['a', 'b']) await world.publish(orderPlaced, { number: 'SO-1' }, { id })
    await world.publish(invoicePosted, { order: 'SO-1' })
    await world.publish(orderPlaced, { number: 'SO-1' }, { id: 'c' })
    expect((await world.expectations()).map(({ seq }) => seq)).toEqual([4])
  })

  it('does not count when it came before, unless it may look back', async () => {
    await using world = await start(
      invoiceInTime(),
      expectEvent(invoicePosted, { after: orderPlaced, within: '2h', name: 'looks-back', lookBack: '1h' }),
    )
    await world.publish(invoicePosted, { order: 'SO-1' })
    await world.publish(invoicePosted, { order: 'SO-2' })
    await world.advance('30m')
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.advance('1h')
    await world.publish(orderPlaced, { number: 'SO-2' })
    expect((await world.expectations()).map(({ expectation, key }) => `${expectation} ${key}`)).toEqual([
      'invoice SO-1',
      'invoice SO-2',
      'looks-back SO-2',
    ])
  })

  it('looks back within what it reads at once too', async () => {
    await using world = await start(invoiceInTime({ lookBack: '1h' }))
    await world.publish(invoicePosted, { order: 'SO-1' })
    await world.publish(orderPlaced, { number: 'SO-1' })
    expect(await world.expectations()).toEqual([])
  })

  it('is due in business hours only: what is placed on Friday evening is not overdue on Sunday', async () => {
    const calendar = { timeZone: 'Europe/Berlin', from: '08:00', to: '17:00' } as const
    await using world = await startWorld({
      flows: [],
      expectations: [invoiceInTime({ calendar })],
      startedAt: new Date('2026-11-27T15:30:00Z'), // a Friday, 16:30 in Berlin
    })
    await world.publish(orderPlaced, { number: 'SO-1' })
    expect(await world.expectations()).toMatchObject([{ dueAt: new Date('2026-11-30T08:30:00Z') }])
    await world.advance('2d')
    expect(await world.problems()).toEqual([])
    await world.advance('18h')
    expect(await world.problems()).toMatchObject([
      { title: expect.stringContaining('within 2 h of business time') as string },
    ])
  })

  it('may belong to another object key, by two functions', async () => {
    const shipped = expectEvent(shipmentSent, {
      after: orderPlaced,
      within: '1d',
      name: 'shipped',
      match: { after: (order) => order.number, expected: (shipment) => shipment.reference },
    })
    await using world = await start(shipped)
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.publish(orderPlaced, { number: 'SO-2' })
    await world.publish(shipmentSent, { shipment: 'S-9', reference: 'SO-2' })
    expect((await world.expectations()).map(({ key }) => key)).toEqual(['SO-1'])
  })

  it('is awaited only after events for which "when" is true', async () => {
    await using world = await start(invoiceInTime({ when: (order) => order.express }))
    await world.publish(orderPlaced, { number: 'SO-1' })
    await world.publish(orderPlaced, { number: 'SO-2', express: true })
    expect((await world.expectations()).map(({ key }) => key)).toEqual(['SO-2'])
  })

  it('may be of the type that it must follow: each sign of life asks for the next', async () => {
    await using world = await start(expectEvent(heartbeat, { after: heartbeat, within: '5m', name: 'alive' }))
    for (const id of ['1', '2', '3']) {
      await world.publish(heartbeat, { site: 'north' }, { id })
      await world.advance('4m')
    }
    expect((await world.expectations()).map(({ seq, state }) => [seq, state])).toEqual([[3, 'open']])
    await world.advance('2m')
    expect(await world.problems()).toMatchObject([
      { state: 'open', title: expect.stringContaining('north') as string },
    ])
  })

  it('does not hold up the others where its function fails', async () => {
    const matched = expectEvent(invoicePosted, {
      after: orderPlaced,
      within: '2h',
      match: {
        after: (order) => {
          if (order.number === 'SO-1') throw new TypeError('no such thing')
          return order.number === 'SO-2' ? 'x'.repeat(300) : order.number
        },
        expected: (invoice) => invoice.order,
      },
    })
    await using world = await start(matched)
    for (const number of ['SO-1', 'SO-2', 'SO-3']) await world.publish(orderPlaced, { number })
    expect((await world.expectations()).map(({ key }) => key)).toEqual(['SO-3'])
  })
})
