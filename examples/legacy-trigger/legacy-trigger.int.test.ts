import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createHub } from '../../src/index.ts'
import type { Hub } from '../../src/index.ts'

const databaseUrl = process.env['BUSBAR_TEST_DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'
const suffix = randomBytes(5).toString('hex')
const journal = `legacy_trigger_${suffix}`
const legacy = `legacy_${suffix}`
const role = `legacy_app_${suffix}`

interface Order {
  readonly number: string
  readonly amount: number
  readonly state: string
  readonly revision: number
}
/** What the CRM was told, by order. */
const told = new Map<string, Order[]>()
let crm: Server
let owner: pg.Client
let hub: Hub
const programs: pg.Client[] = []

/** The example's own files, with the names of this test in the place of theirs. */
async function run(file: string): Promise<void> {
  const text = await readFile(new URL(file, import.meta.url), 'utf8')
  const named = text.replaceAll('legacy_app', role).replaceAll(/(?<!')\blegacy\./g, `${legacy}.`)
  await owner.query(
    named.replaceAll('SCHEMA legacy', `SCHEMA ${legacy}`).replaceAll(/\bbusbar\./g, `${journal}.`),
  )
}

/** A connection of the old program. */
async function program(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(`SET ROLE ${role}; SET search_path = ${legacy}`)
  programs.push(client)
  return client
}

beforeAll(async () => {
  crm = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const order = JSON.parse(body) as Order
      told.set(order.number, [...(told.get(order.number) ?? []), order])
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
  })
  await new Promise<void>((resolve) => crm.listen(0, '127.0.0.1', resolve))
  owner = new pg.Client({ connectionString: databaseUrl })
  await owner.connect()
  await owner.query(`CREATE ROLE ${role}`)
  await run('legacy.sql')
  Object.assign(process.env, {
    DATABASE_URL: databaseUrl,
    BUSBAR_SCHEMA: journal,
    BUSBAR_PORT: '0',
    CRM_URL: `http://127.0.0.1:${(crm.address() as AddressInfo).port}`,
  })
  const { default: config } = await import('./busbar.config.ts')
  hub = createHub(config, { migrate: true, log: 'silent' })
  await hub.start()
  await run('trigger.sql')
})

afterAll(async () => {
  await hub.stop()
  for (const client of programs) await client.end()
  await owner.query(
    `DROP SCHEMA ${journal} CASCADE; DROP SCHEMA ${legacy} CASCADE; DROP OWNED BY ${role}; DROP ROLE ${role}`,
  )
  await owner.end()
  crm.closeAllConnections()
  await new Promise((resolve) => crm.close(resolve))
})

const states = (number: string) => told.get(number)?.map(({ state }) => state)
const until = (what: () => unknown, value: unknown) => expect.poll(what, { timeout: 15_000 }).toEqual(value)

it('what the old program commits reaches the CRM, in its order; what it rolls back never does', async () => {
  const client = await program()
  await client.query('BEGIN')
  await client.query(`INSERT INTO orders (order_no, customer, amount) VALUES ('SO-0', 'C-1', 5)`)
  await client.query('ROLLBACK')
  await client.query(`INSERT INTO orders (order_no, customer, amount) VALUES ('SO-1', 'C-1', 99.50)`)
  await client.query(`UPDATE orders SET state = 'paid' WHERE order_no = 'SO-1'`)
  await client.query('BEGIN')
  await client.query(`UPDATE orders SET state = 'cancelled' WHERE order_no = 'SO-1'`)
  await client.query('ROLLBACK')
  await client.query(`UPDATE orders SET state = 'shipped' WHERE order_no = 'SO-1'`)
  await until(() => states('SO-1'), ['open', 'paid', 'shipped'])
  expect(told.get('SO-1')?.[0]).toMatchObject({ amount: 99.5, revision: 0 })
  expect(told.has('SO-0')).toBe(false)
})

it('many changes of few orders from several connections arrive in the order of their commits, each once', async () => {
  const numbers = Array.from({ length: 8 }, (_, index) => `M-${index}`)
  const first = await program()
  for (const number of numbers)
    await first.query(`INSERT INTO orders (order_no, customer, amount) VALUES ($1, 'C-2', 1)`, [number])
  await Promise.all(
    Array.from({ length: 4 }, async (_, nth) => {
      const client = await program()
      for (let index = 0; index < 60; index++)
        await client.query('UPDATE orders SET amount = amount + 1 WHERE order_no = $1', [
          numbers[(index * 3 + nth) % numbers.length],
        ])
    }),
  )
  const { rows } = await owner.query<{ order_no: string; changed: number }>(
    `SELECT order_no, changed FROM ${legacy}.orders WHERE order_no LIKE 'M-%' ORDER BY order_no`,
  )
  expect(rows.reduce((sum, { changed }) => sum + changed, 0)).toBe(240)
  for (const { order_no, changed } of rows)
    await until(
      () => told.get(order_no)?.map(({ revision }) => revision),
      Array.from({ length: changed + 1 }, (_, index) => index),
    )
})

it('a row that is no event is set aside, the others go on, and it is mended and retried', async () => {
  const client = await program()
  await client.query(
    `INSERT INTO orders (order_no, customer, amount) VALUES ('P-1', NULL, 10), ('P-2', 'C-3', 20)`,
  )
  await until(() => states('P-2'), ['open'])
  const { rejected, waiting } = (await (await fetch(`${hub.url}/api/v1/outbox`)).json()) as {
    waiting: number
    rejected: { items: { id: number; key: string; message: string }[] }
  }
  expect(waiting).toBe(0)
  expect(rejected.items).toMatchObject([
    { key: 'P-1', message: expect.stringContaining('/data/customer') as string },
  ])
  expect(told.has('P-1')).toBe(false)
  const mended = { number: 'P-1', customer: 'C-4', amount: 10, state: 'open', revision: 0 }
  const response = await fetch(`${hub.url}/api/v1/outbox/rejected/${rejected.items[0]?.id}/retry`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ data: JSON.stringify(mended), reason: 'the customer was found' }),
  })
  expect(response.status).toBe(200)
  await until(() => told.get('P-1'), [mended])
})

it('the old program sees nothing of busbar', async () => {
  const client = await program()
  for (const table of ['outbox', 'events', 'runs'])
    await expect(client.query(`SELECT * FROM ${journal}.${table}`)).rejects.toThrow('permission denied')
})
