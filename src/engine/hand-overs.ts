import type { Clock } from './clock.ts'

/** A partition that its owner may give up, as far as handing over needs it. */
export interface HandedOver {
  readonly lease: { readonly group: string; readonly part: number }
  /** Runs in memory that have not ended. */
  readonly unfinished: number
  /** How long the oldest attempt has been under way; 0 when there is none. */
  readonly oldestAttemptMs: number
  /** Begins no attempts until none is under way; false, and it goes on, when that takes longer than `maxMs`. */
  quiesce(maxMs: number): Promise<boolean>
}

/** What handing over needs. */
export interface HandOversDeps {
  readonly clock: Clock
  /** Gives up a partition in which nothing is under way. */
  readonly release: (name: string) => Promise<void>
  /** One has been given up, or could not be. */
  readonly onEnded: () => void
}

/** Of one worker at a time. */
const maxAtOnce = 4
/** What has been under way for so long may well take longer. */
const freshMs = 700
const quiesceMs = 1_000
const againMs = 10_000

/**
 * Gives up partitions that others are to have, without stopping any for long: idle ones first, none with an attempt that hangs, and one
 * in which an attempt does not end within a second goes on as if nothing had been. That is tried again later.
 */
export class HandOvers {
  readonly #deps: HandOversDeps
  readonly #running = new Map<string, Promise<void>>()
  readonly #notBefore = new Map<string, number>()

  constructor(deps: HandOversDeps) {
    this.#deps = deps
  }

  /** Those that may be gone soon. */
  get names(): Iterable<string> {
    return this.#running.keys()
  }

  /** Resolves when this one is given up, or goes on. */
  async settled(name: string): Promise<void> {
    await this.#running.get(name)
  }

  /**
   * Begins as many as are wanted beside those that are under way. `may` says which lane groups a receiver would take.
   */
  begin(
    receivers: readonly string[],
    candidates: ReadonlyMap<string, HandedOver>,
    may: (receiver: string, group: string) => boolean,
  ): void {
    const now = this.#deps.clock.monotonic()
    for (const receiver of receivers.slice(this.#running.size, maxAtOnce)) {
      const [first] = [...candidates]
        .filter(([name, { lease }]) => !this.#running.has(name) && may(receiver, lease.group))
        .filter(([name, one]) => (this.#notBefore.get(name) ?? 0) <= now && one.oldestAttemptMs < freshMs)
        .sort(([, one], [, other]) => one.unfinished - other.unfinished)
      if (first) this.#running.set(first[0], this.#handOver(...first))
    }
  }

  async #handOver(name: string, group: HandedOver): Promise<void> {
    const { clock, release, onEnded } = this.#deps
    const quiet = await group.quiesce(quiesceMs)
    if (quiet) await release(name)
    else this.#notBefore.set(name, clock.monotonic() + againMs)
    this.#running.delete(name)
    onEnded()
  }
}
