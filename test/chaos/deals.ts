/** Deals: flows of three steps with an undo each, to systems that keep a ledger. */
import { z } from 'zod'
import { defineEvent, defineFlow, httpSystem } from '../../src/index.ts'
import type { Flow, FlowOptions } from '../../src/index.ts'
import { dealKinds } from './plan.ts'

/** What the flows of deals are made of. */
export interface DealSettings {
  /** Options of every system. */
  readonly common: object
  readonly retry: { readonly first: '200ms'; readonly cap: '2s' }
  readonly urls: readonly string[]
  readonly partitions?: NonNullable<FlowOptions['partitions']>
}

const Document = z.object({ id: z.string() })

/** One flow that undoes what is refused, and one that holds it, over the same three systems. */
export function dealFlows({ common, retry, urls, partitions }: DealSettings): Flow[] {
  const [salesUrl = '', invoicesUrl = '', shipmentsUrl = ''] = urls
  // Does again whatever it is sent again, also an undo: the engine must look.
  const sales = httpSystem({
    ...common,
    name: 'sales',
    baseUrl: salesUrl,
    idempotency: 'none',
    settle: '1200ms',
  })
  const invoices = httpSystem({ ...common, name: 'invoices', baseUrl: invoicesUrl, settle: '1200ms' })
  const shipments = httpSystem({ ...common, name: 'shipments', baseUrl: shipmentsUrl })
  return dealKinds.map((kind) => {
    const placed = defineEvent({
      type: `chaos.deal.${kind}`,
      schema: z.object({ number: z.string(), revision: z.number(), note: z.string() }),
      key: (deal) => deal.number,
    })
    return defineFlow(`deal-${kind}`, {
      start: 'beginning',
      ...(partitions && { partitions }),
      onFailure: kind === 'undone' ? 'compensate' : 'park',
    })
      .on(placed)
      .step('sale', sales, {
        retry,
        run: async ({ event, call }) =>
          Document.parse(await call.post('/documents', { reference: event.id })),
        find: async ({ event, call }) =>
          Document.optional().parse(await call.find('/documents', { reference: event.id })),
        undo: ({ result, call }) => call.delete(`/documents/${result.id}`),
      })
      .step('invoice', invoices, {
        after: ['sale'],
        retry,
        run: async ({ event, results, call }) =>
          Document.parse(await call.post('/documents', { reference: event.id, before: results.sale.id })),
        find: async ({ event, call }) =>
          Document.optional().parse(await call.find('/documents', { reference: event.id })),
        undo: ({ result, call }) => call.delete(`/documents/${result.id}`),
      })
      .step('shipment', shipments, {
        after: ['invoice'],
        retry,
        run: async ({ event, results, call }) =>
          Document.parse(await call.post('/documents', { reference: event.id, before: results.invoice.id })),
        undo: ({ result, call }) => call.delete(`/documents/${result.id}`),
      })
  })
}
