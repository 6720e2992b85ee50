/** One file of a new project. */
export interface ProjectFile {
  readonly path: string
  readonly text: string
}

/** The files of a new project that runs and whose test passes. */
export function projectFiles(options: {
  readonly name: string
  readonly version: string
}): readonly ProjectFile[] {
  return [
    { path: 'package.json', text: packageJson(options) },
    { path: 'busbar.config.ts', text: config(options) },
    { path: 'contracts.ts', text: contracts },
    { path: 'systems.ts', text: systems },
    { path: 'flows.ts', text: flows },
    { path: 'flows.test.ts', text: test },
    { path: 'erp.ts', text: erp },
    { path: 'README.md', text: readme(options) },
    { path: 'tsconfig.json', text: tsconfig },
    { path: '.gitignore', text: 'node_modules/\n.busbar/\n' },
  ]
}

function packageJson({ name, version }: { name: string; version: string }): string {
  const content = {
    name,
    private: true,
    type: 'module',
    scripts: {
      dev: 'node erp.ts & busbar dev; kill $!',
      start: 'busbar start',
      test: 'node --test',
      types: 'tsc --noEmit',
    },
    dependencies: { busbar: `^${version}`, zod: '^4.0.0' },
    devDependencies: { '@electric-sql/pglite': '^0.5.0', '@types/node': '^24.0.0', typescript: '^6.0.0' },
  }
  return `${JSON.stringify(content, null, 2)}\n`
}

function config({ name }: { name: string }): string {
  return `import { defineConfig } from 'busbar'
import { bookSale } from './flows.ts'

// Without \`journal\`, busbar runs a PostgreSQL of its own in .busbar/. With a server of yours:
//   journal: postgres({ url: process.env.DATABASE_URL })
export default defineConfig({
  name: '${name}', // part of every idempotency key: keep it
  flows: [bookSale],
})
`
}

const contracts = `import { defineEvent } from 'busbar'
import { z } from 'zod'

export const Order = z.object({ number: z.string(), customer: z.string(), total: z.number() })

/** A customer has placed an order. Events with one key are handled in order. */
export const orderPlaced = defineEvent({
  type: 'shop.order.placed',
  schema: Order,
  key: (order) => order.number,
})
`

const systems = `import { httpSystem } from 'busbar'

export const erp = httpSystem({
  name: 'erp',
  baseUrl: process.env['ERP_URL'] ?? 'http://127.0.0.1:7071',
  limits: { concurrency: 5 },
})
`

const flows = `import { defineFlow } from 'busbar'
import { orderPlaced } from './contracts.ts'
import { erp } from './systems.ts'

/** Books each order as a sale in the ERP. */
export const bookSale = defineFlow('book-sale')
  .on(orderPlaced)
  .step('sale', erp, {
    run: ({ event, call }) => call.post('/sales', { reference: event.data.number, total: event.data.total }),
    // After a call whose answer was lost: look before it is repeated.
    find: ({ event, call }) => call.find('/sales', { reference: event.data.number }),
  })
`

const test = `import assert from 'node:assert/strict'
import { it } from 'node:test'
import { startWorld, stub } from 'busbar/testing'
import { orderPlaced } from './contracts.ts'
import { bookSale } from './flows.ts'
import { erp } from './systems.ts'

const order = (number: string) => ({ number, customer: 'C-1', total: 99 })

it('books a sale, and tries again when the ERP fails', async (t) => {
  const world = await startWorld({ flows: [bookSale], systems: [stub(erp, { failFirst: 1 })] })
  t.after(() => world.stop())
  await world.publish(orderPlaced, order('SO-1'))
  await world.publish(orderPlaced, order('SO-2'))
  await world.untilIdle() // virtual time: the waiting between tries passes at once
  assert.deepEqual(await world.states(), { succeeded: 2 })
  assert.deepEqual(
    world.calls(erp).map(({ method, path, status }) => \`\${method} \${path} \${status}\`),
    [
      'POST /sales 500', // SO-1
      'POST /sales 200', // SO-2: another key, it does not wait
      'GET /sales 404', // SO-1: an error may come after the effect, so \`find\` looks first
      'POST /sales 200',
    ],
  )
})
`

const erp = `/** A small ERP to try the flow on: it keeps sales in memory, and refuses negative totals. */
import { createServer } from 'node:http'

const sales: { id: number; reference: string; total: number }[] = []

createServer((request, response) => {
  const answer = (status: number, body: unknown) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  const url = new URL(request.url ?? '/', 'http://erp')
  if (request.method === 'GET') {
    const reference = url.searchParams.get('reference')
    return answer(200, reference === null ? sales : sales.filter((sale) => sale.reference === reference))
  }
  let text = ''
  request.on('data', (chunk) => (text += chunk))
  request.on('end', () => {
    const { reference, total } = JSON.parse(text) as { reference: string; total: number }
    if (total < 0) return answer(422, { message: 'a sale has no negative total' })
    const sale = { id: sales.length + 1, reference, total }
    sales.push(sale)
    answer(201, sale)
  })
}).listen(7071, '127.0.0.1')
`

function readme({ name }: { name: string }): string {
  return `# ${name}

\`\`\`sh
npm install
npm test
npm run dev
\`\`\`

Then, in another terminal:

\`\`\`sh
curl -i http://127.0.0.1:7070/events -H 'content-type: application/cloudevents+json' -d '{
  "specversion": "1.0", "id": "SO-1-1", "source": "urn:shop", "type": "shop.order.placed",
  "data": { "number": "SO-1", "customer": "C-1", "total": 99 }
}'
curl http://127.0.0.1:7071/sales
npx busbar status
npx busbar runs
\`\`\`

| file | holds |
| --- | --- |
| contracts.ts | the events |
| systems.ts | the systems that are called |
| flows.ts | what is done on which event |
| flows.test.ts | the flow against a stub, in virtual time |
| busbar.config.ts | what runs |
| erp.ts | a small ERP to try it on |
`
}

const tsconfig = `{
  "compilerOptions": {
    "target": "es2024",
    "module": "nodenext",
    "strict": true,
    "noEmit": true,
    "allowImportingTsExtensions": true,
    "erasableSyntaxOnly": true,
    "types": ["node"]
  },
  "exclude": ["node_modules"]
}
`
