/** What people are told about runs and flows that a deployment has left behind. */
import { randomBytes } from 'node:crypto'
import { Writable } from 'node:stream'
import pg from 'pg'
import { pino } from 'pino'
import { afterAll, expect, it } from 'vitest'
import { z } from 'zod'
import { runCli } from '../../src/cli/cli.ts'
import { createControlClient } from '../../src/control/client.ts'
import { createHub, defineConfig, defineEvent, defineFlow, FinalError, postgres } from '../../src/index.ts'
import type { Flow, Hub } from '../../src/index.ts'
import { databaseUrl, StubSystem } from './rig.ts'

const schema = `versions_${randomBytes(6).toString('hex')}`
const placed = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string(), revision: z.number().default(1) }),
  key: (order) => order.number,
})
const erp = new StubSystem({ name: 'erp' })
const acc = new StubSystem({ name: 'acc' })
acc.answer = () => {
  throw new FinalError('no tax code')
}
const saleAnd = (step: string): Flow =>
  defineFlow('o2c')
    .on(placed)
    .step('sale', erp.system, { run: ({ event, call }) => call.send(event.data) })
    .step(step, acc.system, { after: ['sale'], run: ({ event, call }) => call.send(event.data) })
const other = defineFlow('other')
  .on(placed)
  .step('send', erp.system, { run: ({ event, call }) => call.send(event.data) })

const lines: { level: number; flow?: string; msg: string }[] = []
const log = pino(
  { level: 'warn' },
  new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as (typeof lines)[number])
      done()
    },
  }),
)

async function start(...flows: Flow[]): Promise<Hub> {
  const journal = postgres({ url: databaseUrl, schema })
  const config = defineConfig({ journal, flows, events: [placed], http: { port: 0, unauthenticated: true } })
  const hub = createHub(config, { migrate: true, log })
  await hub.start()
  return hub
}

async function cli(hub: Hub, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []]
  const code = await runCli([...args, '--url', hub.url], {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    colour: false,
    width: Infinity,
  })
  process.exitCode = 0
  return { code, out: out.join('\n'), err: err.join('\n') }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within 20 s: ${condition.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

afterAll(async () => {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  await client.query(`DROP SCHEMA ${schema} CASCADE`)
  await client.end()
})

it('a hub says at start, in its status and in its list of flows what an earlier deployment has left behind', async () => {
  const first = await start(saleAnd('invoice'))
  await first.publish(placed, { number: 'SO-1' })
  const parkedIn = (hub: Hub) => async () =>
    (await createControlClient({ url: hub.url }).status({})).open.parked === 1
  await until(parkedIn(first))
  expect((await cli(first, 'flows')).out).toMatch(/^o2c +1 +o2c +yes +0 +1 +0$/m)
  await first.stop()
  expect(lines.filter(({ flow }) => flow !== undefined)).toEqual([])

  const renamed = await start(saleAnd('bill'))
  expect(lines.map(({ msg }) => msg).join('\n')).toMatch(/flow o2c: 1 open run\(s\) have begun steps/)
  expect((await cli(renamed, 'status')).out).toContain(
    '1 run of o2c has begun steps that its deployed version does not have so',
  )
  expect((await cli(renamed, 'flows')).out).toMatch(/^o2c +2 +o2c +yes +0 +1 +1$/m)
  await renamed.stop()

  lines.length = 0
  const without = await start(other)
  await without.publish(placed, { number: 'SO-2' })
  expect(lines.map(({ msg }) => msg).join('\n')).toMatch(
    /flow o2c is not in this configuration, but has 1 open run/,
  )
  await until(
    async () => (await createControlClient({ url: without.url }).status({})).undeployed[0]?.pending === true,
  )
  expect((await cli(without, 'status')).out).toContain(
    'o2c is not deployed, with 1 open run and events that wait for it',
  )
  expect(await cli(without, 'flows', 'remove', 'other', '--reason', 'x')).toMatchObject({
    code: 4,
    err: expect.stringContaining('a live worker runs it') as string,
  })
  expect(await cli(without, 'flows', 'remove', 'o2c', '--reason', 'x')).toMatchObject({
    code: 4,
    err: expect.stringContaining('open runs') as string,
  })
  await cli(without, 'skip', 'o2c/1', '--reason', 'billed by hand')
  expect((await cli(without, 'flows', 'remove', 'o2c', '--reason', 'replaced')).out).toContain('is removed')
  const status = await createControlClient({ url: without.url }).status({})
  expect(status).toMatchObject({ undeployed: [], stranded: [] })
  expect(await createControlClient({ url: without.url }).listAudit({})).toMatchObject({
    items: [{ verb: 'remove', object: 'flow o2c', reason: 'replaced' }, { verb: 'skip' }],
  })
  await without.stop()
})
