/** Real busbar processes, a target system that writes down what reaches it, and a schema of their own. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import pg from 'pg'
import { databaseUrl } from '../scenario/rig.ts'
import type { NodeSettings } from './role-node.ts'

/** One request that reached the target. */
export interface Request {
  readonly path: string
  readonly number: string
  readonly revision: number
  readonly at: number
  /** Requests that it had not answered yet, this one included. */
  readonly overlapping: number
}

/** The target: takes `holdMs` for each request. */
export class Target {
  readonly requests: Request[] = []
  holdMs = () => 5
  status = 200
  #open = 0
  readonly #server: Server

  constructor() {
    this.#server = createServer((incoming, answer) => {
      const at = performance.now()
      this.#open++
      const overlapping = this.#open
      let body = ''
      incoming.on('data', (chunk: Buffer) => (body += chunk.toString()))
      incoming.on('end', () => {
        const { number, revision } = JSON.parse(body) as { number: string; revision: number }
        this.requests.push({ path: incoming.url ?? '', number, revision, at, overlapping })
        setTimeout(() => {
          this.#open--
          answer.writeHead(this.status, { 'content-type': 'application/json' }).end('{"id":1}')
        }, this.holdMs())
      })
    })
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** One process; may be started again on its port. */
export class RoleNode {
  readonly settings: NodeSettings
  #child: ChildProcess | undefined
  #ended: Promise<string> = Promise.resolve('never started')

  constructor(settings: NodeSettings) {
    this.settings = settings
  }

  get url(): string {
    return `http://127.0.0.1:${this.settings.port}`
  }

  /** Resolves when it serves. */
  async start(): Promise<void> {
    const child = fork(new URL('./role-node.ts', import.meta.url), [JSON.stringify(this.settings)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#child = child
    this.#ended = new Promise((resolve) =>
      child.once('exit', (code, signal) => resolve(signal ? `signal ${signal}` : `code ${code}`)),
    )
    const started = new Promise<string>((resolve) => child.once('message', () => resolve('started')))
    const first = await Promise.race([started, this.#ended])
    if (first !== 'started') throw new Error(`a node ended before it served: ${first}`)
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get ended(): Promise<string> {
    return this.#ended
  }
}

/** A schema, a target and the processes of one test; all ended by `close`. */
export interface Stage {
  readonly target: Target
  node(settings: Pick<NodeSettings, 'roles' | 'flows'> & Partial<NodeSettings>): Promise<RoleNode>
  sql<Row extends pg.QueryResultRow>(text: string): Promise<Row[]>
  close(): Promise<void>
}

/** On the PostgreSQL at `url`, which may be one that the test kills. */
export async function openStage(url = databaseUrl): Promise<Stage> {
  const schema = `roles_${randomBytes(6).toString('hex')}`
  const pool = new pg.Pool({ connectionString: url, max: 1, options: `-c search_path=${schema}` })
  pool.on('error', () => undefined) // it was killed: the next query connects again
  const target = new Target()
  const address = await target.open()
  const nodes: RoleNode[] = []
  return {
    target,
    async node(settings) {
      const node = new RoleNode({
        url,
        schema,
        target: address,
        port: await freePort(),
        leaseMs: 6_000,
        drainMs: 1_000,
        ...settings,
      })
      nodes.push(node)
      return node
    },
    sql: async <Row extends pg.QueryResultRow>(text: string) => (await pool.query<Row>(text)).rows,
    async close() {
      for (const node of nodes) node.signal('SIGKILL')
      await Promise.all(nodes.map((node) => node.ended))
      await target.close()
      await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      await pool.end()
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
