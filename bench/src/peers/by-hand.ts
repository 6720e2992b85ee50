/**
 * The peer to compare with: the middleware that most teams would write, with care, in one process. An event is stored
 * (unique by source and id), published with a confirm to a topic exchange with a durable queue per target, and marked as
 * published; consumers call the targets, write the delivery's status and acknowledge. bench/README.md says what it promises.
 */
import pg from 'pg'
import { Connection, ConsumerStatus } from 'rabbitmq-client'
import { Pool } from 'undici'
import { Batcher, grouping } from './batcher.ts'
import * as sql from './by-hand-sql.ts'
import { serve } from './process.ts'
import { settingsOf } from './settings.ts'

const { url, schema, amqpUrl, ports, grouped } = settingsOf<{ grouped: boolean }>()
const targets = ports.map((port, index) => ({ name: `target-${index + 1}`, port }))
const maxAttempts = 100
const retryMs = 2_000
const prefetch = 64
const sweepEveryMs = 5_000

const database = new pg.Pool({ connectionString: url, max: 12, options: `-c search_path=${schema}` })
database.on('error', (error) => console.error(error))
await database.query(`CREATE SCHEMA IF NOT EXISTS ${pg.escapeIdentifier(schema)}`)
await database.query(sql.tables)

/** All names in the broker begin with that of the schema. */
const exchange = `${schema}.events`
const retryExchange = `${schema}.retry`
const queueOf = (target: string) => `${schema}.${target}`
const retryQueueOf = (target: string) => `${schema}.${target}.retry`

const broker = new Connection(amqpUrl)
broker.on('error', (error) => console.error(error))
const exchanges = [
  { exchange, type: 'topic', durable: true },
  { exchange: retryExchange, type: 'direct', durable: true },
]
const queues = targets.flatMap(({ name }) => [
  {
    queue: queueOf(name),
    durable: true,
    arguments: {
      'x-queue-type': 'quorum' as const,
      'x-dead-letter-exchange': retryExchange,
      'x-dead-letter-routing-key': name,
    },
  },
  {
    queue: retryQueueOf(name),
    durable: true,
    arguments: {
      'x-queue-type': 'quorum' as const,
      'x-message-ttl': retryMs,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': queueOf(name),
    },
  },
])
const queueBindings = targets.flatMap(({ name }) => [
  { exchange, queue: queueOf(name), routingKey: 'bench.order.*' },
  { exchange: retryExchange, queue: retryQueueOf(name), routingKey: name },
])
for (const each of exchanges) await broker.exchangeDeclare(each)
for (const queue of queues) await broker.queueDeclare(queue)
for (const binding of queueBindings) await broker.queueBind(binding)
const publisher = broker.createPublisher({ confirm: true, maxAttempts: 3 })

interface Event {
  readonly source: string
  readonly id: string
  readonly type: string
  readonly data: string
}

/** Answers for each whether it is new. */
const inserts = new Batcher<Event, string | undefined>({
  ...grouping(grouped),
  async work(events) {
    const { rows } = await database.query<{ seq: string; source: string; id: string }>({
      ...sql.insertEvents,
      values: [
        events.map(({ source }) => source),
        events.map(({ id }) => id),
        events.map(({ type }) => type),
        events.map(({ data }) => data),
        targets.map(({ name }) => name),
      ],
    })
    const seqs = new Map(rows.map(({ seq, source, id }) => [`${source} ${id}`, seq]))
    return events.map(({ source, id }) => {
      const name = `${source} ${id}`
      const seq = seqs.get(name)
      seqs.delete(name) // the same event twice in a batch is new once
      return seq
    })
  },
})
const marks = new Batcher<string, void>({
  ...grouping(grouped),
  async work(seqs) {
    await database.query({ ...sql.markPublished, values: [seqs] })
    return []
  },
})
const outcomes = new Batcher<{ seq: string; target: string; status: string; attempts: number }, void>({
  ...grouping(grouped),
  async work(all) {
    await database.query({
      ...sql.writeOutcomes,
      values: [
        all.map(({ seq }) => seq),
        all.map(({ target }) => target),
        all.map(({ status }) => status),
        all.map(({ attempts }) => attempts),
      ],
    })
    return []
  },
})

async function publish(seq: string, { id, type, data }: Event): Promise<void> {
  await publisher.send(
    {
      exchange,
      routingKey: type,
      durable: true,
      messageId: id,
      headers: { seq },
    },
    Buffer.from(data),
  )
  await marks.add(seq)
}

/** What was stored and then not published, because the process or the broker went away in between. */
const sweep = setInterval(() => {
  database
    .query<Event & { seq: string }>(sql.unpublished)
    .then(({ rows }) => Promise.all(rows.map((row) => publish(row.seq, row))))
    .catch((error: unknown) => console.error(error))
}, sweepEveryMs)

const consumers = targets.map(({ name, port }) => {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: prefetch / 2, pipelining: 1 })
  const consumer = broker.createConsumer(
    {
      queue: queueOf(name),
      queueOptions: { passive: true },
      qos: { prefetchCount: prefetch },
      concurrency: prefetch,
    },
    async (message) => {
      const { seq } = message.headers as { seq: string }
      const attempts = 1 + attemptsOf(message.headers)
      try {
        const answer = await pool.request({
          method: 'POST',
          path: '/orders',
          headers: {
            'content-type': 'application/json',
            'ce-id': message.messageId ?? '',
            'idempotency-key': `${name}-${seq}`,
          },
          body: message.body as Buffer | string,
        })
        await answer.body.text()
        if (answer.statusCode >= 300) throw new Error(`${name} answered ${answer.statusCode}`)
      } catch {
        const failed = attempts >= maxAttempts
        await outcomes.add({ seq, target: name, status: failed ? 'failed' : 'retrying', attempts })
        return failed ? ConsumerStatus.ACK : ConsumerStatus.DROP // dropped: to the retry queue
      }
      await outcomes.add({ seq, target: name, status: 'delivered', attempts })
      return ConsumerStatus.ACK
    },
  )
  consumer.on('error', (error) => console.error(error))
  return consumer
})

/** How often it came back from the retry queue. */
function attemptsOf(headers: unknown): number {
  const deaths = (headers as { 'x-death'?: { reason: string; count: number }[] })['x-death']
  return deaths?.find(({ reason }) => reason === 'rejected')?.count ?? 0
}

async function stop(): Promise<void> {
  clearInterval(sweep)
  await Promise.all(consumers.map((consumer) => consumer.close()))
  for (const { queue } of queues) await broker.queueDelete({ queue })
  for (const { exchange: name } of exchanges) await broker.exchangeDelete({ exchange: name })
  await publisher.close()
  await broker.close()
  await database.end()
}

await Promise.all(consumers.map((consumer) => new Promise<void>((resolve) => consumer.on('ready', resolve))))
await serve(
  async ({ source, id, type, data }) => {
    const event = { source, id, type, data: JSON.stringify(data) }
    const seq = await inserts.add(event)
    if (seq !== undefined) await publish(seq, event).catch((error: unknown) => console.error(error)) // the sweep will do it
  },
  { stop },
)
