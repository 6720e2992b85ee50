/** The outbox as people see it: command line, control API, problems, audit trail, metrics, over a hub that runs. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { runCli } from '../../src/cli/cli.ts'
import { createControlClient } from '../../src/control/client.ts'
import { createHub, defineConfig, defineEvent, defineFlow, defineSystem, postgres } from '../../src/index.ts'
import type { ConfigOptions, Hub } from '../../src/index.ts'
import { databaseUrl } from '../scenario/rig.ts'

const schema = `outbox_${randomBytes(6).toString('hex')}`
const placed = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string(), total: z.number() }),
  key: (order) => order.number,
})
const arrived: { number: string; total: number }[] = []
const erp = defineSystem({
  name: 'erp',
  connect: () => ({ open: (context) => context, close: async () => undefined }),
})
const book = defineFlow('book')
  .on(placed)
  .step('sale', erp, { run: ({ event }) => void arrived.push(event.data) })
let hub: Hub
let app: pg.Client

const configOf = ({ outbox }: Pick<ConfigOptions, 'outbox'>) =>
  defineConfig({
    journal: postgres({ url: databaseUrl, schema }),
    flows: [book],
    http: { port: 0, unauthenticated: true },
    ...(outbox !== undefined && { outbox }),
  })

beforeAll(async () => {
  hub = createHub(configOf({ outbox: { idle: '50ms' } }), { migrate: true, log: 'silent' })
  await hub.start()
  app = new pg.Client({ connectionString: databaseUrl })
  await app.connect()
})

afterAll(async () => {
  await hub.stop()
  await app.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  await app.end()
})

const publish = (type: string, data: string) =>
  app.query(`SELECT ${schema}.publish($1, 'SO-1', $2::text)`, [type, data])

async function busbar(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = []
  const err: string[] = []
  const terminal = {
    out: (line: string) => void out.push(line),
    err: (line: string) => void err.push(line),
    colour: false,
    width: 200,
  }
  const code = await runCli([...args, '--url', hub.url], terminal)
  process.exitCode = undefined
  return { code, out: out.join('\n'), err: err.join('\n') }
}

interface Shown {
  readonly waiting: number
  readonly rejectedCount: number
  readonly rejected: { readonly items: readonly { readonly id: number; readonly type: string }[] }
}
const outbox = async (): Promise<Shown> => JSON.parse((await busbar('outbox', '--json')).out) as Shown
const untilRejected = (count: number) =>
  expect.poll(outbox, { timeout: 10_000 }).toMatchObject({ waiting: 0, rejectedCount: count })

it('an event that was published with SQL reaches the flow', async () => {
  expect((await busbar('outbox')).out).toBe('waiting    0\nset aside  0')
  await publish('order.placed', '{"number":"SO-1","total":10}')
  await expect.poll(() => arrived, { timeout: 10_000 }).toEqual([{ number: 'SO-1', total: 10 }])
})

it('a row that was set aside is seen, mended and retried, and its problem is resolved', async () => {
  await publish('order.placed', '{"number":"SO-2","total":"ten"}')
  await untilRejected(1)
  const id = (await outbox()).rejected.items[0]?.id ?? 0
  const listed = await busbar('outbox')
  expect(listed.out).toMatch(/set aside +1\n/)
  expect(listed.out).toMatch(/order\.placed +SO-1 +event\.invalid +the data does not pass .*\/data\/total/)
  const shown = await busbar('outbox', 'list', String(id))
  expect(shown.out).toContain('{"number":"SO-2","total":"ten"}')
  const client = createControlClient({ url: hub.url })
  expect(await busbar('status')).toMatchObject({
    code: 1,
    out: expect.stringMatching(/^1 outbox row needs a person\./) as string,
  })
  expect((await client.listProblems({})).items).toMatchObject([
    { system: 'outbox', code: 'event.invalid', state: 'open', open: 1, parked: 1 },
  ])
  expect(await busbar('outbox', 'retry', String(id), '--data', '{"number"')).toMatchObject({ code: 2 })
  const retried = await busbar(
    'outbox',
    'retry',
    String(id),
    '--data',
    '{"number":"SO-2","total":10.50}',
    '--reason',
    'typo',
  )
  expect(retried).toMatchObject({ code: 0, out: `row ${id} is back in the outbox, and is judged again now` })
  await expect.poll(() => arrived.at(-1), { timeout: 10_000 }).toEqual({ number: 'SO-2', total: 10.5 })
  expect((await client.listProblems({})).items).toEqual([])
  expect((await client.listAudit({ limit: 1 })).items).toMatchObject([
    {
      actor: 'local',
      verb: 'retry',
      object: `outbox row ${id}`,
      reason: 'typo',
      before: { code: 'event.invalid', key: 'SO-1', data: '{"number":"SO-2","total":"ten"}' },
      after: { data: '{"number":"SO-2","total":10.50}' },
    },
  ])
  expect(await busbar('outbox', 'retry', String(id))).toMatchObject({ code: 3 })
})

it('many are retried by filter, once each; what fails again is set aside again', async () => {
  for (const n of [1, 2, 3]) await publish('order.unknown', `{"n":${n}}`)
  await publish('order.placed', '{}')
  await untilRejected(4)
  expect(await busbar('outbox', 'retry')).toMatchObject({ code: 2 })
  expect((await busbar('outbox', 'retry', '--code', 'event.unknown-type')).out).toBe(
    '3 rows are back in the outbox',
  )
  await untilRejected(4)
  const { rejected } = await outbox()
  expect(rejected.items.map(({ type }) => type)).toEqual([
    'order.unknown',
    'order.unknown',
    'order.unknown',
    'order.placed',
  ])
})

it('a row is discarded with a reason, and the audit trail keeps its data', async () => {
  const id = (await outbox()).rejected.items.at(-1)?.id ?? 0
  expect(await busbar('outbox', 'discard', String(id))).toMatchObject({ code: 2 })
  expect(await busbar('outbox', 'discard', String(id), '--reason', 'a test')).toMatchObject({
    code: 0,
    out: `row ${id} is discarded`,
  })
  expect((await outbox()).rejectedCount).toBe(3)
  const client = createControlClient({ url: hub.url })
  expect((await client.listAudit({ limit: 1 })).items).toMatchObject([
    { verb: 'discard', reason: 'a test', before: { data: '{}' }, after: null },
  ])
  await expect(client.discardRejected({ id, reason: 'again' })).rejects.toMatchObject({
    code: 'request.not-found',
  })
  await expect(client.retryRejected({ id, data: '{"a":' })).rejects.toMatchObject({ code: 'request.invalid' })
  expect(await busbar('outbox', 'discard', 'x', '--reason', 'y')).toMatchObject({ code: 2 })
})

it('metrics tell what waits, what was moved and what is set aside', async () => {
  const text = await (await fetch(`${hub.url}/metrics`)).text()
  expect(text).toMatch(/^busbar_outbox_waiting 0$/m)
  expect(text).toMatch(/^busbar_outbox_oldest_seconds 0$/m)
  expect(text).toMatch(/^busbar_outbox_rejected 3$/m)
  expect(text).toMatch(/^busbar_outbox_moved_total 2$/m)
  expect(text).toMatch(/^busbar_outbox_rejected_total\{code="event.unknown-type"\} 6$/m)
  expect(text).toMatch(/^busbar_events_accepted_total 2$/m)
})

it('a hub with outbox: false moves nothing; more than 10,000 waiting rows are estimated', async () => {
  await hub.stop()
  hub = createHub(configOf({ outbox: false }), { log: 'silent' })
  await hub.start()
  await app.query(
    `SELECT count(${schema}.publish('order.placed', 'A', '{}'::jsonb)) FROM generate_series(1, 10050) i`,
  )
  const client = createControlClient({ url: hub.url })
  const full = await client.readOutbox({})
  expect(full).toMatchObject({ waiting: 10_050, exact: false })
  expect(full.oldestMs).toBeGreaterThan(0)
  await app.query(
    `UPDATE ${schema}.outbox SET at = at - interval '2 minutes' WHERE id = (SELECT min(id) FROM ${schema}.outbox)`,
  )
  expect((await busbar('status')).out).toMatch(/10,050 outbox rows not moved yet, the oldest published /)
  await app.query(`DELETE FROM ${schema}.outbox WHERE id > (SELECT min(id) + 99 FROM ${schema}.outbox)`)
  expect(await client.readOutbox({})).toMatchObject({ waiting: 100, exact: true })
})
