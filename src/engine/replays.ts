import type { Journal } from '../journal/port.ts'
import type { Cancel, Clock } from './clock.ts'

/** A lane group that this process owns, as far as replays need it. */
export interface ReplayTarget {
  readonly lease: { readonly group: string }
  feedReplay(replay: number): Promise<void>
}

/** What the feeding of replays needs. */
export interface ReplaysDeps {
  readonly journal: Pick<Journal, 'runningReplays'>
  readonly clock: Clock
  /** Those that are owned now. */
  readonly groups: () => Iterable<ReplayTarget>
  readonly onError: (error: unknown) => void
}

const idlePollMs = 1_000
const busyPollMs = 250

/**
 * Feeds running replays to the lane groups of this process: asks once a second whether there is one, for all groups
 * together, and four times a second while there is. `start` and `stop` are safe to call twice; `stop` does not wait.
 */
export class Replays {
  readonly #deps: ReplaysDeps
  #started = false
  #stopped = false
  #cancel: Cancel | undefined

  constructor(deps: ReplaysDeps) {
    this.#deps = deps
  }

  start(): void {
    if (this.#started) return
    this.#started = true
    void this.#round()
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
  }

  async #round(): Promise<void> {
    let fed = false
    try {
      fed = await this.#feed()
    } catch (error) {
      if (!this.#stopped) this.#deps.onError(error)
    }
    if (this.#stopped) return
    this.#cancel = this.#deps.clock.timer(fed ? busyPollMs : idlePollMs, () => void this.#round())
  }

  async #feed(): Promise<boolean> {
    const { journal, groups } = this.#deps
    let fed = false
    for (const { id, group } of await journal.runningReplays())
      for (const target of groups()) {
        if (this.#stopped || target.lease.group !== group) continue
        await target.feedReplay(id)
        fed = true
      }
    return fed
  }
}
