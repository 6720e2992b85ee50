/**
 * `npm run bench`: events in, three HTTP targets out, everything on one machine. Prints a table, and with --json one line.
 * See bench/README.md for the options and the peers.
 * Uses the PostgreSQL at BUSBAR_TEST_DATABASE_URL, else the one on the default port, else starts one of its own.
 */
import { parseArgs } from 'node:util'
import pg from 'pg'
import { startTestServices } from '../scripts/test-services.ts'
import { removeTopology } from './broker.ts'
import { Child, startHub, startSingle } from './child.ts'
import type { HubSettings } from './child.ts'
import { measureLatency, measureOutage, measureSaturation, say, startWorkload } from './measure.ts'
import type { Counts, Workload } from './measure.ts'
import { reportOf } from './report.ts'
import type { Runs } from './report.ts'
import { watch } from './watchers.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '15' },
    pending: { type: 'string', default: '0' },
    workers: { type: 'string', default: '0' },
    partitions: { type: 'string', default: '1' },
    transport: { type: 'string', default: 'log' },
    outage: { type: 'boolean', default: false },
    peer: { type: 'boolean', default: false },
    'peer-amqp': { type: 'boolean', default: false },
    'peer-batch': { type: 'string', default: '100' },
    process: { type: 'boolean', default: false },
    watchers: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
  },
})
const [seconds, pending, workers, batch] = [
  values.seconds,
  values.pending,
  values.workers,
  values['peer-batch'],
].map(Number) as [number, number, number, number]
const { transport } = values
const partitions = Number(values.partitions)
if (partitions !== 1 && partitions !== 2 && partitions !== 4) throw new Error('--partitions is 1, 2 or 4')
if (transport !== 'log' && transport !== 'rabbitmq') throw new Error('--transport is log or rabbitmq')
if (!Number.isInteger(workers) || workers < 0) throw new Error('--workers is a whole number')

const amqpUrl = process.env['BUSBAR_TEST_AMQP_URL'] ?? 'amqp://guest:guest@127.0.0.1:5672'
const services = await startTestServices()
const url = services.env['BUSBAR_TEST_DATABASE_URL'] ?? ''
const schema = `bench_${process.pid}`
const client = new pg.Client({ connectionString: url })
await client.connect()
try {
  const sinks = new Child('./sinks.ts')
  const { ports } = await sinks.next<{ ports: number[] }>()
  const settings: HubSettings = {
    url,
    schema,
    ports,
    withPaused: pending > 0,
    transport,
    amqpUrl,
    partitions,
  }
  const hub = await startHub(settings, workers)
  if (pending > 0) await addPending()
  const work = await startWorkload(hub, { sinks })
  const latency = await measureLatency(work, { seconds })
  const saturation = await measureSaturation(work, { seconds })
  if (Number(values.watchers) > 0) await measureWatched(hub.port, work)
  const outage = values.outage ? await outageOf(work) : undefined
  const peer = values.peer ? await measureDirect(settings, sinks) : undefined
  await hub.stop()
  const amqp = values['peer-amqp'] ? await measureAmqp(ports, sinks) : undefined
  const flows = values.process ? await measureProcess(settings, sinks) : undefined
  const { repeats } = await sinks.ask<Counts>({ ask: 'count' })
  const found = { saturation, latency, outage, peer, amqp, process: flows, repeats }
  process.stdout.write(reportOf({ pending, seconds, workers, transport, ...found }, values))
} finally {
  Child.killAll()
  for (const name of [schema, `${schema}_single`, `${schema}_process`, `${schema}_peer`])
    await client.query(`DROP SCHEMA IF EXISTS ${name} CASCADE`)
  await client.end()
  if (transport === 'rabbitmq') await removeTopologies()
  await services.stop()
}

/** Saturation with and without consoles that look on, in turn. */
async function measureWatched(port: number, work: Workload): Promise<void> {
  const rates: Record<'alone' | 'watched', number[]> = { alone: [], watched: [] }
  for (let turn = 0; turn < 3; turn++)
    for (const kind of ['alone', 'watched'] as const) {
      const end = kind === 'watched' ? watch(port, Number(values.watchers)) : undefined
      const { acceptedPerSecond, deliveriesPerSecond } = await measureSaturation(work, { seconds })
      const answers = await end?.()
      rates[kind].push(acceptedPerSecond)
      say(
        `${kind}: ${Math.round(acceptedPerSecond)} events/s accepted, ${Math.round(deliveriesPerSecond)} deliveries/s` +
          (answers === undefined ? '' : `, ${answers} answers to ${values.watchers} consoles`),
      )
    }
  const [alone, watched] = [rates.alone, rates.watched].map((all) => all.toSorted((a, b) => a - b)[1] ?? 0)
  say(
    `watched by ${values.watchers} consoles: ${(((watched ?? 0) / (alone ?? 1)) * 100).toFixed(1)} % of what is accepted alone`,
  )
}

async function removeTopologies(): Promise<void> {
  await removeTopology(amqpUrl, schema, { flows: ['flow-1', 'flow-2', 'flow-3', 'backlog'], partitions })
  await removeTopology(amqpUrl, `${schema}_single`, { flows: ['flow-1'], partitions })
  await removeTopology(amqpUrl, `${schema}_process`, { flows: ['process'], partitions })
}

/** Direct calls from a handler, on the same machine in the same run. */
async function measureDirect({ ports }: HubSettings, sinks: Child) {
  say('direct calls …')
  const direct = await startSingle('./direct.ts', { ports })
  return measureSaturation(await startWorkload(direct, { sinks }), { seconds })
}

/** The middleware that most teams would write, on the same machine in the same run, with nothing else running. */
async function measureAmqp(ports: readonly number[], sinks: Child) {
  say('by hand, with RabbitMQ …')
  const peer = await startSingle('./peer-amqp.ts', { url, schema: `${schema}_peer`, amqpUrl, ports, batch })
  try {
    const work = await startWorkload(peer, { sinks })
    const latency = await measureLatency(work, { seconds })
    return { latency, saturation: await measureSaturation(work, { seconds }), batch }
  } finally {
    await peer.stop() // removes what it has declared in the broker
  }
}

/** A flow of three steps, and one of a single step, each alone: runs a second, one after the other on the same machine. */
async function measureProcess(settings: HubSettings, sinks: Child) {
  const single = await measureRuns({ ...settings, workload: 'single' }, { sinks, perEvent: 1 })
  const three = await measureRuns({ ...settings, workload: 'process' }, { sinks, perEvent: 3 })
  const share = three.runsPerSecond / single.runsPerSecond
  return { single, three, share }
}

async function measureRuns(
  settings: HubSettings & { workload: 'single' | 'process' },
  { sinks, perEvent }: { sinks: Child; perEvent: number },
): Promise<Runs> {
  say(`${settings.workload === 'single' ? 'one flow of one step' : 'one flow of three steps'} …`)
  const hub = await startHub(
    { ...settings, schema: `${schema}_${settings.workload}`, withPaused: false },
    workers,
  )
  const work = await startWorkload(hub, { sinks, perEvent })
  const measured = await measureSaturation(work, { seconds })
  await hub.stop()
  return {
    runsPerSecond: measured.deliveriesPerSecond / perEvent,
    cpuMicrosPerRun: measured.cpuMicrosPerEvent,
  }
}

async function outageOf(work: Workload) {
  const measured = await measureOutage(work)
  const attempts = await client.query<{ n: string }>(
    `SELECT count(*) AS n FROM ${schema}.attempts WHERE outcome IN ('unavailable', 'unknown', 'transient')`,
  )
  return { ...measured, failedAttempts: Number(attempts.rows[0]?.n) }
}

/** A flow whose system is paused, with this many events before it. */
async function addPending(): Promise<void> {
  say(`adding ${pending} pending events …`)
  await client.query(
    `UPDATE ${schema}.systems SET paused = true, version = version + 1 WHERE name = 'backlog-sink'`,
  )
  await client.query(
    `INSERT INTO ${schema}.events (seq, source, id, type, key, khash, received_at, data, ext)
     SELECT head.seq + n, 'urn:bench:old', n::text, 'bench.order.old', 'SO-' || n % 10000, n % 1000, clock_timestamp(),
            '{"number":"SO-1","revision":1,"customer":"C","note":"' || repeat('x', 900) || '"}', '{}'
     FROM generate_series(1, $1::int) n, (SELECT coalesce(max(seq), 0) AS seq FROM ${schema}.events) head`,
    [pending],
  )
  await client.query(`ANALYZE ${schema}.events`)
}
