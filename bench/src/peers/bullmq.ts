/** BullMQ with a queue for each target. What comes in together is added together; the id of a job is that of its event. */
import { Queue, Worker } from 'bullmq'
import { Batcher, grouping } from './batcher.ts'
import { createCaller, serve } from './process.ts'
import type { Delivery } from './process.ts'
import { settingsOf } from './settings.ts'
import type { Event } from './settings.ts'

const { ports, redisPort, grouped } = settingsOf<{ redisPort: number; grouped: boolean }>()
const connection = { host: '127.0.0.1', port: redisPort, maxRetriesPerRequest: null }
const concurrency = 100

const targets = ports.map((port, index) => {
  const name = `target-${index + 1}`
  const call = createCaller(port, { connections: 32 })
  const queue = new Queue<Delivery>(name, {
    connection,
    defaultJobOptions: {
      attempts: 100,
      backoff: { type: 'fixed', delay: 2_000 },
      removeOnComplete: 1_000,
      removeOnFail: 5_000,
    },
  })
  const worker = new Worker<Delivery>(name, (job) => call(job.data), { connection, concurrency })
  queue.on('error', (error) => console.error(error))
  worker.on('error', (error) => console.error(error))
  return { queue, worker }
})
await Promise.all(targets.flatMap(({ queue, worker }) => [queue.waitUntilReady(), worker.waitUntilReady()]))

const adds = new Batcher<Event, void>({
  ...grouping(grouped),
  async work(events) {
    const jobs = events.map(({ id, data }) => ({ name: 'order', data: { id, data }, opts: { jobId: id } }))
    await Promise.all(targets.map(({ queue }) => queue.addBulk(jobs)))
    return []
  },
})

await serve((event) => adds.add(event), {
  stop: () => Promise.all(targets.flatMap(({ queue, worker }) => [queue.close(), worker.close()])),
})
