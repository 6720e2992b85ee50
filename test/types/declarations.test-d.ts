/** Checked by `npm run types`: every `@ts-expect-error` must be an error, everything else must not. */
import { z } from 'zod'
import { defineEvent } from '../../src/define/event.ts'
import type { EventOf } from '../../src/define/event.ts'
import type { Flow } from '../../src/define/flow.ts'
import { expectEvent } from '../../src/define/expectation.ts'
import { defineFlow } from '../../src/define/flow.ts'
import { toEvent } from '../../src/define/source.ts'
import { defineSystem } from '../../src/define/system.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Equal<A, B>): void => undefined

const orderPlaced = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string(), total: z.number().default(0) }),
  key: (order) => {
    same<typeof order, { number: string; total: number }>(true)
    return order.number
  },
})
const stockChanged = defineEvent({
  type: 'stock.changed',
  schema: z.object({ sku: z.string(), onHand: z.number() }),
})

interface ErpCall {
  post(path: string, body: unknown): Promise<{ id: string }>
}
const erp = defineSystem<ErpCall>({
  name: 'erp',
  connect: () => ({ open: () => ({ post: async () => ({ id: '1' }) }), close: async () => undefined }),
})

// The type flows from the contract to the event, with defaults applied.
same<EventOf<typeof orderPlaced>['data'], { number: string; total: number }>(true)
same<EventOf<typeof orderPlaced>['type'], 'order.placed'>(true)

// From the event and the system to the step, and from run to verify.
defineFlow('book')
  .on(orderPlaced)
  .step('sale', erp, {
    run: ({ event, call }) => {
      same<typeof event.data.total, number>(true)
      // @ts-expect-error: the contract has no such field
      void event.data.missing
      // @ts-expect-error: the system's call has no such method
      void call.remove
      return call.post('/sales', event.data)
    },
    verify: ({ result }) => {
      same<typeof result, { id: string }>(true)
      return result.id !== ''
    },
  })

// So many partitions as 64 slots can be shared out to.
defineFlow('split', { partitions: 64 })
// @ts-expect-error: no power of two
defineFlow('split-3', { partitions: 3 })
// @ts-expect-error: too many
defineFlow('split-128', { partitions: 128 })

// find must answer what run answers.
defineFlow('book-2')
  .on(orderPlaced)
  .step('sale', erp, {
    run: ({ call }) => call.post('/sales', {}),
    // @ts-expect-error: a number is not the result of run
    find: () => 42,
  })

// Several events make a union, told apart by type.
defineFlow('both')
  .on(orderPlaced, stockChanged)
  .step('note', erp, {
    run: ({ event }) => {
      if (event.type === 'stock.changed') same<typeof event.data, { sku: string; onHand: number }>(true)
      else same<typeof event.data, { number: string; total: number }>(true)
    },
  })

// @ts-expect-error: a flow needs an event
defineFlow('none').on()

// A mapping gives what the schema takes in: defaults may be left out, wrong types not.
toEvent(orderPlaced, { number: 'SO-1' })
// @ts-expect-error: number is a string
toEvent(orderPlaced, { number: 1 })

// A flow of several steps: results flow along the graph.
interface Call {
  post(path: string, body: unknown): Promise<{ id: string }>
  count(): Promise<number>
}
const crm = defineSystem<Call>({
  name: 'crm',
  connect: () => ({
    open: () => ({ post: async () => ({ id: '1' }), count: async () => 1 }),
    close: async () => undefined,
  }),
})
defineFlow('chain')
  .on(orderPlaced)
  .step('sale', crm, {
    run: ({ call }) => call.post('/sales', {}),
    undo: ({ result }) => {
      same<typeof result, { id: string }>(true)
      return result
    },
  })
  .step('count', crm, {
    when: ({ event }) => event.data.total > 10,
    run: ({ call }) => call.count(),
  })
  .step('invoice', crm, {
    after: ['sale'],
    run: ({ results, call }) => {
      same<typeof results, { readonly sale: { id: string } }>(true)
      // @ts-expect-error: count is no step before this one
      void results.count
      return call.post('/invoices', results.sale).then(({ id }) => Number(id))
    },
  })
  .waitFor('paid', stockChanged, { after: ['count'] })
  .waitFor('perhaps', stockChanged, { after: ['sale'], timeout: '1h', onTimeout: 'continue' })
  .approve('manager', { role: 'lead', after: ['paid'] })
  .wait('pause', { for: '1h', after: ['manager'] })
  .step('ship', crm, {
    after: ['invoice', 'pause', 'perhaps'],
    when: ({ results }) => results.invoice > 0,
    run: ({ results }) => {
      same<typeof results.sale, { id: string }>(true)
      same<typeof results.invoice, number>(true)
      same<typeof results.count, number | undefined>(true)
      same<typeof results.paid.data.sku, string>(true)
      same<typeof results.perhaps, EventOf<typeof stockChanged> | undefined>(true)
      same<typeof results.manager.by, string>(true)
      return results.sale
    },
  })

// `after` names earlier steps only: not unknown ones, not the step itself.
const begun = defineFlow('wrong')
  .on(orderPlaced)
  .step('sale', crm, { run: ({ call }) => call.post('/sales', {}) })
begun.step('invoice', crm, {
  // @ts-expect-error: there is no such step
  after: ['sales'],
  run: ({ call }) => call.count(),
})
begun.wait('pause', {
  for: '1h',
  // @ts-expect-error: a step cannot follow itself
  after: ['pause'],
})

// A flow is one from its first step on, and keeps its steps when another flow goes on from it.
const short: Flow = begun
const longer: Flow = begun.wait('pause', { for: '1h' })
void short
void longer
// @ts-expect-error: a flow without steps is none
const none: Flow = defineFlow('none').on(orderPlaced)
void none

// The field that orders a flow is typed by its parameter, and the flow takes only events that have it.
const byTotal = defineFlow('by-total', {
  ordering: { by: 'sequence', field: (order: { total: number }) => order.total },
})
byTotal.on(orderPlaced).step('sale', crm, {
  run: ({ event, call }) => {
    const { total } = event.data
    same<typeof total, number>(true)
    return call.post('/totals', { total })
  },
})
// @ts-expect-error: stock has no total
byTotal.on(stockChanged)
// @ts-expect-error: nor has one of several
byTotal.on(orderPlaced, stockChanged)
// @ts-expect-error: without an annotation nothing is known of the data
defineFlow('unknown', { ordering: { by: 'sequence', field: (order) => Number(order.total) } })
// @ts-expect-error: a number is needed
defineFlow('text', { ordering: { by: 'sequence', field: (order: { number: string }) => order.number } })
defineFlow('plain', { ordering: 'sequence' }).on(orderPlaced, stockChanged)
defineFlow('bounded', { ordering: { by: 'sequence', gapTimeout: '5m' } }).on(orderPlaced, stockChanged)
// @ts-expect-error: no such ordering
defineFlow('newest', { ordering: 'newest' })
toEvent(stockChanged, { sku: 'S', onHand: 1 }, { extensions: { sequence: '7' } })
// An expectation: what each function is given is the data of its own event, with defaults applied.
expectEvent(stockChanged, {
  after: orderPlaced,
  within: '2h',
  when: (order) => {
    same<typeof order, { number: string; total: number }>(true)
    return order.total > 10
  },
  match: {
    after: (order) => order.number,
    expected: (stock) => {
      same<typeof stock, { sku: string; onHand: number }>(true)
      return stock.sku
    },
  },
})
const within = '2h'
// @ts-expect-error: a match gives text
expectEvent(stockChanged, { after: orderPlaced, within, match: { after: () => 1, expected: () => '' } })
// @ts-expect-error: no such match
expectEvent(stockChanged, { after: orderPlaced, within, match: 'subject' })
// @ts-expect-error: within is missing
expectEvent(stockChanged, { after: orderPlaced })
// @ts-expect-error: no duration
expectEvent(stockChanged, { after: orderPlaced, within: 'two hours' })
// @ts-expect-error: no day of the week
expectEvent(stockChanged, { after: orderPlaced, within, calendar: { timeZone: 'UTC', days: ['monday'] } })
// Echoes: the contract's data reach `echo`, a step's facts and result reach `writes`, `version` and `undoWrites`.
const stockTold = defineEvent({
  type: 'stock.told',
  schema: z.object({ sku: z.string(), onHand: z.number().default(0) }),
  echo: {
    system: erp,
    object: (stock) => {
      same<typeof stock, { sku: string; onHand: number }>(true)
      return stock.sku
    },
    fields: ({ onHand }) => ({ onHand }),
    version: ({ onHand }) => onHand,
  },
})
defineEvent({
  type: 'a',
  schema: z.object({ id: z.string() }),
  // @ts-expect-error -- the schema has no such field
  echo: { system: 'erp', object: ({ sku }) => String(sku), version: () => 1 },
})
// @ts-expect-error -- an object is named by text or a number
defineEvent({ type: 'a', schema: z.object({}), echo: { system: 'erp', object: () => true } })
defineFlow('stock', { echoes: 'run' })
  .on(stockTold)
  .step('first', erp, { run: ({ call }) => call.post('/a', {}) })
  .step('second', erp, {
    after: ['first'],
    run: ({ call }) => call.post('/b', {}),
    writes: ({ event, results }) => ({ object: results.first.id, fields: { onHand: event.data.onHand } }),
    version: (result) => {
      same<typeof result, { id: string }>(true)
      return result.id
    },
    undo: () => undefined,
    undoWrites: ({ result, results }) => ({ object: result.id, fields: { of: results.first.id } }),
  })
// @ts-expect-error -- 'skip' or 'run'
defineFlow('stock', { echoes: 'never' })
