import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'

/** As docs/operations.md advises: the young generation takes what it is given, busbar does not need it. */
const smallHeap = ['--max-semi-space-size=16']

/** What a process has used since its start. */
export interface Usage {
  /** Microseconds. */
  readonly cpu: { readonly user: number; readonly system: number }
  /** Resident, in bytes. */
  readonly memory: number
}

/** What takes events in and delivers them: one process or several. */
export interface Contestant {
  /** Where it takes events. */
  readonly port: number
  /** CPU summed over its processes, memory of the largest. */
  usage(): Promise<Usage>
  stop(): Promise<void>
}

/** One process of the bench: asked one thing at a time. */
export class Child {
  static readonly #all: Child[] = []
  readonly #process: ChildProcess
  readonly #ended: Promise<never>
  constructor(file: string, args: readonly string[] = []) {
    this.#process = fork(new URL(file, import.meta.url), args, {
      execArgv:
        file.includes('hub') && process.env['BENCH_PROFILE']
          ? ['--cpu-prof', '--cpu-prof-dir=bench/profile', ...smallHeap]
          : smallHeap,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#ended = new Promise((_, reject) =>
      this.#process.once('exit', (code) => reject(new Error(`a bench process ended with ${code}`))),
    )
    this.#ended.catch(() => undefined)
    Child.#all.push(this)
  }

  static killAll(): void {
    for (const child of Child.#all) child.#process.kill('SIGKILL')
  }

  async next<T>(): Promise<T> {
    const message = new Promise<T>((resolve) => this.#process.once('message', (value) => resolve(value as T)))
    return Promise.race([message, this.#ended])
  }

  ask<T>(message: object): Promise<T> {
    const answer = this.next<T>()
    this.#process.send(message)
    return answer
  }

  /** Resolves when it has ended as asked. */
  async stop(): Promise<void> {
    await this.ask({ ask: 'stop' }).catch(() => undefined)
  }
}

/** A contestant of one process that answers `usage` and `stop`, and says its port when it is ready. */
export async function startSingle(file: string, settings: object): Promise<Contestant> {
  const child = new Child(file, [JSON.stringify(settings)])
  const { port, failed } = await child.next<{ port: number; failed?: string }>()
  if (failed !== undefined) throw new Error(failed)
  return { port, usage: () => child.ask<Usage>({ ask: 'usage' }), stop: () => child.stop() }
}

export interface HubSettings {
  readonly url: string
  readonly schema: string
  readonly ports: readonly number[]
  readonly withPaused: boolean
  /** Default: three flows of one step each. */
  readonly workload?: 'single' | 'process'
  /** What carries events from the journal to the workers. */
  readonly transport: 'log' | 'rabbitmq'
  readonly amqpUrl: string
  /** Of each flow. */
  readonly partitions: 1 | 2 | 4
  /** Default: all. */
  readonly roles?: readonly ('ingress' | 'relay' | 'worker')[]
}

/**
 * The system under test. Without `workers` one process with all roles, else one that takes events in and so many that
 * work: they share the partitions of the flows.
 */
export async function startHub(settings: HubSettings, workers = 0): Promise<Contestant> {
  if (workers === 0) return startSingle('./hub.ts', settings)
  const roles = settings.transport === 'log' ? ['ingress'] : ['ingress', 'relay']
  const door = await startSingle('./hub.ts', { ...settings, roles })
  const all = [door]
  for (let worker = 0; worker < workers; worker++)
    all.push(await startSingle('./hub.ts', { ...settings, roles: ['worker'] }))
  return {
    port: door.port,
    async usage() {
      const each = await Promise.all(all.map((one) => one.usage()))
      const sum = (part: 'user' | 'system') => each.reduce((total, { cpu }) => total + cpu[part], 0)
      return {
        cpu: { user: sum('user'), system: sum('system') },
        memory: Math.max(...each.map(({ memory }) => memory)),
      }
    },
    stop: async () => void (await Promise.all(all.map((one) => one.stop()))),
  }
}
