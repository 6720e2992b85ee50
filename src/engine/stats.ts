import type { StatRow, StatsJournal } from '../journal/port.ts'
import type { Cancel, Clock } from './clock.ts'

/** What is counted by minute. */
export interface Sample {
  readonly flow: number
  readonly system: number
  readonly outcome: string
  readonly ms: number
}

const writeEveryMs = 10_000

/** Gathers counters by minute, flow, system and outcome and writes them every 10 s, apart from the flushes; what a crash loses is statistics only. */
export class StatsWriter {
  readonly #deps: { journal: StatsJournal; worker: string; clock: Clock; onError: (error: unknown) => void }
  #rows = new Map<string, { -readonly [K in keyof StatRow]: StatRow[K] }>()
  #cancel: Cancel | undefined
  #writing: Promise<void> | undefined

  constructor(deps: {
    journal: StatsJournal
    worker: string
    clock: Clock
    onError: (error: unknown) => void
  }) {
    this.#deps = deps
  }

  add({ flow, system, outcome, ms }: Sample): void {
    const minute = Math.floor(this.#deps.clock.now() / 60_000)
    const key = `${minute}:${flow}:${system}:${outcome}`
    const row = this.#rows.get(key)
    if (!row) {
      this.#rows.set(key, {
        minute,
        flow,
        system,
        outcome,
        count: 1,
        totalMs: Math.round(ms),
        maxMs: Math.round(ms),
      })
      return
    }
    row.count++
    row.totalMs += Math.round(ms)
    row.maxMs = Math.max(row.maxMs, Math.round(ms))
  }

  start(): void {
    this.#cancel ??= this.#deps.clock.timer(writeEveryMs, () => {
      this.#cancel = undefined
      this.#writing = this.#write().finally(() => this.start())
    })
  }

  /** Writes what is left. */
  async stop(): Promise<void> {
    this.#cancel?.()
    await this.#writing
    this.#cancel?.()
    await this.#write()
  }

  async #write(): Promise<void> {
    const rows = [...this.#rows.values()]
    this.#rows = new Map()
    try {
      await this.#deps.journal.writeStats(this.#deps.worker, rows)
    } catch (error) {
      this.#deps.onError(error)
    }
  }
}
