/** The peer to compare with: no busbar, direct synchronous calls to the three targets, nothing stored, no order, no retries. */
import Fastify from 'fastify'
import { Pool } from 'undici'

const { ports } = JSON.parse(process.argv[2] ?? '{}') as { ports: readonly number[] }
const pools = ports.map((port) => new Pool(`http://127.0.0.1:${port}`, { connections: 32, pipelining: 1 }))
const app = Fastify({ logger: false })
app.addContentTypeParser('application/cloudevents+json', { parseAs: 'string' }, (_request, body, done) =>
  done(null, JSON.parse(body as string)),
)
app.post('/events', async (request, reply) => {
  const event = request.body as { id: string; data: unknown }
  await Promise.all(
    pools.map(async (pool) => {
      const answer = await pool.request({
        method: 'POST',
        path: '/orders',
        headers: { 'content-type': 'application/json', 'ce-id': event.id },
        body: JSON.stringify(event.data),
      })
      await answer.body.json()
    }),
  )
  return reply.code(202).send({ id: event.id })
})
const url = await app.listen({ host: '127.0.0.1', port: 0 })
process.on('message', (message: { ask: string }) => {
  if (message.ask === 'stop') return void app.close().then(() => process.exit(0))
  process.send?.({ cpu: process.cpuUsage(), memory: process.memoryUsage.rss() })
})
process.send?.({ port: Number(new URL(url).port) })
