import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'
import { defineEvent, defineFlow, httpSystem } from '../../src/index.ts'
import type { ConsoleRig } from './rig.ts'
import { openConsole } from './rig.ts'

export const orderPlaced = defineEvent({
  type: 'shop.order.placed',
  schema: z.object({ number: z.string() }),
  key: (order) => order.number,
})

/** A console over one flow, which invoices each order at an accounting system that answers as the test says. */
export async function openInvoicing(
  answer: RequestListener,
  options: { readonly check?: string; readonly label?: string } = {},
): Promise<{ readonly rig: ConsoleRig; readonly close: () => Promise<void> }> {
  const accounting = createServer(answer)
  await new Promise<void>((resolve) => accounting.listen(0, '127.0.0.1', resolve))
  const { port } = accounting.address() as AddressInfo
  const system = httpSystem({ name: 'accounting', baseUrl: `http://127.0.0.1:${port}`, ...options })
  const flow = defineFlow('invoicing')
    .on(orderPlaced)
    .step('invoice', system, { run: ({ event, call }) => call.post('/invoices', event.data) })
  const rig = await openConsole({ events: [orderPlaced], flows: [flow] })
  return {
    rig,
    async close() {
      await rig.close()
      accounting.closeAllConnections()
      await new Promise((resolve) => accounting.close(resolve))
    },
  }
}
