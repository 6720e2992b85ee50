import type { RunningBusbar } from './runs.ts'

/** Where the console is, and something to see in it; each command works as it stands. */
export function toTry({ url, systems: { erp, accounting, logistics } }: RunningBusbar): string {
  const faults = `curl -X POST ${accounting.controlUrl}/_faults \\
     -H 'content-type: application/json' -d`
  return `Everything is still running. Look at it in the console:

   ${url}

Something to see there; the commands are for another terminal.

1. Break accounting.

   ${faults} '{"down": true}'

2. Publish an order. The ERP and logistics take it, for accounting it waits: the
   console says so in a sentence, and since when, and when busbar tries again.
   Send the same a second time: it counts once.

   curl -X POST ${url}/events \\
     -H 'content-type: application/cloudevents+json' -d '{
     "specversion": "1.0", "id": "try-1", "source": "urn:example:you",
     "type": "shop.order.placed",
     "data": { "number": "SO-9001", "revision": 1, "customer": "C-001",
               "currency": "EUR", "totalCents": 4990 } }'

3. Mend accounting: the order goes on by itself. This is its story:

   ${faults} '{"down": false}'

   ${url}/objects/SO-9001

The same on the command line:

   npm run busbar -- status --url ${url}
   npm run busbar -- runs --url ${url}

The systems, and where each tells what it holds (GET /_state) and takes faults:

   ERP          ${erp.url}   ${erp.controlUrl}
   accounting   ${accounting.url}   ${accounting.controlUrl}
   logistics    ${logistics.url}   ${logistics.controlUrl}

Ctrl-C stops it all.`
}
