/** What is measured of any contestant, by the same generator and the same targets. */
import { Child } from './child.ts'
import type { Contestant } from './child.ts'
import { cpuSecondsOf } from './server-cpu.ts'

export const say = (line: string) => process.stderr.write(`${line}\n`)
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

export interface Counts {
  readonly count: number
  readonly perSink: number[]
  /** Deliveries of what a target had already. */
  readonly repeats: number
  /** Of the events that all three targets have. */
  readonly times?: { id: string; lastAt: number }[]
}

export interface Sent {
  readonly accepted: number
  readonly refused: number
  readonly sentAt?: [string, number][]
}

/** A contestant at work, with the generator that feeds it. */
export interface Workload {
  readonly sinks: Child
  readonly generator: Child
  readonly contestant: Contestant
  /** What the targets had before it. */
  readonly alreadyDelivered: number
  /** Deliveries of an event; default 3. */
  readonly perEvent?: number
}

export async function startWorkload(
  contestant: Contestant,
  { sinks, perEvent }: { sinks: Child; perEvent?: number },
): Promise<Workload> {
  const { count } = await sinks.ask<Counts>({ ask: 'count' })
  const generator = new Child('./generator.ts', [String(contestant.port)])
  await generator.next()
  return {
    sinks,
    generator,
    contestant,
    alreadyDelivered: count,
    ...(perEvent !== undefined && { perEvent }),
  }
}

export async function drained(sinks: Child, expected: number): Promise<void> {
  const deadline = performance.now() + 120_000
  while ((await sinks.ask<Counts>({ ask: 'count' })).count < expected) {
    if (performance.now() > deadline) throw new Error('not drained within two minutes')
    await sleep(20)
  }
}

export type Latency = Awaited<ReturnType<typeof measureLatency>>

/** From publish to the last of three deliveries, at 200 events/s. */
export async function measureLatency(
  { sinks, generator, alreadyDelivered }: Workload,
  { seconds }: { seconds: number },
) {
  say('latency at 200 events/s …')
  await sinks.ask({ ask: 'time' })
  await generator.ask({ do: 'paced', perSecond: 200, seconds: 3 })
  await sinks.ask({ ask: 'time' })
  const { sentAt = [], accepted } = await generator.ask<Sent>({ do: 'paced', perSecond: 200, seconds })
  await drained(sinks, alreadyDelivered + accepted * 3)
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

export type Saturation = Awaited<ReturnType<typeof measureSaturation>>

/** What comes through when as much is sent as is accepted. CPU is per event that was delivered everywhere meanwhile. */
export async function measureSaturation(
  { sinks, generator, contestant, alreadyDelivered, perEvent = 3 }: Workload,
  { seconds }: { seconds: number },
) {
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
      own: (after.ownCpu - before.ownCpu) / events,
      postgres: ((after.postgresCpu - before.postgresCpu) * 1e6) / events,
      rabbitmq: ((after.rabbitmqCpu - before.rabbitmqCpu) * 1e6) / events,
    },
    memoryMb: after.memory / 1_048_576,
  }

  async function snapshot() {
    const [sent, delivered, usage] = await Promise.all([
      generator.ask<Sent>({ do: 'count' }),
      sinks.ask<Counts>({ ask: 'count' }),
      contestant.usage(),
    ])
    return {
      at: performance.now(),
      accepted: sent.accepted,
      delivered: delivered.count,
      ownCpu: usage.cpu.user + usage.cpu.system,
      postgresCpu: cpuSecondsOf('postgres'),
      rabbitmqCpu: cpuSecondsOf('rabbitmq'),
      memory: usage.memory,
    }
  }
}

export type Outage = Awaited<ReturnType<typeof measureOutage>>

/** One of three targets down for a minute at 500 events/s. */
export async function measureOutage({ sinks, generator, alreadyDelivered }: Workload) {
  say('one target down for 60 s at 500 events/s …')
  const perSink = async () => (await sinks.ask<Counts>({ ask: 'count' })).perSink.slice()
  const phase = async (forSeconds: number) => {
    const before = await perSink()
    await generator.ask({ do: 'paced', perSecond: 500, seconds: forSeconds })
    const after = await perSink()
    return after.map((count, sink) => (count - (before[sink] ?? 0)) / forSeconds)
  }
  const healthyPerSecond = await phase(10)
  await sinks.ask({ ask: 'down', sink: 0, down: true })
  const downPerSecond = await phase(60)
  await sinks.ask({ ask: 'down', sink: 0, down: false })
  const { accepted } = await generator.ask<Sent>({ do: 'count' })
  const startedAt = performance.now()
  await drained(sinks, alreadyDelivered + accepted * 3)
  return { healthyPerSecond, downPerSecond, drainMs: performance.now() - startedAt }
}
