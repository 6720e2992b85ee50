import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { Dice } from '../simulation/dice.ts'
import { Pipe } from './pipe.ts'
import type { Impairment, Line, ProxyCounts } from './pipe.ts'

export type { Impairment, ProxyCounts } from './pipe.ts'

/** From the client to the server, or back. */
export type Direction = 'up' | 'down'

/** Where a proxy listens and what it stands before. */
export interface ProxyOptions {
  readonly upstream: { readonly host: string; readonly port: number }
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Decides jitter and which connections are cut. */
  readonly seed?: string
}

/** Below the ports that Linux gives to outgoing connections: while the proxy refuses, its port must not be taken. */
const ports = { from: 20_000, to: 32_000 }

/**
 * A TCP proxy whose line can be made bad and good again at run time. Faults add up; `heal` ends all of them. Does
 * nothing but move bytes, so it may run inside a test; `startProxy` runs one in a process of its own.
 */
export class ChaosProxy {
  readonly counts: ProxyCounts = {
    accepted: 0,
    refused: 0,
    cut: 0,
    halfClosed: 0,
    delayed: 0,
    dripped: 0,
    stalled: 0,
    swallowed: 0,
    forwarded: 0,
  }
  readonly #options: ProxyOptions
  readonly #dice: Dice
  readonly #lines: Readonly<Record<Direction, Line>>
  readonly #connections = new Set<Connection>()
  #server: Server | undefined
  #port = 0

  private constructor(options: ProxyOptions) {
    this.#options = options
    this.#dice = new Dice(options.seed ?? 'proxy')
    const line = (direction: Direction) => ({
      impairment: {},
      counts: this.counts,
      dice: this.#dice.fork(direction),
    })
    this.#lines = { up: line('up'), down: line('down') }
  }

  /** Listens on a free port. */
  static async open(options: ProxyOptions): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(options)
    let port = ports.from + Math.floor(Math.random() * (ports.to - ports.from))
    for (let tries = 0; ; tries++) {
      try {
        await proxy.#listen(port)
        return proxy
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || tries === 100) throw error
        port = port + 1 < ports.to ? port + 1 : ports.from
      }
    }
  }

  get port(): number {
    return this.#port
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#connections.size
  }

  /** Makes one direction worse, or both, on connections that exist and on later ones. */
  impair(directions: Direction | 'both', impairment: Impairment): void {
    for (const direction of directions === 'both' ? (['up', 'down'] as const) : [directions]) {
      const line = this.#lines[direction]
      line.impairment = { ...line.impairment, ...impairment }
    }
    for (const connection of this.#connections) connection.changed()
  }

  /** Nobody listens any more: new connections are refused; those that exist stay. */
  async refuse(): Promise<void> {
    this.counts.refused++
    const server = this.#server
    this.#server = undefined
    server?.close() // the port is free at once; the server itself ends with its last connection
  }

  /** Resets connections, all or a share of them by the seed; answers how many. */
  cut({ share = 1 }: { readonly share?: number } = {}): number {
    let cut = 0
    for (const connection of [...this.#connections]) {
      if (!this.#dice.chance(share)) continue
      connection.reset()
      cut++
    }
    this.counts.cut += cut
    return cut
  }

  /** Ends one direction of all connections, as a peer does that has no more to say; the other goes on. Answers how many. */
  halfClose(direction: Direction): number {
    const closed = [...this.#connections].filter((connection) => connection.halfClose(direction)).length
    this.counts.halfClosed += closed
    return closed
  }

  /** Ends all faults. Connections that lost something are reset, the others go on. */
  async heal(): Promise<void> {
    for (const line of Object.values(this.#lines)) line.impairment = {}
    for (const connection of [...this.#connections]) {
      if (connection.lost) connection.reset()
      else connection.changed()
    }
    if (!this.#server) await this.#listen(this.#port)
  }

  /** Resets what is open and listens no more. Safe to call twice. */
  async close(): Promise<void> {
    this.#server?.close()
    this.#server = undefined
    for (const connection of [...this.#connections]) connection.reset()
  }

  #listen(port: number): Promise<void> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (client) =>
      this.#accept(client),
    )
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, this.#options.host ?? '127.0.0.1', () => {
        this.#server = server
        this.#port = port
        resolve()
      })
    })
  }

  #accept(client: Socket): void {
    this.counts.accepted++
    const connection = new Connection({
      client,
      upstream: this.#options.upstream,
      lines: this.#lines,
      onClose: () => this.#connections.delete(connection),
    })
    this.#connections.add(connection)
  }
}

/** A client's connection and the one to the server behind it. */
class Connection {
  readonly #client: Socket
  readonly #server: Socket | undefined
  readonly #lines: Readonly<Record<Direction, Line>>
  readonly #pipes: Pipe[] = []
  readonly #onClose: () => void
  #lost = false

  constructor(options: {
    client: Socket
    upstream: ProxyOptions['upstream']
    lines: Readonly<Record<Direction, Line>>
    onClose: () => void
  }) {
    const { client, upstream, lines } = options
    this.#client = client
    this.#lines = lines
    this.#onClose = options.onClose
    client.on('error', () => this.#broke('up'))
    client.on('close', () => this.#closed())
    if (lines.up.impairment.swallows) {
      this.#lost = true // the server never hears of it
      client.on('data', () => void lines.up.counts.swallowed++)
      client.resume()
      return
    }
    const server = connect({ ...upstream, allowHalfOpen: true, noDelay: true })
    this.#server = server
    server.on('error', () => this.#broke('down'))
    server.on('close', () => this.#closed())
    server.once('connect', () => {
      this.#pipes.push(
        new Pipe({ from: client, to: server, line: lines.up }),
        new Pipe({ from: server, to: client, line: lines.down }),
      )
      client.resume()
    })
  }

  get lost(): boolean {
    return this.#lost || this.#pipes.some(({ lost }) => lost)
  }

  changed(): void {
    for (const pipe of this.#pipes) pipe.changed()
  }

  /** False where there is none yet. */
  halfClose(direction: Direction): boolean {
    const pipe = this.#pipes[direction === 'up' ? 0 : 1]
    pipe?.end()
    return pipe !== undefined
  }

  reset(): void {
    for (const pipe of this.#pipes) pipe.close()
    this.#client.resetAndDestroy()
    this.#server?.resetAndDestroy()
    this.#onClose()
  }

  /** One side has reset; over a line that carries nothing the other side does not hear of it. */
  #broke(direction: Direction): void {
    const { stalled, swallows } = this.#lines[direction].impairment
    if (stalled || swallows) this.#lost = true
    else this.reset()
  }

  #closed(): void {
    if (this.#client.destroyed && (this.#server?.destroyed ?? true)) this.#onClose()
  }
}
