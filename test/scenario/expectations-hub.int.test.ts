/** Expectations as people meet them: a hub, the command line, the control API, metrics. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { runCli } from '../../src/cli/cli.ts'
import { createControlClient } from '../../src/control/client.ts'
import { createHub, defineConfig, defineEvent, expectEvent, postgres } from '../../src/index.ts'
import type { Hub } from '../../src/index.ts'
import { databaseUrl } from './rig.ts'

const orderPlaced = defineEvent({
  type: 'shop.order.placed',
  schema: z.object({ number: z.string() }),
  key: (order) => order.number,
})
const invoicePosted = defineEvent({
  type: 'shop.invoice.posted',
  schema: z.object({ order: z.string() }),
  key: (invoice) => invoice.order,
})
const schema = `expect_${randomBytes(6).toString('hex')}`
let hub: Hub

beforeAll(async () => {
  const expectations = [
    expectEvent(invoicePosted, { after: orderPlaced, within: '200ms', name: 'invoice' }),
    expectEvent(invoicePosted, { after: orderPlaced, within: '2h' }),
  ]
  const journal = postgres({ url: databaseUrl, schema })
  const config = defineConfig({ journal, flows: [], expectations, http: { port: 0, unauthenticated: true } })
  hub = createHub(config, { migrate: true, log: 'silent' })
  await hub.start()
})
afterAll(async () => {
  await hub.stop()
  const client = new pg.Client(databaseUrl)
  await client.connect()
  await client.query(`DROP SCHEMA ${schema} CASCADE`)
  await client.end()
})

async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const lines = { out: [] as string[], err: [] as string[] }
  const code = await runCli([...args, '--url', hub.url], {
    out: (text) => lines.out.push(text),
    err: (text) => lines.err.push(text),
    colour: false,
    width: Infinity,
  })
  process.exitCode = 0
  return { code, out: lines.out.join('\n'), err: lines.err.join('\n') }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within 20 s: ${condition.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

describe('a hub with expectations', () => {
  it('tells what is overdue everywhere, until it comes or a person cancels it', async () => {
    const control = createControlClient({ url: hub.url })
    for (const number of ['SO-1', 'SO-2']) await hub.publish(orderPlaced, { number })
    await until(async () => (await control.status({})).overdue === 2)
    const status = await cli('status')
    expect(status.out).toContain('2 expected events have not come in time')
    expect(status.code).toBe(1)
    const { out } = await cli('expectations')
    expect(out).toMatch(/^invoice +0 +2 .*shop\.invoice\.posted within 200 ms of shop\.order\.placed$/m)
    expect(out).toMatch(/^shop\.invoice\.posted after shop\.order\.placed +2 +0 /m)
    expect((await cli('expectations', 'invoice')).out).toMatch(/^SO-1 +overdue +1 .* expected:[0-9a-f]{16}$/m)
    const { items } = await control.listProblems({})
    expect(items.map(({ code, title }) => [code, title]).sort()).toEqual([
      ['expectation.overdue', 'no shop.invoice.posted for SO-1 within 200 ms of shop.order.placed (seq 1)'],
      ['expectation.overdue', 'no shop.invoice.posted for SO-2 within 200 ms of shop.order.placed (seq 2)'],
    ])
    const metrics = await (await fetch(`${hub.url}/metrics`)).text()
    expect(metrics).toContain('busbar_expectations_overdue{expectation="invoice"} 2')
    expect(metrics).toContain(
      'busbar_expectations_open{expectation="shop.invoice.posted after shop.order.placed"} 2',
    )

    await hub.publish(invoicePosted, { order: 'SO-1' })
    await until(async () => (await control.status({})).overdue === 1)
    expect((await control.listProblems({ state: 'resolved' })).items).toMatchObject([
      { title: expect.stringMatching(/SO-1 .*: came \d+ s late \(seq 3\)$/) as string },
    ])

    expect((await cli('expectations', 'cancel', 'invoice', '2', '--reason', 'prepaid')).out).toContain('SO-2')
    expect((await control.listProblems({ state: 'resolved' })).items).toHaveLength(2)
    expect((await control.listAudit({})).items).toMatchObject([
      {
        verb: 'cancel',
        object: 'expectation invoice/2',
        reason: 'prepaid',
        before: { state: 'overdue', key: 'SO-2' },
      },
    ])
    const again = await cli('expectations', 'cancel', 'invoice', '2', '--reason', 'prepaid')
    expect(again).toMatchObject({ code: 4, err: expect.stringContaining('cancelled already') as string })
    const absent = await cli('expectations', 'cancel', 'invoice', '99', '--reason', 'x')
    expect(absent).toMatchObject({
      code: 3,
      err: expect.stringContaining('awaits nothing after event 99') as string,
    })
    expect(await cli('expectations', 'no-such')).toMatchObject({ code: 3 })
  })

  it('pages through what is awaited, overdue first', async () => {
    const control = createControlClient({ url: hub.url })
    const numbers = Array.from({ length: 5 }, (_, index) => `P-${index}`)
    for (const number of numbers) await hub.publish(orderPlaced, { number })
    const name = 'shop.invoice.posted after shop.order.placed'
    const keys: string[] = []
    await until(async () => (await control.listAwaited({ name })).items.length >= 5)
    for (let cursor: string | null | undefined = undefined; cursor !== null;) {
      const page: Awaited<ReturnType<typeof control.listAwaited>> = await control.listAwaited({
        name,
        limit: 2,
        ...(cursor !== undefined && { cursor }),
      })
      keys.push(...page.items.map(({ key }) => key))
      cursor = page.next
    }
    expect(keys).toEqual(['SO-2', ...numbers])
    await until(
      async () => (await control.listAwaited({ name: 'invoice', state: 'overdue' })).items.length === 5,
    )
    expect((await cli('expectations', 'invoice', '--overdue', '--limit', '2')).out).toMatch(
      /P-1[^]*there are more/,
    )
  })
})
