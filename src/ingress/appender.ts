import { BusbarError } from '../errors.ts'
import type { Appended, AppendResult, EventLog, NewEvent, StoredEvent } from '../journal/port.ts'

/** What an appender needs. */
export interface AppenderDeps {
  /** The log to append to; asked for each batch, since a hub may replace its journal. */
  readonly log: () => Pick<EventLog, 'append'>
  readonly maxPending: { readonly events: number; readonly bytes: number }
  /** Told of each successful append before its publishers are, for the worker of the same process. Must not throw. */
  readonly onAppended?: (stretch: { prev: number; head: number; events: readonly StoredEvent[] }) => void
  /** Must not throw. */
  readonly observe?: (batch: { events: number; ms: number }) => void
}

interface Pending {
  readonly event: NewEvent
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: unknown) => void
}

const maxBatchEvents = 500
const maxBatchBytes = 1_048_576

/**
 * Group commit: at most one append is under way, and what arrives meanwhile is the next batch; no timer, so a single
 * event commits alone at once. A batch that the journal surely refused is halved until the one bad event fails alone; one
 * whose outcome is unknown fails for all its publishers (`journal.unavailable`) and is never repeated here.
 */
export class Appender {
  readonly #deps: AppenderDeps
  #pending: Pending[] = []
  #bytes = 0
  #running: Promise<void> | undefined
  #stopped = false

  constructor(deps: AppenderDeps) {
    this.#deps = deps
  }

  /** Resolves after the commit. Rejects with `overloaded`, `event.invalid` or `journal.unavailable`. */
  append(event: NewEvent): Promise<Appended> {
    const refusal = this.#refusal()
    return refusal ? Promise.reject(refusal) : this.#add(event)
  }

  /**
   * The same for the events of one request, in order: all are taken or, when too many wait already, none. They share an
   * append as far as its bounds allow. Answers what became of each.
   */
  appendAll(events: readonly NewEvent[]): Promise<PromiseSettledResult<Appended>[]> {
    const refusal = this.#refusal()
    return refusal ? Promise.reject(refusal) : Promise.allSettled(events.map((event) => this.#add(event)))
  }

  /** What has come in and is in no append yet. */
  get waiting(): { readonly events: number; readonly bytes: number } {
    return { events: this.#pending.length, bytes: this.#bytes }
  }

  #refusal(): BusbarError | undefined {
    const { events, bytes } = this.#deps.maxPending
    if (this.#stopped) return new BusbarError('overloaded', 'busbar is stopping; send again with the same id')
    if (this.#pending.length >= events || this.#bytes >= bytes)
      return new BusbarError(
        'overloaded',
        'too many events wait for their commit; send again with the same id',
      )
    return undefined
  }

  #add(event: NewEvent): Promise<Appended> {
    return new Promise((resolve, reject) => {
      this.#bytes += event.data.length
      this.#pending.push({ event, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Takes nothing new; resolves when what was taken is settled. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    // What arrives in the same turn of the event loop shares a batch.
    await Promise.resolve()
    while (this.#pending.length > 0) await this.#appendBatch(this.#takeBatch())
    this.#running = undefined
  }

  #takeBatch(): Pending[] {
    let bytes = 0
    let count = 0
    for (const { event } of this.#pending) {
      if (count > 0 && (count >= maxBatchEvents || bytes + event.data.length > maxBatchBytes)) break
      bytes += event.data.length
      count++
    }
    this.#bytes -= bytes
    return this.#pending.splice(0, count)
  }

  async #appendBatch(batch: readonly Pending[]): Promise<void> {
    const startedAt = performance.now()
    let result: AppendResult
    try {
      result = await this.#deps.log().append(batch.map(({ event }) => event))
    } catch (error) {
      return this.#failed(batch, error)
    }
    this.#deps.observe?.({ events: batch.length, ms: performance.now() - startedAt })
    this.#hand(batch, result)
    for (const [index, { resolve }] of batch.entries()) resolve(result.results[index] as Appended)
  }

  async #failed(batch: readonly Pending[], error: unknown): Promise<void> {
    const refused = error instanceof BusbarError && error.code === 'event.invalid'
    if (refused && batch.length > 1) {
      const half = batch.length >> 1
      await this.#appendBatch(batch.slice(0, half))
      await this.#appendBatch(batch.slice(half))
      return
    }
    const told = refused
      ? error
      : new BusbarError(
          'journal.unavailable',
          'it is not known whether the event was stored; send it again with the same id',
          { cause: error },
        )
    for (const { reject } of batch) reject(told)
  }

  #hand(batch: readonly Pending[], { prev, head, receivedAt, results }: AppendResult): void {
    const events: StoredEvent[] = []
    for (const [index, { event }] of batch.entries()) {
      const result = results[index]
      if (result?.kind === 'stored') events.push({ ...event, seq: result.seq, receivedAt })
    }
    this.#deps.onAppended?.({ prev, head, events })
  }
}
