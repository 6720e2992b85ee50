/** Checked by `npm run types`: every `@ts-expect-error` must be an error, everything else must not. */
import { z } from 'zod'
import type { IdReference } from '../../src/index.ts'
import { defineEvent, defineFlow, defineSystem } from '../../src/index.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Equal<A, B>): void => undefined

const orderPlaced = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string(), customerId: z.string(), gift: z.boolean() }),
  key: (order) => order.number,
})
interface ErpCall {
  post(path: string, body: unknown): Promise<{ id: number; lines: { ref: string; id: string }[] }>
}
const erp = defineSystem<ErpCall>({
  name: 'erp',
  connect: () => ({
    open: () => ({ post: async () => ({ id: 1, lines: [] }) }),
    close: async () => undefined,
  }),
})

// The result flows into links, the event and the results into links and dependsOn; ids makes references there, and reads in run.
defineFlow('links')
  .on(orderPlaced)
  .step('sale', erp, {
    run: async ({ call, ids }) => {
      const known = await ids.get('customer', 'C-7', erp)
      same<typeof known, string | undefined>(true)
      return call.post('/sales', { known })
    },
    links: (result, { event }) => {
      same<typeof result.id, number>(true)
      return {
        order: result.id,
        customer: { id: event.data.customerId, external: 'x' },
        line: result.lines.map((line) => ({ id: line.ref, external: line.id })),
      }
    },
  })
  .step('bill', erp, {
    after: ['sale'],
    dependsOn: ({ event, results, ids }) => {
      const reference = ids('customer', event.data.customerId, erp)
      same<typeof reference, IdReference>(true)
      same<typeof results.sale.id, number>(true)
      return [reference, event.data.gift ? ids('gift', results.sale.id, 'shop') : undefined]
    },
    dependsWithin: '24h',
    run: ({ call }) => call.post('/bills', {}),
    links: (result) => (result.id > 0 ? { bill: result.id } : undefined),
  })

defineFlow('wrong')
  .on(orderPlaced)
  .step('sale', erp, {
    // @ts-expect-error: the event's data is no id
    dependsOn: ({ event, ids }) => ids('customer', event.data, erp),
    run: ({ call }) => call.post('/sales', {}),
    // @ts-expect-error: an id is text or a number
    links: () => ({ order: true }),
  })

defineFlow('wrong-2')
  .on(orderPlaced)
  .step('sale', erp, {
    run: ({ call }) => call.post('/sales', {}),
    // @ts-expect-error: the result itself is no id
    links: (result) => ({ order: result }),
    // @ts-expect-error: a reference is made with ids
    dependsOn: () => 'C-7',
  })
