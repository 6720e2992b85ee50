/** Events found by what became of them, what was refused, test events, and what the hub says of itself. */
import SwaggerParser from '@apidevtools/swagger-parser'
import { Parser } from '@asyncapi/parser'
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { ControlClient } from '../../src/control/client.ts'
import { createControlClient } from '../../src/control/client.ts'
import { openApiDocument } from '../../src/control/openapi.ts'
import {
  createHub,
  defineConfig,
  defineEvent,
  defineFlow,
  FinalError,
  defineSystem,
  hmacSignature,
  postgres,
  toEvent,
  webhookSource,
} from '../../src/index.ts'
import type { Hub } from '../../src/index.ts'
import { databaseUrl } from './rig.ts'

interface Category {
  readonly name: string
  readonly parent?: Category | undefined
}
const Category: z.ZodType<Category> = z.object({
  name: z.string(),
  get parent() {
    return Category.optional()
  },
})

const placed = defineEvent({
  type: 'shop.order.placed',
  schema: z.object({
    number: z
      .string()
      .min(3)
      .meta({ examples: ['SO-1042'] }),
    currency: z.enum(['EUR', 'CHF']),
    card: z.string().meta({ sensitive: true }).optional(),
    lines: z.array(z.object({ sku: z.string(), quantity: z.number().int().min(1) })),
    category: Category.optional(),
    at: z.iso.datetime().optional(),
  }),
  key: (order) => order.number,
})
const opaque = defineEvent({
  type: 'any.thing',
  schema: {
    '~standard': { version: 1, vendor: 'own', validate: (value: unknown) => ({ value }) },
  },
})

let hub: Hub
let schema: string
let control: ControlClient

beforeEach(async () => {
  schema = `events_${randomBytes(6).toString('hex')}`
  const erp = defineSystem<() => void>({
    name: 'erp',
    connect: () => ({
      open:
        ({ event }) =>
        () => {
          if (event.key?.startsWith('BAD')) throw new FinalError('no tax code')
        },
      close: async () => undefined,
    }),
  })
  const flow = defineFlow('book')
    .on(placed)
    .step('sale', erp, { run: ({ call }) => call() })
  hub = createHub(
    defineConfig({
      name: 'wholesale',
      journal: postgres({ url: databaseUrl, schema }),
      flows: [flow],
      events: [opaque],
      sources: [
        webhookSource({
          name: 'shop/eu',
          signature: hmacSignature({ header: 'x-sign', encoding: 'hex', secrets: ['Sign-1234567'] }),
          id: () => '1',
          map: () => toEvent(placed, { number: 'SO-9', currency: 'EUR', lines: [] }),
        }),
      ],
      http: { port: 0, unauthenticated: true },
      outbox: false,
    }),
    { migrate: true, log: 'silent', leaseMs: 2_000 },
  )
  await hub.start()
  control = createControlClient({ url: hub.url })
})

afterEach(async () => {
  await hub.stop({ graceMs: 1_000 })
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  await client.end()
})

const order = (number: string) => ({ number, currency: 'EUR' as const, lines: [{ sku: 'A', quantity: 1 }] })

function post(body: unknown, path = '/events'): Promise<Response> {
  return fetch(hub.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  await expect.poll(condition, { timeout: 15_000, interval: 50 }).toBe(true)
}

describe('events', () => {
  it('are found by what a flow made of them, and by when they came', async () => {
    await hub.publish(placed, order('SO-1'))
    const middle = new Date(Date.now() + 1).toISOString()
    await new Promise((resolve) => setTimeout(resolve, 5))
    await hub.publish(placed, order('BAD-1'))
    await hub.publish(placed, order('SO-2'))
    await until(async () => (await control.listEvents({ state: 'succeeded' })).items.length === 2)
    await until(async () => (await control.listEvents({ state: 'parked' })).items.length === 1)
    const keys = async (query: Parameters<typeof control.listEvents>[0]) =>
      (await control.listEvents(query)).items.map(({ key }) => key)
    expect(await keys({ state: 'parked' })).toEqual(['BAD-1'])
    expect(await keys({ state: 'succeeded' })).toEqual(['SO-2', 'SO-1'])
    expect(await keys({ state: 'succeeded', key: 'SO-1' })).toEqual(['SO-1'])
    expect(await keys({ state: 'parked', key: 'SO-1' })).toEqual([])
    expect(await keys({ from: middle })).toEqual(['SO-2', 'BAD-1'])
    expect(await keys({ to: middle })).toEqual(['SO-1'])
    const first = await control.listEvents({ state: 'succeeded', limit: 1 })
    expect(await keys({ state: 'succeeded', limit: 1, before: Number(first.next) })).toEqual(['SO-1'])
  })

  it('that are refused are kept with the reason and a sample that shows nothing it must not', async () => {
    const secret = '4111 1111 1111 1111'
    const event = { specversion: '1.0', id: 'x', source: 'urn:shop', type: 'shop.order.placed' }
    await post({ ...event, data: { number: 'S', card: secret, currency: secret } })
    await post({ ...event, data: { number: 'S', card: secret, currency: secret } })
    await post(`{"type":"shop.order.placed","data":{"card":"${secret}",,`)
    await post({ ...event, type: 'nobody.knows', data: { card: secret } })
    await fetch(`${hub.url}/in/shop/eu`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-sign': '00' },
      body: JSON.stringify({ card: secret }),
    })
    await until(async () => (await control.listRefused({})).items.length === 4)
    const { items, lastDay } = await control.listRefused({})
    expect(lastDay).toBe(5)
    expect(JSON.stringify(items)).not.toContain('4111')
    const of = (code: string) => items.find((each) => each.code === code)
    expect(of('event.invalid')).toMatchObject({
      ...{ door: 'events', type: 'shop.order.placed', source: 'urn:shop', eventId: 'x', times: 2 },
      faults: expect.arrayContaining([
        { pointer: '/data/number', message: expect.any(String) as string },
      ]) as [],
    })
    expect(of('event.invalid')?.sample).toContain('"card":"[redacted]"')
    expect(of('event.unknown-type')?.why).toContain('nobody.knows')
    expect(of('request.malformed')?.type).toBeNull()
    expect(of('signature.invalid')).toMatchObject({ door: 'shop/eu' })
    expect((await control.listRefused({ code: 'signature.invalid' })).items).toHaveLength(1)
    const [newest] = items
    expect((await control.listRefused({ before: newest!.id, limit: 1 })).items[0]?.id).toBe(newest!.id - 1)
  })

  it('can be published to try: checked as at the door, marked, and audited', async () => {
    const asked = { type: 'shop.order.placed', data: order('TEST-1') }
    const dry = await control.publishTest({ ...asked, dryRun: true })
    expect(dry).toMatchObject({ seq: null, key: 'TEST-1', flows: ['book'] })
    expect((await control.listEvents({})).items).toEqual([])
    const done = await control.publishTest({ ...asked, reason: 'a trial' })
    const event = await control.getEvent({ seq: done.seq! })
    expect(event).toMatchObject({ key: 'TEST-1', extensions: { busbartest: 'true' } })
    await expect(
      control.publishTest({ type: 'shop.order.placed', data: { number: 'T' } }),
    ).rejects.toMatchObject({
      code: 'event.invalid',
      details: {
        faults: expect.arrayContaining([expect.objectContaining({ pointer: '/data/number' })]) as [],
      },
    })
    expect((await control.listAudit({})).items[0]).toMatchObject({
      ...{ verb: 'publish test', object: `event ${done.seq}`, reason: 'a trial' },
    })
  })
})

describe('the catalogue', () => {
  it('says of each type its schema, an example that passes it, who makes and takes it, and how much there is', async () => {
    await hub.publish(placed, order('SO-1'), { source: 'urn:shop:web' })
    const { items, sources, sample } = await control.readCatalog({})
    expect(items.map(({ type }) => type)).toEqual(['any.thing', 'shop.order.placed'])
    const [thing, type] = items
    expect(thing).toMatchObject({ schema: null, count: 0, lastAt: null, keyed: false })
    expect(type).toMatchObject({
      ...{ version: '1', keyed: true, redacted: ['card'], producers: ['urn:shop:web'], count: 1 },
      consumers: [{ flow: 'book', systems: ['erp'] }],
    })
    expect(placed.schema['~standard'].validate(type!.example)).not.toHaveProperty('issues')
    expect(type!.example).toMatchObject({ number: 'SO-1042', currency: 'EUR' })
    expect(sources).toEqual([{ name: 'shop/eu', kind: 'webhook', address: '/in/shop/eu' }])
    expect(sample.events).toBe(1)
  })

  it('is AsyncAPI 3 in the eyes of its own parser', async () => {
    const { document, diagnostics } = await new Parser().parse(JSON.stringify(await control.asyncApi({})))
    expect(diagnostics.filter(({ severity }) => Number(severity) === 0)).toEqual([])
    expect(document?.version()).toBe('3.0.0')
    expect(
      document
        ?.operations()
        .all()
        .map((operation) => operation.id()),
    ).toContain('book.takes.shop.order.placed')
  })

  it('and the control API are OpenAPI in the eyes of their own parser', async () => {
    for (const document of [await control.doorOpenApi({}), openApiDocument()])
      await expect(SwaggerParser.validate(structuredClone(document) as never)).resolves.toBeDefined()
    const door = (await control.doorOpenApi({})) as { paths: Record<string, unknown> }
    expect(Object.keys(door.paths)).toEqual(['/events', '/in/shop/eu'])
  })
})
