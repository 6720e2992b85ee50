import type { RunningBusbar } from './runs.ts'

/** What is running where, and three things to do with it; each command works as it stands. */
export function toTry({ url, systems: { erp, accounting, logistics } }: RunningBusbar): string {
  const json = `-H 'content-type: application/json'`
  const event = JSON.stringify({
    specversion: '1.0',
    id: 'try-1',
    source: 'urn:example:you',
    type: 'shop.order.placed',
    data: { number: 'SO-9001', revision: 1, customer: 'C-001', currency: 'EUR', totalCents: 4_990 },
  })
  return `All is still running:

  busbar      ${url}
  ERP         ${erp.url}    its faults and records  ${erp.controlUrl}
  accounting  ${accounting.url}    its faults and records  ${accounting.controlUrl}
  logistics   ${logistics.url}    its faults and records  ${logistics.controlUrl}

Three things to try in another terminal:

1. Break accounting. Its orders will wait; the ERP and logistics go on. Send "down":false to mend it.

   curl -X POST ${accounting.controlUrl}/_faults ${json} -d '{"down":true}'

2. Publish an order, and send it a second time: it counts once.

   curl -X POST ${url}/events -H 'content-type: application/cloudevents+json' \\
     -d '${event}'

3. See what became of it: on the command line, or in the console, where the orders of a broken accounting
   are a sentence, a cause and a button.

   npm run busbar -- runs --url ${url}

Now open the console:  ${url}

Ctrl-C stops it all.`
}
