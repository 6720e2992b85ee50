/** Everything that a cluster under chaos is made of; PostgreSQL and RabbitMQ are its own. */
import type { ChildProcess } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Connection } from 'rabbitmq-client'
import { startBroker } from '../../../scripts/rabbitmq-broker.ts'
import type { Broker } from '../../../scripts/rabbitmq-broker.ts'
import { startEmbedded } from '../../../src/journal/embedded.ts'
import type { Role } from '../../../src/index.ts'
import { child, freePort, message, pidOf, say } from '../children.ts'
import { SupervisedNode } from '../nodes.ts'
import type { Plan } from '../plan.ts'
import { ChaosProxy } from '../proxy.ts'
import { placeWitness } from './witness.ts'

export const leaseMs = 3_000

/** One busbar process with its own lines to the servers. */
export interface ClusterNode {
  readonly process: SupervisedNode
  readonly isWorker: boolean
  readonly sql: ChaosProxy
  readonly amqp: ChaosProxy
}

/** What runs. */
export interface Cluster {
  /** PostgreSQL itself, beside all proxies. */
  readonly url: string
  readonly folder: string
  readonly broker: Broker
  /** A program of ours at the broker itself. */
  readonly neighbour: Connection
  readonly ingress: readonly ClusterNode[]
  readonly workers: readonly ClusterNode[]
  readonly sinks: ChildProcess
  readonly publisher: Publisher
  readonly postmaster: () => Promise<number>
}

/** The events of the run, published until it is enough. */
export interface Publisher {
  /** Events that doors have acknowledged. */
  readonly acknowledged: number
  /** Resolves when so many more are acknowledged. */
  more(events: number): Promise<void>
  /** Resolves when what was begun is acknowledged. */
  stop(): Promise<{ readonly published: number; readonly resent: number }>
}

/** Starts all of it; what `started` defers ends it again. */
export async function startCluster(
  plan: Plan,
  started: AsyncDisposableStack,
  onOddEnd: (what: string) => void,
): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'busbar-chaos-'))
  started.defer(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o711) // run by root, PostgreSQL runs as another user, who must get in
  const journal = join(folder, 'journal')
  const [postgres, broker] = await Promise.all([
    startEmbedded({ folder: journal, onLog: say }),
    startBroker(),
  ])
  started.defer(() => postgres.stop())
  started.defer(() => broker.stop())
  const neighbour = new Connection({
    url: broker.url,
    connectionTimeout: 2_000,
    acquireTimeout: 2_000,
    retryLow: 100,
    retryHigh: 250,
  })
  neighbour.on('error', () => undefined) // it connects again
  started.defer(() => neighbour.unsafeDestroy())
  await placeWitness(postgres.url)
  const sinks = child('./sinks.ts', [String(plan.seed), join(folder, 'sinks')])
  started.defer(() => void sinks.kill('SIGKILL'))
  const { urls } = await message<{ urls: string[] }>(sinks)
  const start = (name: string, roles: readonly Role[]) =>
    startNode(started, {
      name,
      roles,
      postgres: postgres.url,
      broker: broker.url,
      sinks: urls,
      seed: plan.seed,
      onOddEnd,
    })
  const ingress = await Promise.all(range(plan.ingress).map((n) => start(`ingress ${n}`, ['ingress'])))
  const workers = await Promise.all(
    range(plan.workers).map((n) => start(`worker ${n}`, n % 2 === 1 ? ['worker', 'relay'] : ['worker'])),
  )
  const publisher = startPublisher(plan, started, {
    doors: ingress.map(({ process }) => process.door),
    file: join(folder, 'acks'),
  })
  const postmaster = () => pidOf(journal)
  return { url: postgres.url, folder, broker, neighbour, ingress, workers, sinks, publisher, postmaster }
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index + 1)
}

async function startNode(
  started: AsyncDisposableStack,
  parts: {
    name: string
    roles: readonly Role[]
    postgres: string
    broker: string
    sinks: string[]
    seed: number
    onOddEnd: (what: string) => void
  },
): Promise<ClusterNode> {
  const { name, roles, sinks, seed, onOddEnd } = parts
  const line = async (what: string, url: string) => {
    const { hostname: host, port } = new URL(url)
    const proxy = await ChaosProxy.open({
      upstream: { host, port: Number(port) },
      seed: `${seed} ${name} ${what}`,
    })
    started.defer(() => proxy.close())
    const through = new URL(url)
    through.port = String(proxy.port)
    return { proxy, url: through.href }
  }
  const [sql, amqp] = [await line('sql', parts.postgres), await line('amqp', parts.broker)]
  const settings = {
    url: sql.url,
    broker: amqp.url,
    port: await freePort(),
    roles,
    sinks,
    leaseMs,
    partitioned: true,
  }
  const process = new SupervisedNode({ name, settings, onOddEnd })
  started.defer(async () => void (await process.stop(10_000)))
  await process.start()
  return { process, isWorker: roles.includes('worker'), sql: sql.proxy, amqp: amqp.proxy }
}

function startPublisher(
  plan: Plan,
  started: AsyncDisposableStack,
  where: { doors: readonly string[]; file: string },
): Publisher {
  const most = 10_000_000
  const generator = child('./generator.ts', [
    JSON.stringify({
      seed: plan.seed,
      keys: plan.keys,
      events: most,
      overMs: (most / plan.rate) * 1_000,
      sayEvery: 5,
      ...where,
    }),
  ])
  started.defer(() => void generator.kill('SIGKILL'))
  let acknowledged = 0
  const done = Promise.withResolvers<{ published: number; resent: number }>()
  generator.on(
    'message',
    (said: { acknowledged: number; done?: boolean; published: number; resent: number }) => {
      acknowledged = said.acknowledged
      if (said.done) done.resolve(said)
    },
  )
  return {
    get acknowledged() {
      return acknowledged
    },
    async more(events) {
      const until = acknowledged + events
      while (acknowledged < until) await sleep(20)
    },
    stop() {
      generator.send({})
      return done.promise
    },
  }
}
