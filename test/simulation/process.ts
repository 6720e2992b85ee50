import type { Cancel, Clock } from '../../src/engine/clock.ts'
import type { VirtualClock } from './virtual-clock.ts'

interface Held {
  readonly callback: () => void
  /** Called back, or not to be any more. */
  over: boolean
}

/**
 * An operating system's process as far as it matters here: it can be killed, after which nothing of it ever runs again,
 * and stopped, after which all its timers and answers come late and at once. What it has sent before travels on.
 */
export class SimulatedProcess {
  readonly id: string
  readonly #world: VirtualClock
  #state: 'running' | 'stopped' | 'dead' = 'running'
  #held: Held[] = []
  #timers = 0
  readonly #onDeath: () => void

  constructor(id: string, world: VirtualClock, onDeath: () => void) {
    this.id = id
    this.#world = world
    this.#onDeath = onDeath
  }

  get dead(): boolean {
    return this.#state === 'dead'
  }

  get stopped(): boolean {
    return this.#state === 'stopped'
  }

  /** Timers that it has set and that have neither fired nor been cancelled. */
  get timers(): number {
    return this.#timers
  }

  /** Time as this process sees it. Like Node's, no timer is shorter than a millisecond. */
  readonly clock: Clock = {
    now: () => this.#world.now(),
    monotonic: () => this.#world.monotonic(),
    timer: (delayMs, callback) => this.#timer(Math.max(1, delayMs), callback),
  }

  /** Something from outside arrives: now, when the process goes on, or never. */
  deliver(callback: () => void): void {
    this.#hold({ callback, over: false })
  }

  kill(): void {
    if (this.dead) return
    this.#state = 'dead'
    this.#held = []
    this.#onDeath()
  }

  /** Like SIGSTOP. */
  stop(): void {
    if (this.#state === 'running') this.#state = 'stopped'
  }

  /** Like SIGCONT: what has come meanwhile is handled, answers mixed with timers. */
  go(): void {
    if (this.#state !== 'stopped') return
    this.#state = 'running'
    for (const held of this.#held.splice(0)) this.#world.timer(0, () => this.#hold(held))
  }

  #timer(delayMs: number, callback: () => void): Cancel {
    this.#timers++
    const end = () => {
      if (!held.over) this.#timers--
      held.over = true
    }
    const fire = () => {
      end()
      callback()
    }
    const held: Held = { callback: fire, over: false }
    const cancel = this.#world.timer(delayMs, () => this.#hold(held))
    return () => {
      cancel()
      end()
    }
  }

  #hold(held: Held): void {
    if (this.#state === 'stopped') this.#held.push(held)
    else if (this.#state === 'running' && !held.over) held.callback()
  }
}
