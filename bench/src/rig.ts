import type { Contestant, Shape, Surroundings, System } from './contestants/contestant.ts'
import { Child } from './machine/child.ts'
import { busySeconds, cpuSecondsOf, memoryMbOf } from './machine/proc.ts'
import type { Command, GeneratorSettings, Sent } from './traffic/generator.ts'
import { now, sleep } from './traffic/clock.ts'
import type { Question, Received } from './traffic/targets.ts'

/** What is sent. */
export type Load = Omit<GeneratorSettings, 'port'>

export const defaultLoad: Load = { connections: 64, keys: 10_000, payloadBytes: 1_024 }

/** What a run is set up from. */
export interface RigOptions {
  readonly surroundings: Omit<Surroundings, 'ports'>
  readonly shape: Shape
  readonly load: Load
  /** Deliveries of an event. */
  readonly perEvent: number
}

export interface Snapshot {
  readonly at: number
  readonly accepted: number
  /** Events that have arrived everywhere, as far as counting tells. */
  readonly delivered: number
  readonly perTarget: readonly number[]
  /** Seconds. */
  readonly cpu: Readonly<Record<'own' | 'servers' | 'generator' | 'targets' | 'bench', number>>
  /** Seconds that all processors were busy with anything. */
  readonly busy: number
}

const lookEachMs = 25

export interface Saturation {
  /** How many events may be accepted that have not arrived: a source that is held back in time. */
  readonly lead: number
  /** Most events in all; default any number. */
  readonly upTo?: number
  /** A target that is down: what it lacks holds nobody back. */
  readonly without?: number
}

/** A contestant at work between a generator and three targets, all started for this run. */
export class Rig {
  readonly perEvent: number
  readonly contestant: Contestant
  readonly surroundings: Surroundings
  readonly #load: Load
  readonly #generator: Child
  readonly #targets: Child

  private constructor(parts: {
    perEvent: number
    contestant: Contestant
    surroundings: Surroundings
    load: Load
    generator: Child
    targets: Child
  }) {
    this.perEvent = parts.perEvent
    this.contestant = parts.contestant
    this.surroundings = parts.surroundings
    this.#load = parts.load
    this.#generator = parts.generator
    this.#targets = parts.targets
  }

  static async start(
    system: System,
    { surroundings: given, shape, load, perEvent }: RigOptions,
  ): Promise<Rig> {
    const targets = new Child(new URL('./traffic/targets.ts', import.meta.url))
    const { ports } = await targets.next<{ ports: readonly number[] }>()
    const surroundings = { ...given, ports }
    const contestant = await system.start(surroundings, shape)
    const settings: GeneratorSettings = { ...load, port: contestant.port }
    const generator = new Child(new URL('./traffic/generator.ts', import.meta.url), { settings })
    await generator.next()
    return new Rig({ perEvent, contestant, surroundings, load, generator, targets })
  }

  generator(command: Command): Promise<Sent> {
    return this.#generator.ask<Sent>(command)
  }

  targets(question: Question): Promise<Received> {
    return this.#targets.ask<Received>(question)
  }

  async snapshot(): Promise<Snapshot> {
    const [{ accepted }, { count, perTarget }] = await Promise.all([
      this.generator({ do: 'count' }),
      this.targets({ ask: 'count' }),
    ])
    const cpu = cpuSecondsOf({
      own: this.contestant.pids,
      servers: this.contestant.servers,
      generator: [this.#generator.pid],
      targets: [this.#targets.pid],
      bench: [process.pid],
    })
    const delivered = count / this.perEvent
    return { at: now(), accepted, delivered, perTarget, cpu, busy: busySeconds() }
  }

  memoryMb(): { own: number; servers: number } {
    return { own: memoryMbOf(this.contestant.pids), servers: memoryMbOf(this.contestant.servers) }
  }

  /**
   * Sends as fast as events are accepted, never further ahead of the targets than the lead, until what it answers is called.
   */
  async saturate({ lead, upTo = Infinity, without }: Saturation): Promise<() => Promise<void>> {
    const end = new AbortController()
    const allowed = (received: Received) =>
      Math.min(upTo, this.#arrived(received, without) + this.#leadOf(lead))
    await this.generator({ do: 'start', upTo: allowed(await this.targets({ ask: 'count' })) })
    const steering = (async () => {
      while (!end.signal.aborted) {
        await sleep(lookEachMs)
        await this.generator({ do: 'allow', upTo: allowed(await this.targets({ ask: 'count' })) })
      }
    })()
    return async () => {
      end.abort()
      await steering
      await this.generator({ do: 'stop' })
    }
  }

  /** A lead is said in orders of 1 KB to three targets: larger events, and more deliveries of each, make it shorter. */
  #leadOf(lead: number): number {
    const larger = Math.max(1, this.#load.payloadBytes / 1_024) * Math.max(1, this.perEvent / 3)
    return Math.ceil(Math.max(lead / larger, this.#load.connections))
  }

  #arrived({ count, perTarget }: Received, without: number | undefined): number {
    if (without === undefined) return Math.floor(count / this.perEvent)
    return Math.floor((count - (perTarget[without] ?? 0)) / (this.perEvent - this.perEvent / 3))
  }

  /** Waits until all that was accepted has arrived everywhere, at most so long; answers how many deliveries are missing. */
  async drained({
    longestMs = 600_000,
    without,
  }: { longestMs?: number; without?: number } = {}): Promise<number> {
    const deadline = now() + longestMs
    const { accepted } = await this.generator({ do: 'count' })
    for (;;) {
      const missing = accepted - this.#arrived(await this.targets({ ask: 'count' }), without)
      if (missing <= 0) return 0
      if (now() > deadline) return Math.ceil(missing * this.perEvent)
      await sleep(lookEachMs)
    }
  }

  async stop(): Promise<void> {
    await this.#generator.stop()
    await this.contestant.stop()
    await this.#targets.stop()
  }
}
