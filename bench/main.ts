/**
 * `npm run bench`: events in, three HTTP targets out, everything on one machine. Prints a table, and with --json one line.
 * With --process also a flow of three steps against a flow of one, each alone.
 * Uses the PostgreSQL at BUSBAR_TEST_DATABASE_URL, else the one on the default port, else starts one of its own.
 */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { cpus, release } from 'node:os'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { startTestServices } from '../scripts/test-services.ts'
import { postgresCpuSeconds } from './postgres-cpu.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '15' },
    pending: { type: 'string', default: '0' },
    outage: { type: 'boolean', default: false },
    peer: { type: 'boolean', default: false },
    process: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const seconds = Number(values.seconds)
const pending = Number(values.pending)

const say = (line: string) => process.stderr.write(`${line}\n`)
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** As docs/operations.md advises: the young generation takes what it is given, busbar does not need it. */
const smallHeap = ['--max-semi-space-size=16']

/** One process of the bench: asked one thing at a time. */
class Child {
  readonly #process: ChildProcess
  readonly #ended: Promise<never>
  constructor(file: string, args: readonly string[] = []) {
    this.#process = fork(new URL(file, import.meta.url), args, {
      execArgv:
        file.includes('hub') && process.env['BENCH_PROFILE']
          ? ['--cpu-prof', '--cpu-prof-dir=bench/profile', ...smallHeap]
          : smallHeap,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#ended = new Promise((_, reject) =>
      this.#process.once('exit', (code) => reject(new Error(`a bench process ended with ${code}`))),
    )
    this.#ended.catch(() => undefined)
  }

  async next<T>(): Promise<T> {
    const message = new Promise<T>((resolve) => this.#process.once('message', (value) => resolve(value as T)))
    return Promise.race([message, this.#ended])
  }

  ask<T>(message: object): Promise<T> {
    const answer = this.next<T>()
    this.#process.send(message)
    return answer
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }
}

interface Counts {
  count: number
  perSink: number[]
  /** Deliveries of what a target had already. */
  repeats: number
  /** Of the events that all three targets have. */
  times?: { id: string; lastAt: number }[]
}
interface Sent {
  accepted: number
  refused: number
  sentAt?: [string, number][]
}
interface Usage {
  cpu: { user: number; system: number }
  memory: number
}

const services = await startTestServices()
const url = services.env['BUSBAR_TEST_DATABASE_URL'] ?? ''
const schema = `bench_${process.pid}`
const client = new pg.Client({ connectionString: url })
await client.connect()
const children: Child[] = []
try {
  const sinks = new Child('./sinks.ts')
  children.push(sinks)
  const { ports } = await sinks.next<{ ports: number[] }>()
  const hub = new Child('./hub.ts', [JSON.stringify({ url, schema, ports, withPaused: pending > 0 })])
  children.push(hub)
  const { port } = await hub.next<{ port: number }>()
  if (pending > 0) await addPending()
  const generator = new Child('./generator.ts', [String(port)])
  children.push(generator)
  await generator.next()
  const latency = await measureLatency({ sinks, generator })
  const saturation = await measureSaturation({ sinks, generator, hub })
  const outage = values.outage ? await measureOutage({ sinks, generator }) : undefined
  const peer = values.peer ? await measurePeer(ports, sinks) : undefined
  await hub.ask({ ask: 'stop' }).catch(() => undefined)
  const flows = values.process ? await measureProcess(ports, sinks) : undefined
  const { repeats } = await sinks.ask<Counts>({ ask: 'count' })
  report({ saturation, latency, outage, peer, process: flows, repeats })
} finally {
  for (const child of children) child.kill()
  for (const name of [schema, `${schema}_single`, `${schema}_process`])
    await client.query(`DROP SCHEMA IF EXISTS ${name} CASCADE`)
  await client.end()
  await services.stop()
}

/** Direct calls from a handler, on the same machine in the same run. */
async function measurePeer(ports: number[], sinks: Child) {
  const { count } = await sinks.ask<Counts>({ ask: 'count' })
  const direct = new Child('./direct.ts', [JSON.stringify({ ports })])
  children.push(direct)
  const { port } = await direct.next<{ port: number }>()
  const generator = new Child('./generator.ts', [String(port)])
  children.push(generator)
  await generator.next()
  return measureSaturation({ sinks, generator, hub: direct, alreadyDelivered: count })
}

/** A flow of three steps, and one of a single step, each alone: runs a second, one after the other on the same machine. */
async function measureProcess(ports: number[], sinks: Child) {
  const single = await measureRuns('single', { ports, sinks, perEvent: 1 })
  const three = await measureRuns('process', { ports, sinks, perEvent: 3 })
  const share = three.runsPerSecond / single.runsPerSecond
  return { single, three, share }
}

async function measureRuns(
  workload: 'single' | 'process',
  { ports, sinks, perEvent }: { ports: number[]; sinks: Child; perEvent: number },
): Promise<{ runsPerSecond: number; cpuMicrosPerRun: { busbar: number; postgres: number } }> {
  say(`${workload === 'single' ? 'one flow of one step' : 'one flow of three steps'} …`)
  const { count } = await sinks.ask<Counts>({ ask: 'count' })
  const own = new Child('./hub.ts', [
    JSON.stringify({ url, schema: `${schema}_${workload}`, ports, withPaused: false, workload }),
  ])
  children.push(own)
  const { port } = await own.next<{ port: number }>()
  const generator = new Child('./generator.ts', [String(port)])
  children.push(generator)
  await generator.next()
  const measured = await measureSaturation({ sinks, generator, hub: own, alreadyDelivered: count, perEvent })
  await own.ask({ ask: 'stop' }).catch(() => undefined)
  return {
    runsPerSecond: measured.deliveriesPerSecond / perEvent,
    cpuMicrosPerRun: measured.cpuMicrosPerEvent,
  }
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

async function drained(sinks: Child, expected: number): Promise<void> {
  const deadline = performance.now() + 120_000
  while ((await sinks.ask<Counts>({ ask: 'count' })).count < expected) {
    if (performance.now() > deadline) throw new Error('not drained within two minutes')
    await sleep(20)
  }
}

async function measureLatency({ sinks, generator }: { sinks: Child; generator: Child }) {
  say('latency at 200 events/s …')
  await sinks.ask({ ask: 'time' })
  await generator.ask({ do: 'paced', perSecond: 200, seconds: 3 })
  await sinks.ask({ ask: 'time' })
  const { sentAt = [], accepted } = await generator.ask<Sent>({ do: 'paced', perSecond: 200, seconds })
  await drained(sinks, accepted * 3)
  const arrived = await arrivals(sinks, new Set(sentAt.map(([id]) => id)))
  const ms = sentAt.map(([id, at]) => (arrived.get(id) ?? NaN) - at).sort((a, b) => a - b)
  const at = (share: number) => ms[Math.min(ms.length - 1, Math.floor(ms.length * share))] ?? NaN
  return { events: ms.length, p50: at(0.5), p99: at(0.99), max: at(1) }
}

/** When each of these events had reached all three targets. That so many deliveries were counted does not say that they were of these. */
async function arrivals(sinks: Child, events: ReadonlySet<string>): Promise<Map<string, number>> {
  const deadline = performance.now() + 120_000
  for (;;) {
    const { times = [] } = await sinks.ask<Counts>({ ask: 'times' })
    const arrived = new Map(
      times.flatMap(({ id, lastAt }) => (events.has(id) ? [[id, lastAt] as const] : [])),
    )
    if (arrived.size === events.size) return arrived
    if (performance.now() > deadline)
      throw new Error(`${events.size - arrived.size} accepted events did not arrive within two minutes`)
    await sleep(100)
  }
}

async function measureSaturation({
  sinks,
  generator,
  hub,
  alreadyDelivered = 0,
  perEvent = 3,
}: {
  sinks: Child
  generator: Child
  hub: Child
  alreadyDelivered?: number
  /** Deliveries of an event. */
  perEvent?: number
}) {
  say(`saturation for ${seconds} s …`)
  await generator.ask({ do: 'start' })
  await sleep(4_000) // warm
  const before = await snapshot()
  await sleep(seconds * 1_000)
  const after = await snapshot()
  const { accepted, refused } = await generator.ask<Sent>({ do: 'stop' })
  const stoppedAt = performance.now()
  await drained(sinks, alreadyDelivered + accepted * perEvent)
  const drainMs = performance.now() - stoppedAt
  const span = (after.at - before.at) / 1_000
  const events = (after.delivered - before.delivered) / perEvent
  return {
    acceptedPerSecond: (after.accepted - before.accepted) / span,
    deliveriesPerSecond: (after.delivered - before.delivered) / span,
    refused,
    drainMs,
    cpuMicrosPerEvent: {
      busbar: (after.hubCpu - before.hubCpu) / events,
      postgres: ((after.pgCpu - before.pgCpu) * 1e6) / events,
    },
    busbarMemoryMb: after.memory / 1_048_576,
  }

  async function snapshot() {
    const [sent, delivered, usage] = await Promise.all([
      generator.ask<Sent>({ do: 'count' }),
      sinks.ask<Counts>({ ask: 'count' }),
      hub.ask<Usage>({ ask: 'usage' }),
    ])
    return {
      at: performance.now(),
      accepted: sent.accepted,
      delivered: delivered.count,
      hubCpu: usage.cpu.user + usage.cpu.system,
      pgCpu: postgresCpuSeconds(),
      memory: usage.memory,
    }
  }
}

/** One of three targets down for a minute at 500 events/s. */
async function measureOutage({ sinks, generator }: { sinks: Child; generator: Child }) {
  say('one target down for 60 s at 500 events/s …')
  const perSink = async () => (await sinks.ask<Counts>({ ask: 'count' })).perSink.slice()
  const phase = async (forSeconds: number) => {
    const before = await perSink()
    await generator.ask({ do: 'paced', perSecond: 500, seconds: forSeconds })
    const after = await perSink()
    return after.map((count, sink) => (count - (before[sink] ?? 0)) / forSeconds)
  }
  const healthy = await phase(10)
  await sinks.ask({ ask: 'down', sink: 0, down: true })
  const down = await phase(60)
  await sinks.ask({ ask: 'down', sink: 0, down: false })
  const { accepted } = await generator.ask<Sent>({ do: 'count' })
  const startedAt = performance.now()
  await drained(sinks, accepted * 3)
  const attempts = await client.query<{ n: string }>(
    `SELECT count(*) AS n FROM ${schema}.attempts WHERE outcome IN ('unavailable', 'unknown', 'transient')`,
  )
  return {
    healthyPerSecond: healthy,
    downPerSecond: down,
    drainMs: performance.now() - startedAt,
    failedAttempts: Number(attempts.rows[0]?.n),
  }
}

function report(result: {
  saturation: Awaited<ReturnType<typeof measureSaturation>>
  latency: Awaited<ReturnType<typeof measureLatency>>
  outage: Awaited<ReturnType<typeof measureOutage>> | undefined
  peer: Awaited<ReturnType<typeof measureSaturation>> | undefined
  process: Awaited<ReturnType<typeof measureProcess>> | undefined
  repeats: number
}): void {
  const { saturation, latency, outage, peer, process: flows, repeats } = result
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, Linux ${release()}, Node ${process.version}`
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ machine, pending, seconds, ...result })}\n`)
    return
  }
  const lines = [
    `on ${machine}; ${pending} events pending`,
    `saturation   ${saturation.acceptedPerSecond.toFixed(0)} events/s accepted, ${saturation.deliveriesPerSecond.toFixed(0)} deliveries/s (drained ${saturation.drainMs.toFixed(0)} ms after the last)`,
    `latency      p50 ${latency.p50.toFixed(1)} ms, p99 ${latency.p99.toFixed(1)} ms, max ${latency.max.toFixed(1)} ms from publish to last delivery at 200 events/s (${latency.events} events)`,
    `CPU          ${saturation.cpuMicrosPerEvent.busbar.toFixed(0)} µs/event busbar, ${saturation.cpuMicrosPerEvent.postgres.toFixed(0)} µs/event PostgreSQL`,
    `memory       ${saturation.busbarMemoryMb.toFixed(0)} MB busbar`,
    `refused      ${saturation.refused} events at saturation; ${repeats} deliveries repeated, not counted above`,
  ]
  if (peer)
    lines.push(
      `direct calls ${peer.acceptedPerSecond.toFixed(0)} events/s, ${peer.deliveriesPerSecond.toFixed(0)} deliveries/s, ${peer.cpuMicrosPerEvent.busbar.toFixed(0)} µs/event: nothing stored, no order, no retries`,
    )
  if (flows) {
    const micros = ({ cpuMicrosPerRun: cpu }: typeof flows.three) =>
      `${cpu.busbar.toFixed(0)} + ${cpu.postgres.toFixed(0)} µs`
    lines.push(
      `process      ${flows.three.runsPerSecond.toFixed(0)} runs/s of a flow of three steps (${micros(flows.three)} busbar + PostgreSQL), ${flows.single.runsPerSecond.toFixed(0)} runs/s of a flow of one (${micros(flows.single)}), each alone: ${(100 * flows.share).toFixed(0)} %`,
    )
  }
  if (outage)
    lines.push(
      `outage       before ${outage.healthyPerSecond.map((rate) => rate.toFixed(0)).join(' / ')} deliveries/s per target; with the first down ${outage.downPerSecond.map((rate) => rate.toFixed(0)).join(' / ')}; drained ${(outage.drainMs / 1_000).toFixed(1)} s after its return; ${outage.failedAttempts} failed attempts recorded`,
    )
  process.stdout.write(`${lines.join('\n')}\n`)
}
