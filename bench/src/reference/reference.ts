/**
 * The limit: only what cannot be left out. Events are parsed, committed in groups, called out to the three targets in the
 * order of their keys, and each outcome is appended. No deduplication, no retry, no recovery, no limits, no product; plain
 * sockets, COPY, and nothing waits for a timer. Its distance is what busbar's promises and libraries cost; with `libraries`
 * it has Fastify's door and undici's calls as busbar has them, and the distance is what the promises cost.
 */
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import pg from 'pg'
import { messageReader } from '../traffic/http-lite.ts'
import { settingsOf } from '../peers/settings.ts'
import type { Event } from '../peers/settings.ts'
import { copy, escaped } from './copy.ts'
import { Lane } from './lane.ts'

const { url, schema, ports, libraries } = settingsOf<{ libraries: boolean }>()
const maxGroup = 500
const accepted = Buffer.from('HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n')

async function connected(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, options: `-c search_path=${schema}` })
  await client.connect()
  return client
}

const client = await connected()
await client.query(`
  CREATE SCHEMA ${pg.escapeIdentifier(schema)};
  CREATE TABLE events (seq bigint PRIMARY KEY, source text, id text, key text, data text);
  CREATE TABLE outcomes (seq bigint, target smallint, status smallint, ms real)`)
const lanes = await Promise.all(
  ports.map(async (port) => (libraries ? Lane.withUndici(port, 32) : Lane.open(port, 32))),
)

/** Writes what gathers while the last group is under way. */
class Writer<Item> {
  readonly #client: pg.Client
  readonly #statement: string
  readonly #rowOf: (item: Item) => string
  readonly #written: (group: readonly Item[]) => void
  #waiting: Item[] = []
  #writing = false

  constructor(
    client: pg.Client,
    {
      statement,
      rowOf,
      written,
    }: { statement: string; rowOf: (item: Item) => string; written: (group: readonly Item[]) => void },
  ) {
    this.#client = client
    this.#statement = statement
    this.#rowOf = rowOf
    this.#written = written
  }

  add(item: Item): void {
    this.#waiting.push(item)
    if (this.#writing) return
    this.#writing = true
    setImmediate(() => void this.#write())
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, maxGroup)
      await copy(this.#client, this.#statement, group.map(this.#rowOf).join(''))
      this.#written(group)
    }
    this.#writing = false
  }
}

interface Taken {
  readonly seq: number
  readonly event: Event
  readonly data: string
  /** Says 202. */
  readonly accept: () => void
}

const outcomes = new Writer<{ seq: number; target: number; status: number; ms: number }>(await connected(), {
  statement: 'COPY outcomes FROM STDIN',
  rowOf: ({ seq, target, status, ms }) => `${seq}\t${target}\t${status}\t${ms.toFixed(1)}\n`,
  written: () => undefined,
})
const events = new Writer<Taken>(client, {
  statement: 'COPY events FROM STDIN',
  rowOf: ({ seq, event, data }) =>
    `${seq}\t${escaped(event.source)}\t${escaped(event.id)}\t${escaped(event.data.number)}\t${escaped(data)}\n`,
  written: (group) => group.forEach(deliver),
})

function deliver({ seq, event, data, accept }: Taken): void {
  accept()
  const from = performance.now()
  for (const [target, lane] of lanes.entries())
    lane.add({
      key: event.data.number,
      id: event.id,
      body: data,
      done: (status) => outcomes.add({ seq, target, status, ms: performance.now() - from }),
    })
}

let seq = 0
function take(body: Buffer, accept: () => void): void {
  const text = body.toString()
  const event = JSON.parse(text) as Event
  // The bytes that came in are kept: data stands last in the envelopes of the bench.
  events.add({ seq: ++seq, event, data: text.slice(text.indexOf('"data":') + 7, -1), accept })
}

function openSockets(): Promise<number> {
  const server = createServer((socket) => {
    socket.setNoDelay(true)
    socket.on('error', () => undefined)
    socket.on(
      'data',
      messageReader((_, body) => take(body, () => socket.write(accepted))),
    )
  })
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
  )
}

async function openFastify(): Promise<number> {
  const app = Fastify({ logger: false })
  app.addContentTypeParser('application/cloudevents+json', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  )
  app.post('/events', async (request, reply) => {
    await new Promise<void>((resolve) => take(request.body as Buffer, resolve))
    return reply.code(202).send()
  })
  return Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
}

process.on('message', (message: { ask: string }) => {
  if (message.ask === 'stop') process.exit(0)
})
process.send?.({ port: await (libraries ? openFastify() : openSockets()) })
