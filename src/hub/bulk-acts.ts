import type { Cancel } from '../engine/clock.ts'
import { systemClock } from '../engine/clock.ts'
import type { Database } from '../journal/database.ts'

const idlePollMs = 1_000
const busyPollMs = 250

/**
 * Drives acts on many runs: looks once a second whether one is running, and four times a second while one is. Every
 * process may; of several, one at a time is at an act, and when it ends another goes on where it was. `start` and `stop`
 * are safe to call twice; `stop` resolves when its last step has settled.
 */
export class BulkActs {
  readonly #database: Database
  readonly #onError: (error: unknown) => void
  #state: 'new' | 'running' | 'stopped' = 'new'
  #cancel: Cancel = () => undefined
  #working: Promise<void> = Promise.resolve()

  constructor(options: { readonly database: Database; readonly onError: (error: unknown) => void }) {
    this.#database = options.database
    this.#onError = options.onError
  }

  start(): void {
    if (this.#state !== 'new') return
    this.#state = 'running'
    this.#round()
  }

  async stop(): Promise<void> {
    this.#state = 'stopped'
    this.#cancel()
    await this.#working
  }

  #round(): void {
    this.#working = this.#advanceAll()
      .catch((error: unknown) => {
        if (this.#state === 'running') this.#onError(error)
        return false
      })
      .then((busy) => {
        if (this.#state !== 'running') return
        this.#cancel = systemClock.timer(busy ? busyPollMs : idlePollMs, () => this.#round())
      })
  }

  /** True while something is under way. */
  async #advanceAll(): Promise<boolean> {
    const live = await this.#database.query<{ id: number; running: boolean }>({
      name: 'live-bulk-acts',
      text: `SELECT id, state = 'running' AS running FROM bulk_acts
             WHERE state = 'running' OR open > 0 AND state <> 'done' ORDER BY id LIMIT 100`, // bulk_acts_live
    })
    for (const { id } of live) {
      if (this.#state !== 'running') return false
      // What one act meets must not hold up the others.
      await this.#database
        .query({ name: 'advance-bulk', text: 'SELECT advance_bulk($1::bigint)', values: [id] })
        .catch((error: unknown) => {
          if (this.#state === 'running') this.#onError(error)
        })
    }
    return live.some(({ running }) => running)
  }
}
