/**
 * Networks of several hosts inside one machine: Linux network namespaces, joined by cables (veth pairs) to bridges. A
 * cable that is cut carries nothing and tells nobody: no FIN, no RST, no lost carrier. Needs root and iproute2.
 */
import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What is made here is known by its name and by the process that made it. */
const prefix = 'busbar'
const own = process.pid.toString(36)
let made = 0

async function ip(...args: readonly string[]): Promise<string> {
  return (await run('ip', args)).stdout
}

/** Why this machine lets nobody make networks; undefined when it does. Tries it. */
export async function lanFault(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'network namespaces are a matter of Linux'
  await using tried = new AsyncDisposableStack()
  try {
    const lan = tried.adopt(await Lan.open(), (made) => made.close())
    const host = tried.adopt(await Host.open(), (made) => made.close())
    const cable = await lan.join(host)
    await cable.cut()
    await cable.heal()
    return undefined
  } catch (error) {
    const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string }
    if (code === 'ENOENT') return 'iproute2 (ip, bridge) is not installed'
    return `network namespaces cannot be made here: ${(stderr ?? message).trim()}`
  }
}

/** A bridge with an address of the test's own host on it, and up to 200 hosts. */
export class Lan {
  readonly #name: string
  readonly #net: string
  #joined = 1

  private constructor(name: string, net: string) {
    this.#name = name
    this.#net = net
  }

  static async open(): Promise<Lan> {
    await removeLeftOvers()
    const name = `bb${own}b${made++}`
    const lan = new Lan(name, await freeNet())
    await ip('link', 'add', name, 'type', 'bridge')
    try {
      await ip('addr', 'add', `${lan.address}/24`, 'dev', name)
      await ip('link', 'set', name, 'up')
      return lan
    } catch (error) {
      await lan.close()
      throw error
    }
  }

  /** Of the test's own host: servers for the hosts listen here. */
  get address(): string {
    return `${this.#net}.1`
  }

  /** Lays a cable between a host and this network. */
  async join(host: Host): Promise<Cable> {
    const here = `bb${own}v${made++}`
    const there = `eth${made++}`
    const address = `${this.#net}.${++this.#joined}`
    await ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', host.name)
    await ip('link', 'set', here, 'master', this.#name, 'up')
    await ip('-n', host.name, 'addr', 'add', `${address}/24`, 'dev', there)
    await ip('-n', host.name, 'link', 'set', there, 'up')
    return new Cable(here, address)
  }

  async close(): Promise<void> {
    await ip('link', 'del', this.#name)
  }
}

/** The cable of one host to one network. */
export class Cable {
  /** Of the host, in that network. */
  readonly address: string
  readonly #port: string

  constructor(port: string, address: string) {
    this.#port = port
    this.address = address
  }

  /** From now on every packet is dropped, both ways, silently. */
  async cut(): Promise<void> {
    await run('bridge', ['link', 'set', 'dev', this.#port, 'state', '0'])
  }

  async heal(): Promise<void> {
    await run('bridge', ['link', 'set', 'dev', this.#port, 'state', '3'])
  }
}

/** A host: a network namespace with a loopback of its own; it has no other way out than its cables. */
export class Host {
  readonly name: string
  readonly #children = new Set<ChildProcess>()

  private constructor(name: string) {
    this.name = name
  }

  static async open(): Promise<Host> {
    const host = new Host(`${prefix}-${own}-h${made++}`)
    await ip('netns', 'add', host.name)
    await ip('-n', host.name, 'link', 'set', 'lo', 'up')
    return host
  }

  /** Runs a module of ours on this host, as `fork` does; messages go beside the network. */
  fork(module: URL, args: readonly string[]): ChildProcess {
    const child = spawn(
      'ip',
      ['netns', 'exec', this.name, process.execPath, fileURLToPath(module), ...args],
      { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
    )
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  /** Kills what runs on it, and removes it with its cables. */
  async close(): Promise<void> {
    const ended = [...this.#children].map((child) => new Promise((resolve) => child.once('exit', resolve)))
    for (const child of this.#children) child.kill('SIGKILL')
    await Promise.all(ended)
    await ip('netns', 'del', this.name)
  }
}

/** What tests have left that were killed: their process is not there any more. */
async function removeLeftOvers(): Promise<void> {
  const gone = (pid: string | undefined) =>
    pid !== undefined && !existsSync(`/proc/${Number.parseInt(pid, 36)}`)
  for (const line of (await ip('netns', 'list')).split('\n')) {
    const [name, pid] = new RegExp(`^${prefix}-([0-9a-z]+)-h\\d+`).exec(line) ?? []
    if (name !== undefined && gone(pid)) await ip('netns', 'del', name).catch(() => undefined)
  }
  for (const line of (await ip('-o', 'link', 'show', 'type', 'bridge')).split('\n')) {
    const [, name, pid] = /^\d+: (bb([0-9a-z]+)b\d+):/.exec(line) ?? []
    if (name !== undefined && gone(pid)) await ip('link', 'del', name).catch(() => undefined)
  }
}

/** Of 198.18.0.0/15, which RFC 2544 keeps for tests between hosts. */
async function freeNet(): Promise<string> {
  const used = await ip('-o', '-4', 'addr', 'show')
  const start = process.pid % 256
  for (let step = 0; step < 256; step++) {
    const net = `198.18.${(start + step) % 256}`
    if (!used.includes(` ${net}.`)) return net
  }
  throw new Error('all networks for tests are in use')
}
