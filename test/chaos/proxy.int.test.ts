import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { databaseUrl } from '../scenario/rig.ts'
import { ChaosProxy } from './proxy.ts'
import { startProxy } from './proxy-process.ts'

let cleanup = new AsyncDisposableStack()
afterEach(async () => {
  await cleanup.disposeAsync()
  cleanup = new AsyncDisposableStack()
})

/** A server that sends back what it gets, and remembers it. */
async function echoServer() {
  const sockets: Socket[] = []
  const got = { bytes: 0, ends: 0, resets: 0 }
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => void got.resets++)
    socket.on('data', (piece) => {
      got.bytes += piece.length
      if (!socket.write(piece)) {
        socket.pause()
        socket.once('drain', () => socket.resume())
      }
    })
    socket.on('end', () => {
      got.ends++
      socket.end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanup.defer(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { port: (server.address() as AddressInfo).port, sockets, got }
}

/** A client, with what it has got. */
class Client {
  readonly socket: Socket
  got = Buffer.alloc(0)
  bytes = 0
  ended = false
  error = ''

  constructor(port: number, { keeps = true } = {}) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.socket.on('data', (piece) => {
      this.bytes += piece.length
      if (keeps) this.got = Buffer.concat([this.got, piece])
    })
    this.socket.on('end', () => (this.ended = true))
    this.socket.on('error', (error: NodeJS.ErrnoException) => (this.error = error.code ?? error.message))
    cleanup.defer(() => void this.socket.destroy())
  }

  say(text: string): void {
    this.socket.write(text)
  }

  heard(text: string): Promise<void> {
    return until(() => this.got.toString().endsWith(text))
  }
}

async function until(condition: () => boolean, ms = 5_000): Promise<void> {
  const deadline = performance.now() + ms
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${condition.toString()}`)
    await sleep(5)
  }
}

async function setUp() {
  const server = await echoServer()
  const proxy = await ChaosProxy.open({
    upstream: { host: '127.0.0.1', port: server.port },
    seed: 'proxy test',
  })
  cleanup.defer(() => proxy.close())
  const client = new Client(proxy.port)
  client.say('hello')
  await client.heard('hello')
  return { server, proxy, client }
}

describe('a proxy without faults', () => {
  it('carries both directions, and the end of each on its own', async () => {
    const { server, proxy, client } = await setUp()
    client.socket.end('bye')
    await client.heard('bye')
    await until(() => client.ended && proxy.connections === 0)
    expect(server.got).toEqual({ bytes: 8, ends: 1, resets: 0 })
    expect(proxy.counts).toMatchObject({ accepted: 1, forwarded: 16, cut: 0 })
  })

  it('passes a reset on, and the want of a server behind it', async () => {
    const { server, proxy, client } = await setUp()
    client.socket.resetAndDestroy()
    await until(() => server.got.resets === 1)
    const nobody = await ChaosProxy.open({ upstream: { host: '127.0.0.1', port: proxy.port } })
    cleanup.defer(() => nobody.close())
    await proxy.refuse()
    const refused = new Client(nobody.port)
    await until(() => refused.error === 'ECONNRESET')
  })
})

describe('faults of the proxy', () => {
  it('refuses new connections, keeps old ones, and listens on the same port again', async () => {
    const { proxy, client } = await setUp()
    await proxy.refuse()
    const refused = new Client(proxy.port)
    await until(() => refused.error === 'ECONNREFUSED')
    client.say('still here')
    await client.heard('still here')
    await proxy.heal()
    const again = new Client(proxy.port)
    again.say('back')
    await again.heard('back')
  })

  it('cuts all connections with resets that both sides see', async () => {
    const { server, proxy, client } = await setUp()
    expect(proxy.cut()).toBe(1)
    await until(() => client.error === 'ECONNRESET' && server.got.resets === 1)
    expect(proxy.counts.cut).toBe(1)
  })

  it('cuts a share of the connections, the same ones for the same seed', async () => {
    const cutOf = async () => {
      const { proxy, client } = await setUp()
      const clients = [client]
      for (let index = 0; index < 19; index++) {
        const more = new Client(proxy.port)
        more.say('x')
        await more.heard('x')
        clients.push(more)
      }
      const cut = proxy.cut({ share: 0.5 })
      await until(() => clients.filter(({ error }) => error !== '').length === cut)
      for (const alive of clients.filter(({ error }) => error === '')) {
        alive.say('y')
        await alive.heard('y')
      }
      return clients.map(({ error }) => error !== '')
    }
    const first = await cutOf()
    expect(first.filter(Boolean).length).toBeGreaterThan(3)
    expect(first.filter(Boolean).length).toBeLessThan(17)
    expect(await cutOf()).toEqual(first)
  })

  it('delays one direction, in order in spite of jitter, the end too', async () => {
    const { proxy, client } = await setUp()
    proxy.impair('down', { delayMs: 150, jitterMs: 60 })
    const from = performance.now()
    for (const text of ['1', '2', '3', '4']) {
      client.say(text)
      await sleep(10)
    }
    client.socket.end()
    expect(client.ended).toBe(false)
    await until(() => client.ended)
    expect(client.got.toString()).toBe('hello1234')
    expect(performance.now() - from).toBeGreaterThan(150)
    expect(proxy.counts.delayed).toBeGreaterThanOrEqual(3)
  })

  it('delays the way up so that the server hears later', async () => {
    const { server, proxy, client } = await setUp()
    proxy.impair('up', { delayMs: 200 })
    client.say('late')
    await sleep(100)
    expect(server.got.bytes).toBe(5)
    await until(() => server.got.bytes === 9)
  })

  it('drips', async () => {
    const { proxy, client } = await setUp()
    proxy.impair('down', { bytesPerSecond: 20_000 })
    const from = performance.now()
    client.say('x'.repeat(6_000))
    await until(() => client.bytes === 6_005)
    expect(performance.now() - from).toBeGreaterThan(250)
    expect(proxy.counts.dripped).toBeGreaterThan(10)
  })

  it('stalls one direction without closing, and loses nothing', async () => {
    const { server, proxy, client } = await setUp()
    proxy.impair('down', { stalled: true })
    client.socket.end('held')
    await until(() => server.got.bytes === 9 && server.got.ends === 1 && proxy.counts.stalled > 0)
    await sleep(50)
    expect([client.got.toString(), client.ended, client.error]).toEqual(['hello', false, ''])
    await proxy.heal()
    await client.heard('held')
    await until(() => client.ended)
  })

  it('swallows both directions and the ends, accepts meanwhile, and resets what has lost something', async () => {
    const { server, proxy, client } = await setUp()
    const quiet = new Client(proxy.port)
    quiet.say('q')
    await quiet.heard('q')
    proxy.impair('both', { swallows: true })
    client.socket.end('gone')
    const during = new Client(proxy.port)
    during.say('anybody?')
    await until(() => proxy.counts.swallowed >= 2)
    await sleep(50)
    expect([server.sockets.length, server.got.bytes, server.got.ends]).toEqual([2, 6, 0])
    expect([client.error, during.error, during.socket.readyState]).toEqual(['', '', 'open'])
    await proxy.heal()
    await until(() => client.error === 'ECONNRESET' && during.error === 'ECONNRESET')
    quiet.say('r')
    await quiet.heard('r')
  })

  it('swallows answers only: the server has done it, the client never hears', async () => {
    const { server, proxy, client } = await setUp()
    proxy.impair('down', { swallows: true })
    client.say('done')
    await until(() => server.got.bytes === 9 && proxy.counts.swallowed === 1)
    client.socket.resetAndDestroy()
    await until(() => server.got.resets === 1)
  })

  it('ends one direction, and carries the other on', async () => {
    const { server, proxy, client } = await setUp()
    expect(proxy.halfClose('down')).toBe(1)
    await until(() => client.ended)
    client.say('more')
    await until(() => server.got.bytes === 9)
    expect(server.got).toMatchObject({ ends: 0, resets: 0 })
    expect(proxy.counts).toMatchObject({ halfClosed: 1 })
    await proxy.heal() // what the server has answered since is lost
    await until(() => server.got.resets === 1)
  })

  it('keeps a reset to itself while the line carries nothing', async () => {
    const { server, proxy, client } = await setUp()
    proxy.impair('both', { swallows: true })
    client.socket.resetAndDestroy()
    await sleep(50)
    expect(server.got.resets).toBe(0)
    await proxy.heal()
    await until(() => server.got.resets === 1)
  })
})

describe('in the middle of a large transfer', () => {
  const size = 32 * 1_048_576

  async function transferring() {
    const parts = await setUp()
    const client = new Client(parts.proxy.port, { keeps: false })
    client.socket.end(Buffer.alloc(size, 'x'))
    await until(() => client.bytes > 1_000_000)
    return { ...parts, client }
  }

  it('cuts it off', async () => {
    const { proxy, client } = await transferring()
    proxy.cut()
    await until(() => client.error !== '')
    expect(client.bytes).toBeLessThan(size)
  })

  it('stalls it, then all of it comes', async () => {
    const { proxy, client } = await transferring()
    proxy.impair('both', { stalled: true })
    await sleep(100)
    const { bytes } = client
    await sleep(100)
    expect(client.bytes).toBe(bytes)
    expect(bytes).toBeLessThan(size)
    await proxy.heal()
    await until(() => client.bytes === size && client.ended, 20_000)
  })

  it('swallows the rest of it', async () => {
    const { proxy, client } = await transferring()
    proxy.impair('down', { swallows: true })
    await sleep(200)
    expect(client.bytes).toBeLessThan(size)
    expect(client.ended).toBe(false)
    await proxy.heal()
    await until(() => client.error === 'ECONNRESET')
  })
})

describe('PostgreSQL through a proxy of its own process', () => {
  const { hostname, port } = new URL(databaseUrl)
  const upstream = { host: hostname, port: Number(port || 5432) }

  async function connected() {
    const proxy = await startProxy({ upstream })
    cleanup.defer(() => proxy.close())
    const url = new URL(databaseUrl)
    url.host = `127.0.0.1:${proxy.port}`
    const pool = new pg.Pool({ connectionString: url.href, max: 2, connectionTimeoutMillis: 2_000 })
    pool.on('error', () => undefined)
    cleanup.defer(() => pool.end())
    return { proxy, pool }
  }

  it('carries queries, large results and prepared statements', async () => {
    const { proxy, pool } = await connected()
    const { rows } = await pool.query<{ n: number; text: string }>({
      name: 'large',
      text: `SELECT n, repeat('x', 1000) AS text FROM generate_series(1, $1::int) n`,
      values: [5_000],
    })
    expect(rows.length).toBe(5_000)
    expect((await proxy.counts()).forwarded).toBeGreaterThan(5_000_000)
  })

  it('loses the answer of a commit that took place', async () => {
    const { proxy, pool } = await connected()
    const table = `proxy_test_${process.pid}`
    await pool.query(`CREATE TABLE ${table} (n int)`)
    cleanup.defer(async () => {
      await proxy.heal()
      await pool.query(`DROP TABLE ${table}`)
    })
    await proxy.impair('down', { swallows: true })
    const insert = pool.query(`INSERT INTO ${table} VALUES (1)`)
    insert.catch(() => undefined)
    const direct = new pg.Client({ connectionString: databaseUrl })
    await direct.connect()
    cleanup.defer(() => direct.end())
    let rows: unknown[] = []
    while (rows.length === 0) rows = (await direct.query(`SELECT * FROM ${table}`)).rows
    await proxy.cut()
    await expect(insert).rejects.toThrow(/terminated|ECONNRESET/)
  })

  it('breaks queries that run, refuses new connections, and serves again after it is healed', async () => {
    const { proxy, pool } = await connected()
    const broken = pool.query('SELECT pg_sleep(20)')
    const failed = expect(broken).rejects.toThrow(/ECONNRESET|terminated/)
    while ((await proxy.counts()).accepted === 0) await sleep(10)
    await sleep(50)
    expect(await proxy.cut()).toBe(1)
    await failed
    await proxy.refuse()
    await expect(pool.query('SELECT 1')).rejects.toThrow(/ECONNREFUSED/)
    await proxy.heal()
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })

  it('slows queries down by the delay', async () => {
    const { proxy, pool } = await connected()
    await pool.query('SELECT 1')
    await proxy.impair('both', { delayMs: 100 })
    const from = performance.now()
    await pool.query('SELECT 1')
    expect(performance.now() - from).toBeGreaterThan(195)
  })
})
