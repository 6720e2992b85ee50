import { execFile } from 'node:child_process'
import { chmod, chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { expect, it, onTestFinished, vi } from 'vitest'
import { z } from 'zod'
import { createHub, defineConfig, defineEvent, defineFlow, httpSystem, postgres } from '../../src/index.ts'
import type { Access } from '../../src/journal/embedded-access.ts'
import { urlOf } from '../../src/journal/embedded-access.ts'
import { prepareBinaries } from '../../src/journal/embedded-binaries.ts'
import type { Cluster } from '../../src/journal/embedded-cluster.ts'
import { initialize } from '../../src/journal/embedded-cluster.ts'
import { openHome } from '../../src/journal/embedded-home.ts'
import { startServer, stopServer } from '../../src/journal/embedded-server.ts'

/** A PostgreSQL of this test alone, whose standby is a copy of its data at some moment. */
class Pair {
  readonly #cluster: Cluster
  readonly #access: Access

  private constructor(cluster: Cluster, access: Access) {
    this.#cluster = cluster
    this.#access = access
  }

  static async start(): Promise<Pair> {
    const folder = await mkdtemp(join(tmpdir(), 'busbar-failover-'))
    await chmod(folder, 0o711) // started by root, PostgreSQL runs as another user, who must get in
    const { path: home, account } = await openHome(join(folder, 'pg'), () => undefined)
    const binaries = await prepareBinaries({ account, shelter: home })
    const cluster = { home, data: join(home, 'data'), log: join(home, 'postgres.log'), account, binaries }
    onTestFinished(async () => {
      await stopServer(cluster)
      await rm(folder, { recursive: true, force: true })
    })
    const { access } = await initialize(cluster)
    return new Pair(cluster, await startServer(cluster, { access, keepPort: false }))
  }

  get url(): string {
    return urlOf(this.#access)
  }

  async #startAgain(): Promise<void> {
    await startServer(this.#cluster, { access: this.#access, keepPort: true })
  }

  /** From here on nothing reaches the standby. */
  async cutOffStandby(): Promise<void> {
    await stopServer(this.#cluster)
    await promisify(execFile)('cp', ['-a', this.#cluster.data, `${this.#cluster.data}-standby`])
    await this.#startAgain()
  }

  /** The primary is gone; the standby is promoted, at the same address. */
  async failOver(): Promise<void> {
    const { data } = this.#cluster
    await stopServer(this.#cluster)
    await rm(data, { recursive: true })
    await promisify(execFile)('mv', [`${data}-standby`, data])
    const signal = join(data, 'standby.signal')
    await writeFile(signal, '')
    const { uid, gid } = await stat(data)
    await chown(signal, uid, gid)
    await this.#startAgain()
    const client = new pg.Client(this.url)
    await client.connect()
    await client.query('SELECT pg_promote()')
    await client.end()
  }
}

it('after an asynchronous failover, hands over what is accepted under numbers that the lost events had', async () => {
  const pair = await Pair.start()
  const told: string[] = []
  const target = createServer((request, response) => {
    told.push(request.url ?? '')
    request
      .resume()
      .on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'))
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void target.close())
  const crm = httpSystem({
    name: 'crm',
    baseUrl: `http://127.0.0.1:${(target.address() as AddressInfo).port}`,
    idempotency: { keyLife: '24h' },
  })
  const placed = defineEvent({
    type: 'shop.order.placed',
    schema: z.object({ number: z.string() }),
    key: ({ number }) => number,
  })
  const flow = defineFlow('tell-crm')
    .on(placed)
    .step('order', crm, { run: ({ event, call }) => call.post(`/${event.data.number}`, event.data) })
  const config = defineConfig({
    name: 'failover',
    journal: postgres({ url: pair.url }),
    flows: [flow],
    http: { port: 0, unauthenticated: true },
  })
  const hub = createHub(config, { migrate: true, leaseMs: 2_000, log: 'silent' })
  await hub.start()
  onTestFinished(() => hub.stop())
  const publish = (number: string) =>
    vi.waitFor(() => hub.publish(placed, { number }, { id: number, source: 'urn:shop' }), 20_000)
  const untilTold = (numbers: readonly string[]) =>
    vi.waitFor(() => expect(told).toEqual(expect.arrayContaining(numbers.map((each) => `/${each}`))), 20_000)

  await publish('A1')
  await untilTold(['A1'])
  await pair.cutOffStandby()
  const lost = ['L1', 'L2', 'L3', 'L4']
  for (const number of lost) await publish(number)
  await untilTold(lost)

  await pair.failOver()
  const after = ['N1', 'N2', 'N3']
  for (const number of after) await publish(number)
  await untilTold(after)
})
