/** What the journal knows of versions of flows: which are run, and which runs began under another. */

/** Whether a flow in force is run. */
export interface FlowDeployment {
  readonly id: number
  readonly name: string
  /** A live worker runs it; null: nobody lives who would say. */
  readonly deployed: boolean | null
  /** Open runs that have begun steps which it no longer has, or has as something else; up to a thousand. */
  readonly stranded: number
}

/** How a flow in force stands. */
export interface FlowStanding extends FlowDeployment {
  /** Open runs, up to a thousand. */
  readonly open: number
  /** Events wait for it. */
  readonly pending: boolean
}

/** What rows of a lane group may speak of although the flows of a deployment do not. */
export interface Strangers {
  /** Flows of the group that it does not have, by id. */
  readonly flows: ReadonlyMap<number, string>
  /** Systems that flows of the group called in other versions. */
  readonly systems: readonly number[]
}

/** Versions of flows, for workers. */
export interface VersionsJournal {
  /** The worker says which flows it runs, in which versions. */
  runsFlows(
    worker: string,
    flows: readonly { readonly id: number; readonly name: string; readonly version: number }[],
  ): Promise<void>
  /** Which of these flows are in force in a version that no live worker runs. */
  unserved(flows: readonly number[]): Promise<readonly number[]>
  /** Lane groups with a flow that is none of these and that a live worker runs which started later than this one. */
  foreignGroups(worker: string, flows: readonly number[]): Promise<readonly string[]>
  /**
   * To be called by a new owner before it begins: notes how steps of open runs began, where its flows say otherwise. Repeating it
   * changes nothing. `'outdated'`: it must not own the group, for others know more of it. Rejects with `journal.lease-lost`.
   */
  adoptFlows(adoption: {
    readonly group: string
    readonly part: number
    readonly epoch: number
    readonly flows: readonly { readonly id: number; readonly version: number }[]
  }): Promise<'ok' | 'outdated'>
  /** What rows of the group may speak of although these flows do not. */
  strangers(group: string, flows: readonly number[]): Promise<Strangers>
  /** Every flow in force. */
  flowStandings(): Promise<readonly FlowStanding[]>
}
