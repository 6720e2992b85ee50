/** What a user would pick in the place of busbar. How each is set up, and why that is fair: bench/README.md. */
import { Child } from '../machine/child.ts'
import { named } from '../machine/proc.ts'
import type { Contestant, Surroundings, System } from './contestant.ts'
import { postmasterOf } from './postmaster.ts'
import { startRedis } from './redis.ts'

type Servers = (surroundings: Surroundings) => Promise<readonly number[]>

/** A peer of one process. */
async function startPeer(
  file: string,
  {
    surroundings,
    settings = {},
    servers,
  }: { surroundings: Surroundings; settings?: object; servers: Servers },
): Promise<Contestant> {
  const child = new Child(new URL(`../peers/${file}`, import.meta.url), {
    settings: { ...surroundings, ...settings },
    profileIn: surroundings.profileIn,
  })
  const { port } = await child.next<{ port: number }>()
  return { port, pids: [child.pid], servers: await servers(surroundings), stop: () => child.stop() }
}

const postgres: Servers = async ({ url }) => [await postmasterOf(url)]
const postgresAndRabbitmq: Servers = async ({ url }) => [await postmasterOf(url), ...named('beam.smp')]
const nothing: Servers = async () => []

const pgBoss: System = {
  name: 'pg-boss',
  title: 'pg-boss',
  promises: {
    durable: 'yes',
    ordered: 'no',
    deduplicated: 'no',
    recorded: 'finished jobs for 7 days, the last failure of each',
  },
  needs: ['postgres', 'peers'],
  start: (surroundings) =>
    startPeer('pg-boss.ts', {
      surroundings,
      settings: { policy: 'standard', grouped: true },
      servers: postgres,
    }),
}

const pgBossRows: System = {
  ...pgBoss,
  name: 'pg-boss-rows',
  title: 'pg-boss, one by one',
  start: (surroundings) =>
    startPeer('pg-boss.ts', {
      surroundings,
      settings: { policy: 'standard', grouped: false },
      servers: postgres,
    }),
}

const pgBossFifo: System = {
  ...pgBoss,
  name: 'pg-boss-fifo',
  title: 'pg-boss, key_strict_fifo',
  promises: { ...pgBoss.promises, ordered: 'yes' },
  start: (surroundings) =>
    startPeer('pg-boss.ts', {
      surroundings,
      settings: { policy: 'key_strict_fifo', grouped: true },
      servers: postgres,
    }),
}

const graphileWorker: System = {
  name: 'graphile-worker',
  title: 'graphile-worker',
  promises: { durable: 'yes', ordered: 'no', deduplicated: 'no', recorded: 'no: finished jobs are deleted' },
  needs: ['postgres', 'peers'],
  start: (surroundings) =>
    startPeer('graphile-worker.ts', {
      surroundings,
      settings: { queues: false, grouped: true },
      servers: postgres,
    }),
}

const graphileWorkerRows: System = {
  ...graphileWorker,
  name: 'graphile-worker-rows',
  title: 'graphile-worker, one by one',
  start: (surroundings) =>
    startPeer('graphile-worker.ts', {
      surroundings,
      settings: { queues: false, grouped: false },
      servers: postgres,
    }),
}

const graphileWorkerQueues: System = {
  ...graphileWorker,
  name: 'graphile-worker-queues',
  title: 'graphile-worker, a queue for each key',
  promises: { ...graphileWorker.promises, ordered: 'until one fails: later jobs of its key pass it' },
  start: (surroundings) =>
    startPeer('graphile-worker.ts', {
      surroundings,
      settings: { queues: true, grouped: true },
      servers: postgres,
    }),
}

async function startBullmq(surroundings: Surroundings, grouped: boolean): Promise<Contestant> {
  const redis = await startRedis(surroundings.folder)
  const settings = { redisPort: redis.port, grouped }
  const starting = startPeer('bullmq.ts', { surroundings, settings, servers: async () => [redis.pid] })
  starting.catch(() => redis.stop())
  const peer = await starting
  return {
    ...peer,
    async stop() {
      await peer.stop()
      await redis.stop()
    },
  }
}

const bullmq: System = {
  name: 'bullmq',
  title: 'BullMQ, fsync always',
  promises: {
    durable: 'yes',
    ordered: 'no',
    deduplicated: 'while the job is kept (here: of the last 1,000)',
    recorded: 'the last 1,000 finished jobs of each queue',
  },
  needs: ['redis', 'peers'],
  start: (surroundings) => startBullmq(surroundings, true),
}

const bullmqRows: System = {
  ...bullmq,
  name: 'bullmq-rows',
  title: 'BullMQ, one by one',
  start: (surroundings) => startBullmq(surroundings, false),
}

const byHand: System = {
  name: 'by-hand',
  title: 'by hand: event table and RabbitMQ',
  promises: { durable: 'yes', ordered: 'no', deduplicated: 'yes', recorded: 'status and number of attempts' },
  needs: ['postgres', 'rabbitmq'],
  start: (surroundings) =>
    startPeer('by-hand.ts', { surroundings, settings: { grouped: true }, servers: postgresAndRabbitmq }),
}

const byHandRows: System = {
  ...byHand,
  name: 'by-hand-rows',
  title: 'by hand, one by one',
  start: (surroundings) =>
    startPeer('by-hand.ts', { surroundings, settings: { grouped: false }, servers: postgresAndRabbitmq }),
}

const direct: System = {
  name: 'direct',
  title: 'direct calls',
  promises: { durable: 'no: nothing is stored', ordered: 'no', deduplicated: 'no', recorded: 'no' },
  needs: [],
  start: (surroundings) => startPeer('direct.ts', { surroundings, servers: nothing }),
}

/** Does only the unavoidable; see reference/reference.ts. */
const reference: System = {
  name: 'reference',
  title: 'the limit: a bare reference',
  promises: {
    durable: 'yes',
    ordered: 'while nothing fails',
    deduplicated: 'no',
    recorded: 'outcomes; nothing is tried again',
  },
  needs: ['postgres'],
  start: (surroundings) =>
    startPeer('../reference/reference.ts', {
      surroundings,
      settings: { libraries: false },
      servers: postgres,
    }),
}

const referenceLibraries: System = {
  ...reference,
  name: 'reference-libraries',
  title: 'the same with Fastify and undici',
  start: (surroundings) =>
    startPeer('../reference/reference.ts', {
      surroundings,
      settings: { libraries: true },
      servers: postgres,
    }),
}

/** For --calibrate: the generator speaks with a target itself. */
const calibration: System = {
  name: 'nothing',
  title: 'nothing in between',
  promises: direct.promises,
  needs: [],
  start: async ({ ports }) => ({ port: ports[0] ?? 0, pids: [], servers: [], stop: async () => undefined }),
}

export const peers = [
  pgBoss,
  pgBossRows,
  pgBossFifo,
  graphileWorker,
  graphileWorkerRows,
  graphileWorkerQueues,
  bullmq,
  bullmqRows,
  byHand,
  byHandRows,
  direct,
  reference,
  referenceLibraries,
  calibration,
]
