import type { Shape, System } from '../contestants/contestant.ts'
import type { Load, Rig } from '../rig.ts'

/** What a run has found, by name; what each means is said by its column. */
export type Figures = Readonly<Record<string, number>>

/** A figure in the tables. */
export interface Column {
  readonly key: string
  readonly title: string
  readonly digits: number
}

/** How long and how much. */
export interface Amounts {
  readonly seconds: number
  readonly warmSeconds: number
  readonly lead: number
  /** Events that arrive during the outage. */
  readonly outageEvents: number
  /** Events pending before the backlog's throughput is measured. */
  readonly pending: number
  /** Finished events in the journal, one case for each. */
  readonly finished: readonly number[]
  readonly watchers: number
}

/** One thing to measure of a system. */
export interface Case {
  readonly name: string
  readonly shape?: Shape
  readonly load?: Partial<Load>
  /** Deliveries of an event; default 3. */
  readonly perEvent?: number
  measure(rig: Rig, amounts: Amounts): Promise<Figures>
}

/** Cases that are read side by side. */
export interface Workload {
  readonly name: string
  readonly title: string
  /** Measured when none are named. */
  readonly systems: readonly string[]
  readonly columns: readonly Column[]
  /** The figure whose ratio is shown; default: that of the first column. */
  readonly compared?: string
  cases(amounts: Amounts): readonly Case[]
  /** Whether a system can be measured in a case; default: all can. */
  fits?(system: System, one: Case): boolean
}
