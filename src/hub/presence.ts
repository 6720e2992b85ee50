import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { WorkerFacts } from '../journal/port.ts'
import type { Database } from '../journal/database.ts'
import { systemClock } from '../engine/clock.ts'
import type { Cancel } from '../engine/clock.ts'

/** What this process says of itself. */
export function processFacts(roles: Iterable<string>): WorkerFacts {
  return { host: hostname(), pid: process.pid, roles: [...roles] }
}

/** A new identity in the cluster. */
export function newIdentity(): string {
  return `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`
}

const heartbeatsPerLease = 4

/**
 * Lets people see a process that runs no flows. Nothing depends on it: what cannot be written now is written with the next
 * heartbeat. `start` and `stop` are safe to call twice.
 */
export class Presence {
  readonly #database: Database
  readonly #facts: WorkerFacts
  readonly #leaseMs: number
  readonly #onError: (error: unknown) => void
  readonly #id = newIdentity()
  readonly #startedAt = new Date()
  #draining = false
  #state: 'new' | 'running' | 'stopped' = 'new'
  #cancel: Cancel = () => undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(options: {
    readonly database: Database
    readonly facts: WorkerFacts
    readonly leaseMs: number
    readonly onError: (error: unknown) => void
  }) {
    this.#database = options.database
    this.#facts = options.facts
    this.#leaseMs = options.leaseMs
    this.#onError = options.onError
  }

  /** Begins to say so. */
  start(): void {
    if (this.#state !== 'new') return
    this.#state = 'running'
    this.#beat()
  }

  /** Says at once that this process is about to end. */
  drain(): void {
    this.#draining = true
    if (this.#state !== 'running') return
    this.#cancel()
    this.#beat()
  }

  async stop(): Promise<void> {
    const wasRunning = this.#state === 'running'
    this.#state = 'stopped'
    this.#cancel()
    await this.#writing
    if (!wasRunning) return
    await this.#database
      .query({ text: 'DELETE FROM processes WHERE id = $1', values: [this.#id] })
      .catch(this.#onError)
  }

  #beat(): void {
    this.#writing = this.#writing.then(() => this.#write()).catch(this.#onError)
    this.#cancel = systemClock.timer(this.#leaseMs / heartbeatsPerLease, () => this.#beat())
  }

  /** Those that nobody has seen for a week are forgotten. */
  async #write(): Promise<void> {
    const { host, pid, roles } = this.#facts
    await this.#database.query({
      text: `WITH past AS (DELETE FROM processes WHERE lease_until < clock_timestamp() - interval '7 days')
             INSERT INTO processes (id, host, pid, roles, started_at, lease_until, draining)
             VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 ms', $7)
             ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until, draining = excluded.draining`,
      values: [this.#id, host, pid, roles, this.#startedAt, this.#leaseMs, this.#draining],
    })
  }
}
