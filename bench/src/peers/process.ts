/** What the processes of all peers have in common: a door, calls to the targets, the channel to the bench. */
import Fastify from 'fastify'
import { Pool } from 'undici'
import type { Event } from './settings.ts'

/** What a target is sent, and under which id. */
export interface Delivery {
  readonly id: string
  readonly data: unknown
}

/** Calls a target over kept connections; throws for any answer but 2xx. */
export function createCaller(port: number, { connections }: { readonly connections: number }) {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections, pipelining: 1 })
  return async ({ id, data }: Delivery): Promise<void> => {
    const answer = await pool.request({
      method: 'POST',
      path: '/orders',
      headers: { 'content-type': 'application/json', 'ce-id': id },
      body: JSON.stringify(data),
    })
    await answer.body.text()
    if (answer.statusCode >= 300) throw new Error(`the target answered ${answer.statusCode}`)
  }
}

/** Takes events in: answers 202 when `take` has resolved. Says its port to the bench, and ends when told. */
export async function serve(
  take: (event: Event) => Promise<unknown>,
  { stop }: { readonly stop: () => Promise<unknown> },
): Promise<void> {
  const app = Fastify({ logger: false })
  app.addContentTypeParser('application/cloudevents+json', { parseAs: 'string' }, (_request, body, done) =>
    done(null, JSON.parse(body as string)),
  )
  app.post('/events', async (request, reply) => {
    const event = request.body as Event
    await take(event)
    // As busbar does: a reply that is answered is waited for, to its last byte.
    reply.code(202)
    return { id: event.id }
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  process.on('message', (message: { ask: string }) => {
    if (message.ask === 'stop')
      void app
        .close()
        .then(stop)
        .finally(() => process.exit(0))
  })
  process.send?.({ port: Number(new URL(url).port) })
}
