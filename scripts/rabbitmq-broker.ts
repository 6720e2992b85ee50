/** A RabbitMQ of one's own, for tests: on free ports, in a folder of its own, ended with everything it started. */
import type { ChildProcess } from 'node:child_process'
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const startMs = 60_000

/** A broker that a test may do anything to. */
export interface Broker {
  /** Stays the same over restarts. */
  readonly url: string
  readonly port: number
  /** Runs `rabbitmqctl` on it; resolves to what it prints. */
  ctl(...args: readonly string[]): Promise<string>
  /** Ends it as a power cut would (kill -9); its folder stays. */
  kill(): Promise<void>
  /** Ends it as `kill` does and removes all that it has stored; its ports stay. */
  wipe(): Promise<void>
  /** Starts it again on the same port and folder; resolves when it takes connections. */
  start(): Promise<void>
  /** Makes it block every connection that publishes, as one that is short of memory does. */
  raiseAlarm(): Promise<void>
  clearAlarm(): Promise<void>
  /** Ends it in order and removes its folder. Safe to call twice. */
  stop(): Promise<void>
}

/** The folder of RabbitMQ's own programs; undefined where it is not installed. Debian's wrappers elsewhere change the user. */
export function brokerPrograms(): string | undefined {
  const folders = ['/usr/lib/rabbitmq/bin', ...(process.env['PATH'] ?? '').split(delimiter)]
  return folders.find((folder) => folder !== '' && existsSync(join(folder, 'rabbitmq-server')))
}

/** Starts a broker; takes some seconds. Rejects with its last words when it does not come up. */
export async function startBroker(): Promise<Broker> {
  const programs = brokerPrograms()
  if (programs === undefined)
    throw new Error('RabbitMQ is not installed: there is no rabbitmq-server in the PATH')
  const folder = await mkdtemp(join(tmpdir(), 'busbar-test-rabbitmq-'))
  const broker = new OwnBroker({ programs, folder, ports: await freePorts(3) })
  try {
    await broker.start()
  } catch (error) {
    await broker.stop()
    throw error
  }
  return broker
}

/** Whether an AMQP server takes connections at a URL: it greets whoever says hello. */
export async function brokerAnswers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  return greets(hostname.replace(/^\[|\]$/g, ''), Number(port) || 5_672)
}

class OwnBroker implements Broker {
  readonly url: string
  readonly port: number
  readonly #programs: string
  readonly #folder: string
  readonly #node: string
  readonly #env: NodeJS.ProcessEnv
  #registry: ChildProcess | undefined
  #server: ChildProcess | undefined
  #words = ''
  readonly #onExit = () => {
    for (const child of [this.#server, this.#registry]) child?.kill('SIGKILL')
  }

  constructor(options: { programs: string; folder: string; ports: readonly number[] }) {
    const [port = 0, dist = 0, registry = 0] = options.ports
    this.port = port
    this.url = `amqp://guest:guest@127.0.0.1:${port}`
    this.#programs = options.programs
    this.#folder = options.folder
    this.#node = `busbar-test-${port}@localhost`
    this.#env = {
      PATH: process.env['PATH'],
      LANG: 'C.UTF-8',
      HOME: options.folder, // where Erlang keeps the cookie that its nodes know each other by
      RABBITMQ_NODENAME: this.#node,
      RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(dist),
      RABBITMQ_MNESIA_BASE: join(options.folder, 'data'),
      RABBITMQ_LOG_BASE: join(options.folder, 'log'),
      RABBITMQ_LOGS: '-',
      RABBITMQ_PID_FILE: join(options.folder, 'pid'),
      RABBITMQ_CONF_ENV_FILE: join(options.folder, 'env.conf'),
      RABBITMQ_CONFIG_FILE: join(options.folder, 'rabbitmq.conf'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(options.folder, 'plugins'),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
        '+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}',
      ERL_EPMD_ADDRESS: '127.0.0.1',
      ERL_EPMD_PORT: String(registry),
      RUNNING_UNDER_SYSTEMD: 'true', // the script becomes the server, so that its process id is the server's
    }
  }

  async start(): Promise<void> {
    if (this.#server) return
    process.off('exit', this.#onExit).once('exit', this.#onExit) // a test runner that gives up does not leave it behind
    await writeFile(this.#env['RABBITMQ_CONF_ENV_FILE'] ?? '', '')
    await writeFile(
      this.#env['RABBITMQ_CONFIG_FILE'] ?? '',
      'log.console = true\nlog.console.level = warning\n',
    )
    await writeFile(this.#env['RABBITMQ_ENABLED_PLUGINS_FILE'] ?? '', '[].\n')
    // Erlang's registry of nodes: one of its own, since one that the server starts itself would outlive it.
    this.#registry ??= spawn('epmd', [], { env: this.#env, stdio: 'ignore' })
    this.#registry.once('error', (error) => (this.#words += String(error)))
    const server = spawn(join(this.#programs, 'rabbitmq-server'), [], {
      env: this.#env,
      cwd: this.#folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#server = server
    const hear = (words: Buffer | Error) => {
      this.#words = (this.#words + words.toString()).slice(-4_000)
    }
    server.stdout.on('data', hear)
    server.stderr.on('data', hear)
    server.once('error', hear)
    server.once('close', () => {
      if (this.#server === server) this.#server = undefined
    })
    await this.#greeting()
  }

  async #greeting(): Promise<void> {
    const deadline = performance.now() + startMs
    while (!(await greets('127.0.0.1', this.port))) {
      if (!this.#server || performance.now() > deadline)
        throw new Error(`RabbitMQ did not start within ${startMs} ms; its last words:\n${this.#words}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  async ctl(...args: readonly string[]): Promise<string> {
    const program = join(this.#programs, 'rabbitmqctl')
    const { stdout } = await run(program, ['--quiet', '--node', this.#node, ...args], { env: this.#env })
    return stdout
  }

  async kill(): Promise<void> {
    await ended(this.#server, 'SIGKILL')
  }

  async wipe(): Promise<void> {
    await this.kill()
    await rm(join(this.#folder, 'data'), { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }

  async raiseAlarm(): Promise<void> {
    await this.ctl('set_vm_memory_high_watermark', '0.00001')
  }

  async clearAlarm(): Promise<void> {
    await this.ctl('set_vm_memory_high_watermark', '0.4')
  }

  async stop(): Promise<void> {
    process.off('exit', this.#onExit)
    await ended(this.#server, 'SIGTERM')
    await ended(this.#registry, 'SIGKILL')
    this.#registry = undefined
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
}

/** Ends a process and waits for its end; after ten seconds of asking, by force. */
async function ended(child: ChildProcess | undefined, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const closed = new Promise((resolve) => child.once('close', resolve))
  child.kill(signal)
  const force = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await closed
  clearTimeout(force)
}

/** An AMQP 0-9-1 server answers the protocol header with a frame of its own, whose first byte is 1. */
function greets(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2_000 })
    const end = (greeted: boolean) => {
      socket.destroy()
      resolve(greeted)
    }
    socket.once('connect', () => socket.write(Buffer.from('AMQP\x00\x00\x09\x01', 'latin1')))
    socket.once('data', (bytes) => end(bytes[0] === 1))
    socket.once('error', () => end(false))
    socket.once('timeout', () => end(false))
    socket.once('close', () => end(false))
  })
}

/** Ports that nobody listens on now, all different. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
