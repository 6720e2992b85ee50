import { innerValues, within } from '../define/nested-maps.ts'
import type { StatRow, StatsJournal, WatchJournal } from '../journal/port.ts'
import type { Cancel, Clock } from './clock.ts'
import { Minutes } from './minutes.ts'

/** What is counted by minute. */
export interface Sample {
  readonly flow: number
  readonly system: number
  readonly outcome: string
  readonly ms: number
  /** It speaks against the system. */
  readonly failed: boolean
}

/** What the writer needs. */
export interface StatsDeps {
  readonly journal: StatsJournal & Pick<WatchJournal, 'writeMinutes'>
  readonly worker: string
  readonly clock: Clock
  readonly onError: (error: unknown) => void
}

type Row = { -readonly [K in keyof StatRow]: StatRow[K] }

const writeEveryMs = 10_000
/** Ids of systems are below. */
const mostSystems = 65_536

/** Gathers counters by minute, flow, system and outcome and writes them every 10 s, apart from the flushes; what a crash loses is statistics only. */
export class StatsWriter {
  readonly #deps: StatsDeps
  readonly #minutes = new Minutes()
  /** By minute, then by flow and system, then by outcome. */
  #rows = new Map<number, Map<number, Map<string, Row>>>()
  #cancel: Cancel | undefined
  #writing: Promise<void> | undefined

  constructor(deps: StatsDeps) {
    this.#deps = deps
  }

  add({ flow, system, outcome, ms, failed }: Sample): void {
    const minute = this.#minute
    this.#minutes.called(minute, system, { ms, failed })
    const ofPair = within(within(this.#rows, minute), flow * mostSystems + system)
    let row = ofPair.get(outcome)
    if (!row) ofPair.set(outcome, (row = { minute, flow, system, outcome, count: 0, totalMs: 0, maxMs: 0 }))
    row.count++
    row.totalMs += Math.round(ms)
    row.maxMs = Math.max(row.maxMs, Math.round(ms))
  }

  /** A run of a flow came to an end, or was handed to a person. */
  ended(flow: number, how: 'finished' | 'parked'): void {
    this.#minutes.ended(this.#minute, flow, how)
  }

  get #minute(): number {
    return Math.floor(this.#deps.clock.now() / 60_000)
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
    const rows = innerValues(this.#rows).flatMap((ofPair) => [...ofPair.values()])
    this.#rows = new Map()
    const { journal, worker } = this.#deps
    const { systems, runs } = this.#minutes.take()
    const { onError } = this.#deps
    await journal.writeStats(worker, rows).catch(onError)
    await journal.writeMinutes(worker, systems, runs).catch(onError)
  }
}
