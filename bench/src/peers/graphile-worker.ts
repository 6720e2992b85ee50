/**
 * graphile-worker with a task for each target; with `queues`, the jobs of a key to a target share a queue, which runs them
 * one after the other. What comes in together is added together.
 */
import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import { Batcher, grouping } from './batcher.ts'
import { createCaller, serve } from './process.ts'
import type { Delivery } from './process.ts'
import { settingsOf } from './settings.ts'
import type { Event } from './settings.ts'

const { url, schema, ports, queues, grouped } = settingsOf<{ queues: boolean; grouped: boolean }>()
const concurrentJobs = 96
const tasks = ports.map((port, index) => ({
  identifier: `target-${index + 1}`,
  call: createCaller(port, { connections: concurrentJobs / 3 }),
}))
const worker = {
  connectionString: url,
  schema,
  concurrentJobs,
  maxPoolSize: 12,
  localQueue: { size: 500, refetchDelay: { durationMs: 10 } },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
  pollInterval: 500,
  logger: new Logger(() => (level, message) => {
    if (level === 'error') console.error(message)
  }),
}

const utils = await makeWorkerUtils({ preset: { worker } })
await utils.migrate()
const runner = await run({
  preset: { worker },
  noHandleSignals: true,
  taskList: Object.fromEntries(
    tasks.map(({ identifier, call }) => [identifier, (payload: unknown) => call(payload as Delivery)]),
  ),
})

const adds = new Batcher<Event, void>({
  ...grouping(grouped),
  async work(events) {
    await utils.addJobs(
      events.flatMap(({ id, data }) =>
        tasks.map(({ identifier }) => ({
          identifier,
          payload: { id, data },
          ...(queues && { queueName: `${identifier}:${data.number}` }),
        })),
      ),
    )
    return []
  },
})

await serve((event) => adds.add(event), {
  async stop() {
    await runner.stop()
    await utils.release()
  },
})
