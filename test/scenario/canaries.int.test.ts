/** Recognisable values stand as every secret and in every marked field; nothing that leaves the process shows one. */
import { createHmac, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import pg from 'pg'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { runCli } from '../../src/cli/cli.ts'
import { createControlClient } from '../../src/control/client.ts'
import type { ControlClient } from '../../src/control/client.ts'
import { apiPrefix, routes } from '../../src/control/route-table.ts'
import type { Route } from '../../src/control/route.ts'
import {
  apiKey,
  basic,
  bearer,
  clientCredentials,
  createHub,
  defineConfig,
  defineEvent,
  defineFlow,
  FinalError,
  hmacSignature,
  httpSystem,
  postgres,
  sessionLogin,
  toEvent,
  webhookSource,
} from '../../src/index.ts'
import type { Hub } from '../../src/index.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { OtlpReceiver } from './otlp-receiver.ts'
import { databaseUrl } from './rig.ts'

/** By what they are; each is found again by its middle, however it is written. */
const canaries = {
  basic: 'Canary-Basic-31415',
  apiKey: 'Canary-ApiKey-92653',
  bearer: 'Canary-Bearer-58979',
  client: 'Canary-Client-32384',
  token: 'Canary-Token-62643',
  login: 'Canary-Login-38327',
  cookie: 'Canary-Cookie-95028',
  signing: 'Canary-Signing-84197',
  header: 'Canary-Header-16939',
  collector: 'Canary-Collector-27182',
  iban: 'DE89 3704 0044 0532 0131 99',
  card: '4929-1234-5678-9012',
  taxId: 'TX-77712345',
  birthday: '1987-06-21',
  edited: 'AT61 1904 3002 3457 3201',
} as const
const looks = Object.values(canaries).map((canary) => {
  const bare = bareOf(canary)
  return bare.length < 14 ? bare : bare.slice(4, 15)
})
const base64Of = (text: string) => Buffer.from(text).toString('base64').replace(/=+$/, '')
/** As headers write them. */
const encoded = [...Object.values(canaries), `busbar:${canaries.basic}`, `id:${canaries.client}`].map(
  base64Of,
)

const Order = z.object({
  number: z.string(),
  customer: z.object({ iban: z.string(), birthday: z.string().meta({ sensitive: true }) }),
  lines: z.array(z.object({ sku: z.string(), card: z.string() })),
  taxId: z.string(),
  mode: z.string().refine((mode) => mode !== 'refused', { error: ({ input }) => `not ${String(input)}` }),
})
const order = defineEvent({
  type: 'shop.order.placed',
  schema: Order,
  key: ({ number }) => number,
  redact: ['customer.account', 'lines[].card', 'customer.iban'],
})

const retry = { first: '50ms', cap: '100ms', attempts: 3 } as const

const data = (number: string, mode: string) => ({
  number,
  mode,
  customer: { iban: canaries.iban, birthday: canaries.birthday },
  lines: [{ sku: 'A', card: canaries.card }],
  taxId: canaries.taxId,
})

let hub: Hub
let target: Server
let schema: string
let control: ControlClient
let log = ''
let got: string[]
let collector: OtlpReceiver

/** Answers everything it was asked, credentials and all, as a test system or a careless one does. */
function echo(request: IncomingMessage, body: string): { status: number; text: string } {
  const all = JSON.stringify({
    message: `refused: ${body} ${JSON.stringify(request.headers)}`,
    error: body.slice(0, 60),
  })
  if (request.url?.startsWith('/token'))
    return { status: 200, text: JSON.stringify({ access_token: canaries.token, expires_in: 600 }) }
  if (request.url?.startsWith('/login')) return { status: 200, text: '{}' }
  if (body.includes('"fails"')) return { status: 500, text: all }
  if (body.includes('"parks"')) return { status: 422, text: all }
  if (body.includes('"text"'))
    return { status: 400, text: `account=${canaries.iban.replaceAll(' ', '')} ${all}` }
  return { status: 201, text: JSON.stringify({ id: '1', account: canaries.iban, password: canaries.basic }) }
}

beforeEach(async () => {
  got = []
  log = ''
  schema = `canaries_${randomBytes(6).toString('hex')}`
  target = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      got.push(body)
      const { status, text } = echo(request, body)
      response
        .writeHead(status, { 'content-type': 'application/json', 'set-cookie': `sid=${canaries.cookie}` })
        .end(text)
    })
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  collector = new OtlpReceiver()
  const otlp = await collector.open()
  const baseUrl = `http://127.0.0.1:${(target.address() as AddressInfo).port}`
  const auths = {
    basic: basic({ user: 'busbar', password: canaries.basic }),
    key: apiKey({ key: canaries.apiKey, header: 'x-own' }),
    bearer: bearer(canaries.bearer),
    client: clientCredentials({ tokenUrl: '/token', clientId: 'id', clientSecret: canaries.client }),
    session: sessionLogin({ path: '/login', login: { user: 'busbar', pin: canaries.login } }),
  }
  const flows = Object.entries(auths).map(([name, auth]) => {
    const system = httpSystem({
      name,
      baseUrl,
      auth,
      headers: { 'x-tenant-key': canaries.header },
      breaker: { consecutiveFailures: 1_000, failureRatio: 1, minimumCalls: 100_000 },
    })
    const path = ({ taxId, lines }: z.infer<typeof Order>) =>
      `/sales/${encodeURIComponent(taxId)}?card=${encodeURIComponent(lines[0]?.card ?? '')}`
    return defineFlow(name)
      .on(order)
      .step('sale', system, {
        retry,
        run: ({ event, call }) =>
          call.post<{ account: string }>(path(event.data), {
            ...event.data,
            account: event.data.customer.iban.replaceAll(' ', ''),
          }),
      })
      .step('check', system, {
        retry,
        after: ['sale'],
        run: ({ event, results }) => {
          if (event.data.mode === 'throws')
            throw new FinalError(`no bank for ${event.data.customer.iban} or ${results.sale.account}`, {
              vendorCode: `B-${event.data.taxId}`,
            })
          if (event.data.mode === 'breaks') throw new TypeError(`cannot read ${JSON.stringify(event.data)}`)
        },
      })
  })
  const lines = new Writable({
    write(chunk: Buffer, _encoding, done) {
      log += chunk.toString()
      done()
    },
  })
  hub = createHub(
    defineConfig({
      name: 'canaries',
      journal: postgres({ url: databaseUrl, schema }),
      flows,
      redact: ['tax-id', 'x-tenant-key'],
      sources: [
        webhookSource({
          name: 'shop',
          signature: hmacSignature({ header: 'x-sign', encoding: 'hex', secrets: [canaries.signing] }),
          id: () => '1',
          map: ({ body }) => toEvent(order, body as never),
        }),
      ],
      http: { port: 0, unauthenticated: true },
      telemetry: { otlp: { url: otlp, headers: { authorization: `Bearer ${canaries.collector}` } } },
    }),
    { migrate: true, leaseMs: 2_000, log: createLog('debug', { to: lines }) },
  )
  await hub.start()
  control = createControlClient({ url: hub.url })
})

afterEach(async () => {
  await hub.stop({ graceMs: 1_000 })
  await collector.close()
  target.closeAllConnections()
  await new Promise((resolve) => target.close(resolve))
  await sql(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
})

async function sql<Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: databaseUrl, options: `-c search_path=${schema}` })
  await client.connect()
  try {
    return (await client.query(text, [...values])).rows as Row[]
  } finally {
    await client.end()
  }
}

/** Without what people, and URLs, put between the characters of a number. */
function bareOf(text: string): string {
  return text.replaceAll(/%20|[\s+-]/g, '')
}

/** Where a canary shows, with a few characters around it. */
function shown(where: string, text: string): string[] {
  const bare = bareOf(text)
  const found = (within: string, look: string): string[] => {
    const at = within.indexOf(look)
    return at < 0 ? [] : [`${where}: …${within.slice(Math.max(0, at - 60), at + 40)}…`]
  }
  return [...looks.flatMap((look) => found(bare, look)), ...encoded.flatMap((look) => found(text, look))]
}

/** Everything that can be asked of the control API, for every run, event, row and problem there is. */
async function everyAnswer(): Promise<[where: string, text: string][]> {
  const runs = (await control.listRuns({ limit: 200 })).items
  const events = (await control.listEvents({ limit: 200 })).items
  const problems = (await control.listProblems({ limit: 200 })).items
  const replays = (await control.listReplays({})).items
  const rejected = (await control.readOutbox({})).rejected.items
  const paths = Object.values(routes as Readonly<Record<string, Route>>)
    .filter(({ method }) => method === 'GET')
    .flatMap(({ path }) => {
      if (path.startsWith('/runs/{flow}')) return runs.map(({ flow, seq }) => `/runs/${flow}/${seq}`)
      if (path === '/events/{seq}') return events.map(({ seq }) => `/events/${seq}`)
      if (path === '/events/by-identity')
        return events.map(({ source, id }) => `${path}?source=${encodeURIComponent(source)}&id=${id}`)
      if (path.startsWith('/problems/{fingerprint}'))
        return problems.map(({ fingerprint }) => path.replace('{fingerprint}', fingerprint))
      if (path === '/replays/{id}') return replays.map(({ id }) => `/replays/${id}`)
      if (path === '/outbox/rejected/{id}') return rejected.map(({ id }) => `/outbox/rejected/${id}`)
      if (path === '/objects/{key}') return events.map(({ key }) => `/objects/${key}`)
      if (path === '/systems/{name}') return ['/systems/basic', '/systems/session']
      if (path === '/search') return ['/search?q=SO', `/search?q=DE`]
      return path.includes('{') ? [] : [path]
    })
  const whole = [...paths.map((path) => apiPrefix + path), '/metrics', '/api/v1/openapi.json']
  return Promise.all(
    whole.map(async (path): Promise<[string, string]> => [path, await (await fetch(hub.url + path)).text()]),
  )
}

async function everyCommand(): Promise<[where: string, text: string][]> {
  const [run] = (await control.listRuns({ state: 'parked' })).items
  const [event] = (await control.listEvents({})).items
  const commands = [
    ['status'],
    ['events'],
    ['events', String(event!.seq)],
    ['runs'],
    ['runs', `${run!.flow}/${run!.seq}`],
    ['problems'],
    ['outbox'],
    ['replays'],
    ['catalog'],
    ['catalog', order.type],
    ['catalog', '--asyncapi'],
    ['systems'],
    ['audit'],
  ]
  const all: [string, string][] = []
  for (const args of commands)
    for (const more of [[], ['--json']]) {
      let text = ''
      const put = (line: string) => void (text += `${line}\n`)
      await runCli([...args, ...more, '--url', hub.url], { out: put, err: put, colour: false, width: 10_000 })
      all.push([`busbar ${args.join(' ')} ${more.join(' ')}`, text])
    }
  return all
}

/** All rows of all tables, but what must be sent again: the log, inputs and results of steps, data of the outbox. */
async function everyRow(): Promise<[where: string, text: string][]> {
  const needed: Readonly<Record<string, readonly string[]>> = {
    events: ['data'],
    steps: ['input', 'result'],
    outbox: ['data'],
    outbox_rejected: ['data'],
  }
  const tables = await sql<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = $1 AND table_type = 'BASE TABLE'`,
    [schema],
  )
  return Promise.all(
    tables.map(async ({ name }): Promise<[string, string]> => {
      const rows = await sql<{ row: string }>(
        `SELECT (to_jsonb(t) - $1::text[])::text AS row FROM ${name} t`,
        [needed[name] ?? []],
      )
      return [`table ${name}`, rows.map(({ row }) => row).join('\n')]
    }),
  )
}

/** What the collector was sent: each span with its attributes, events, links and resource, and the bodies as they came. */
function everySpan(): [where: string, text: string][] {
  const { spans, requests } = collector
  const names = new Set(spans.map(({ name }) => name))
  for (const name of ['POST /events', 'POST /in/shop', 'process basic', 'step sale', 'step check', 'POST'])
    expect(names).toContain(name)
  const calls = spans.filter(({ kind, attributes }) => kind === 3 && attributes['busbar.step'] === 'sale')
  for (const outcome of ['succeeded', 'transient', 'invalid'])
    expect(calls.map(({ attributes }) => attributes['busbar.outcome'])).toContain(outcome)
  expect(calls.every(({ events }) => events.length > 0)).toBe(true)
  expect(requests.every(({ headers }) => headers.authorization?.includes(canaries.collector))).toBe(true)
  return [
    ...spans.map((span): [string, string] => [`span ${span.name}`, JSON.stringify(span)]),
    ...requests.map(({ path, body }): [string, string] => [`OTLP ${path}`, body]),
  ]
}

function post(event: object): Promise<Response> {
  return fetch(`${hub.url}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify({ specversion: '1.0', source: 'urn:shop', type: order.type, ...event }),
  })
}

it('no canary shows in logs, answers, metrics, traces, commands or rows, whatever happens to events that hold them', async () => {
  const modes = ['works', 'fails', 'parks', 'text', 'throws', 'breaks']
  const answers: [string, string][] = []
  for (const [index, mode] of modes.entries())
    answers.push([`post ${mode}`, await (await post({ id: mode, data: data(`SO-${index}`, mode) })).text()])
  // Refused in each way.
  for (const event of [
    { id: 'r1', data: data('SO-9', 'refused') },
    { id: 'r2', data: { ...data('SO-9', 'works'), number: canaries.iban.length } },
    { id: 'works', data: data('SO-other', 'works') },
    { id: 'r3', type: 'nobody.knows', data: data('SO-9', 'works') },
  ])
    answers.push(['refused', await (await post(event)).text()])
  const body = JSON.stringify(data('SO-9', 'works'))
  const signature = createHmac('sha256', canaries.signing).update(body).digest('hex')
  for (const [sign, status] of [
    ['00', 401],
    [signature, 202],
  ] as const) {
    const headers = { 'content-type': 'application/json', 'x-sign': sign }
    const answer = await fetch(`${hub.url}/in/shop`, { method: 'POST', headers, body })
    answers.push(['webhook', await answer.text()])
    expect(answer.status).toBe(status)
  }
  await sql(`SELECT publish('shop.order.placed', 'SO-8', $1::jsonb)`, [
    JSON.stringify(data('SO-8', 'refused')),
  ])
  await sql(`SELECT publish('shop.order.placed', 'SO-8', $1::jsonb)`, [
    JSON.stringify({ iban: canaries.iban }),
  ])
  const parked = async () => (await control.listRuns({ state: 'parked', limit: 200 })).items
  const until = (condition: () => Promise<boolean>) =>
    expect.poll(condition, { timeout: 40_000, interval: 100 }).toBe(true)
  await until(async () => (await parked()).filter(({ code }) => code !== null).length >= 15)
  await until(async () => (await control.readOutbox({})).rejectedCount === 2)

  // Retries, edits that keep and that replace what is hidden, a result by hand, a replay, rows put back and ended.
  const [first, second, third] = (await parked()).filter(({ code }) => code?.startsWith('B-') === true)
  const run = await control.getRun({ flow: first!.flow, seq: first!.seq })
  expect(run.event.data).toMatchObject({
    customer: { iban: '[redacted]', birthday: '[redacted]' },
    lines: [{ sku: 'A', card: '[redacted]' }],
    taxId: '[redacted]',
  })
  await control.retryRun({ flow: second!.flow, seq: second!.seq })
  const shownData = run.event.data as ReturnType<typeof data>
  answers.push([
    'preview',
    JSON.stringify(
      await control.previewStep({ ...ref(first!), step: 'check', data: { ...shownData, mode: 'works' } }),
    ),
  ])
  await control.editStep({ ...ref(first!), step: 'check', data: { ...shownData, mode: 'works' } })
  const replaced = {
    ...shownData,
    mode: 'throws',
    customer: { ...shownData.customer, iban: canaries.edited },
  }
  await control.editStep({ ...ref(third!), step: 'check', data: replaced })
  await until(async () => (await control.getRun(ref(first!))).state === 'succeeded')
  await until(async () => (await control.getRun(ref(third!))).state === 'parked')
  await control.supplyResult({
    ...ref(third!),
    step: 'check',
    result: { iban: canaries.edited, note: `pays ${canaries.iban}` },
    reason: 'by hand',
  })
  const replay = await control.planReplay({ flow: 'basic', key: 'SO-0', keys: 'new', reason: 'again' })
  answers.push(['replay', JSON.stringify(replay)])
  await control.startReplay({ id: replay.id })
  const [one, other] = (await control.readOutbox({})).rejected.items
  const { data: rejectedData } = await control.getRejected({ id: one!.id })
  await control.retryRejected({ id: one!.id, data: rejectedData })
  await control.discardRejected({ id: other!.id, reason: 'a test' })
  answers.push([
    'test',
    JSON.stringify(await control.publishTest({ type: order.type, data: data('SO-T', 'works') })),
  ])
  await expect
    .poll(async () => await control.getReplay({ id: replay.id }), { timeout: 20_000 })
    .toMatchObject({ state: 'done' })
  await until(async () => (await control.listRefused({})).items.length >= 4)

  expect(got.some((body) => body.includes(canaries.iban) && body.includes(canaries.card))).toBe(true)
  expect(log).toContain('"attempt"')
  answers.push(...(await everyAnswer()), ...(await everyCommand()))
  await hub.stop({ graceMs: 1_000 }) // and what it has traced is sent
  const everything = [
    ...answers,
    ...(await everyRow()),
    ...everySpan(),
    ...log.split('\n').map((line): [string, string] => ['log', line]),
  ]
  expect(everything.flatMap(([where, text]) => shown(where, text))).toEqual([])
  expect(everything.length).toBeGreaterThan(150)
  const sent = await sql<{ input: string }>(`SELECT input FROM steps WHERE input IS NOT NULL ORDER BY input`)
  expect(
    sent.map(({ input }) => (JSON.parse(input) as { customer: { iban: string } }).customer.iban).sort(),
  ).toEqual([canaries.edited, canaries.iban].sort())
}, 120_000)

function ref({ flow, seq }: { readonly flow: string; readonly seq: number }) {
  return { flow, seq }
}
