import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { runCli } from '../../src/cli/cli.ts'
import { createControlClient } from '../../src/control/client.ts'
import type { Hub } from '../../src/index.ts'
import { createHub, defineConfig, defineEvent, defineFlow, httpSystem, postgres } from '../../src/index.ts'
import { databaseUrl } from '../scenario/rig.ts'

const schema = `bulk_cli_${randomBytes(6).toString('hex')}`
const placed = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string() }),
  key: (order) => order.number,
})
const numbers = Array.from({ length: 12 }, (_, index) => `SO-${100 + index}`)
let target: Server
let hub: Hub
let isMended = false

beforeAll(async () => {
  target = createServer((incoming, response) => {
    incoming.resume()
    incoming.on('end', () => {
      response.writeHead(isMended ? 200 : 422, { 'content-type': 'application/json' })
      response.end(isMended ? '{}' : '{"detail":"no tax code"}')
    })
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  const erp = httpSystem({
    name: 'erp',
    baseUrl: `http://127.0.0.1:${(target.address() as AddressInfo).port}`,
    limits: { rate: { max: 600, per: '1m' } },
  })
  const flow = defineFlow('book')
    .on(placed)
    .step('sale', erp, { run: ({ event, call }) => call.post('/sales', event.data) })
  const journal = postgres({ url: databaseUrl, schema })
  const http = { port: 0, unauthenticated: true }
  hub = createHub(defineConfig({ journal, flows: [flow], http }), { migrate: true, log: 'silent' })
  await hub.start()
  for (const number of numbers) await hub.publish(placed, { number }, { id: number })
  const client = createControlClient({ url: hub.url })
  const deadline = performance.now() + 20_000
  while ((await client.status()).open.parked < numbers.length) {
    if (performance.now() > deadline) throw new Error('the orders are not parked within 20 s')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
})

afterAll(async () => {
  await hub.stop()
  target.closeAllConnections()
  await new Promise((resolve) => target.close(resolve))
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  await client.end()
})

/** Runs a command line in this process; with an answer, a person sits before it. */
async function busbar(args: readonly string[], answer?: string) {
  const out: string[] = []
  const bars: string[] = []
  const terminal = {
    out: (line: string) => void out.push(line),
    err: () => undefined,
    colour: false,
    width: Number.POSITIVE_INFINITY,
    ...(answer !== undefined && {
      ask: async () => answer,
      progress: (line: string) => void bars.push(line),
    }),
  }
  const code = await runCli(['--url', hub.url, ...args], terminal)
  return { code, out: out.join('\n'), bars }
}

it('a problem is seen, taken, retried in stages that stop themselves, and retried again after the repair', async () => {
  const listed = await busbar(['problems', '--needs', 'person'])
  expect(listed.out).toMatch(/needs a person\s+erp\s+12 /)
  const [fingerprint = ''] = /^[0-9a-f]{16}/m.exec(listed.out) ?? []
  const shown = await busbar(['problems', fingerprint, '--limit', '2'])
  expect(shown.out).toContain('12 objects stand since')
  expect(shown.out).toMatch(/SO-100\s+book\/\d+\s+sale\s+parked/)
  const taken = await busbar(['problems', 'acknowledge', fingerprint, '--owner', 'ada', '--note', 'asked'])
  expect(taken.out).toContain('is acknowledged: ada looks after it')

  const retry = ['retry', '--problem', fingerprint, '--ramp', '1,3', '--reason', 'tax code added']
  const refused = await busbar(retry, 'n')
  expect(refused.out).toContain('12 runs of 12 objects, in log order')
  expect(refused.out).toContain('in stages of 1, then 3, then 8')
  expect(refused.out).toContain('erp allows 600 requests a minute')
  expect(refused).toMatchObject({ code: 4 })
  const stopped = await busbar(retry, 'y')
  expect(stopped.code).toBe(1)
  const [, id = ''] = /busbar bulk resume (\d+)/.exec(stopped.out) ?? []
  expect((await busbar(['bulk', 'list', id, '--outcome', 'failed'])).out).toMatch(/SO-100\s+failed\s+parked/)

  isMended = true
  expect((await busbar(['bulk', 'resume', id])).code).toBe(0)
  const followed = await busbar(['bulk', 'follow', id], '')
  expect(followed.out).toBe('12 of 12 are through: 11 succeeded, 1 failed again.')
  const rest = await busbar(['retry', '--problem', fingerprint, '--ramp', '--yes', '--json'])
  expect(JSON.parse(rest.out)).toMatchObject({ state: 'done', counts: { succeeded: 1 } })
  expect((await busbar(['bulk'])).out).toMatch(/retry\s+done\s+12/)
})

it('says what does not go together', async () => {
  expect((await busbar(['retry', 'book/1', '--ramp'])).code).toBe(2)
  expect((await busbar(['retry', '--flow', 'book', '--plan-only'])).code).toBe(2)
  expect((await busbar(['bulk', 'skip', '0123'])).code).toBe(2)
  expect((await busbar(['bulk', 'skip', '0123', '--reason', 'x', '--yes'])).code).toBe(3)
  expect((await busbar(['problems', 'ignore', '0123', '--until', '2020-01-01T00:00:00Z'])).code).toBe(2)
})
