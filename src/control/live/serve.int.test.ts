import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { LiveFeed } from './feed.ts'
import type { Marks } from './marks.ts'
import { liveTopics } from './marks.ts'
import { serveLive } from './serve.ts'

/** Everything changes with every look, in marks far longer than real ones: what takes hours elsewhere takes a second. */
const longMark = 'x'.repeat(1_000)
let looks: number
let app: FastifyInstance
let feed: LiveFeed
const answers: ServerResponse[] = []
const clients: Socket[] = []

beforeEach(async () => {
  looks = 0
  answers.length = clients.length = 0
  feed = new LiveFeed({
    look: async () => {
      looks++
      return Object.fromEntries(
        liveTopics.map((topic) => [topic, `${looks} ${longMark}`]),
      ) as unknown as Marks
    },
    onError: (error) => expect(error).toBeUndefined(),
    everyMs: 1,
  })
  app = Fastify()
  app.addHook('onRequest', async (_request, reply) => void answers.push(reply.raw))
  serveLive(app, feed, { admit: async () => undefined, admitEveryMs: 60_000 })
  await app.listen({ host: '127.0.0.1', port: 0 })
})
afterEach(async () => {
  feed.end()
  for (const client of clients) client.destroy()
  await app.close()
})

/** Asks for the stream; `reads` or leaves what comes where it is. */
async function watch(reads: boolean): Promise<Socket> {
  const { port } = app.server.address() as AddressInfo
  const client = connect({ host: '127.0.0.1', port })
  clients.push(client)
  client.on('error', () => undefined)
  client.write('GET /live HTTP/1.1\r\nhost: busbar.test\r\n\r\n')
  if (reads) client.resume()
  const before = answers.length
  await vi.waitFor(() => expect(answers.length).toBeGreaterThan(before), 5_000)
  return client
}

it('a client that does not read is let go, and no more than a little ever waits for it', async () => {
  await watch(true)
  await watch(false)
  const [reader, other] = answers as [ServerResponse, ServerResponse]
  let most = 0
  await vi.waitFor(
    () => {
      most = Math.max(most, other.writableLength)
      expect(other.destroyed).toBe(true)
    },
    { timeout: 30_000, interval: 1 },
  )
  expect(most).toBeGreaterThan(0) // it was full before it was let go
  expect(most).toBeLessThan(128 * 1024)
  expect(reader.destroyed).toBe(false)
  const connections = () =>
    new Promise<number>((resolve) => app.server.getConnections((_error, count) => resolve(count)))
  await vi.waitFor(async () => expect(await connections()).toBe(1), 5_000)
}, 60_000)

it('nobody looks any more when the last client has gone that way', async () => {
  await watch(false)
  await vi.waitFor(() => expect(answers[0]?.destroyed).toBe(true), { timeout: 30_000, interval: 5 })
  const before = looks
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setTimeout(resolve, 50)) // fifty looks, were there any
  expect(looks - before).toBeLessThanOrEqual(1)
}, 60_000)
