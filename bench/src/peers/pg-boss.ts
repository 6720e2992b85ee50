/**
 * pg-boss with a queue for each target. What comes in together is inserted together, in one transaction for all three
 * queues; workers fetch batches, run their jobs beside each other, and settle each by its own result.
 */
import pg from 'pg'
import { PgBoss } from 'pg-boss'
import type { Job } from 'pg-boss'
import { Batcher, grouping } from './batcher.ts'
import { createCaller, serve } from './process.ts'
import type { Delivery } from './process.ts'
import { settingsOf } from './settings.ts'
import type { Event } from './settings.ts'

const { url, schema, ports, policy, grouped } = settingsOf<{
  policy: 'standard' | 'key_strict_fifo'
  grouped: boolean
}>()
const batchSize = 100
const queues = ports.map((_, index) => `target-${index + 1}`)

const boss = new PgBoss({ connectionString: url, schema, max: 12, useListenNotify: true })
boss.on('error', (error) => console.error(error))
await boss.start()
for (const queue of queues)
  await boss.createQueue(queue, { policy, partition: true, notify: true, retryLimit: 100, retryDelay: 2 })

const pool = new pg.Pool({ connectionString: url, max: 4 })
const inserts = new Batcher<Event, void>({
  ...grouping(grouped),
  async work(events) {
    const client = await pool.connect()
    const db = { executeSql: (text: string, values?: unknown[]) => client.query(text, values) }
    try {
      await client.query('BEGIN')
      for (const queue of queues)
        await boss.insert(
          queue,
          events.map(({ id, data }) => ({
            data: { id, data },
            ...(policy === 'key_strict_fifo' && { singletonKey: data.number }),
          })),
          { db },
        )
      await client.query('COMMIT')
      client.release()
    } catch (error) {
      client.release(true)
      throw error
    }
    return []
  },
})

for (const [index, queue] of queues.entries()) {
  const call = createCaller(ports[index] ?? 0, { connections: batchSize })
  const settle = async (job: Job<Delivery>) => {
    try {
      await call(job.data)
      return { id: job.id, status: 'completed' as const }
    } catch (error) {
      return { id: job.id, status: 'failed' as const, output: { message: String(error) } }
    }
  }
  await boss.work<Delivery>(
    queue,
    {
      batchSize,
      perJobResults: true,
      burstWhenBatchFull: true,
      pollingIntervalSeconds: 0.5,
      notifyPollingIntervalSeconds: 0.5,
    },
    (jobs: Job<Delivery>[]) => Promise.all(jobs.map(settle)),
  )
}

await serve((event) => inserts.add(event), { stop: () => boss.stop({ graceful: false }) })
