/** How the partitions of lane groups are shared out over workers, and how their number changes. */

/** Partitions, for workers. */
export interface PartitionsJournal {
  /** The worker says which lane groups it would own partitions of; none: it owns no more of them. */
  serve(worker: string, groups: readonly string[]): Promise<void>
  /** Live workers with the lane groups that they would own partitions of; null: it has not said. */
  servers(): Promise<ReadonlyMap<string, readonly string[] | null>>
  /**
   * Makes the partitions of a group as many as the newest registration wants, once all of them are free. Each goes on from the
   * lowest position of the old ones, with an epoch above all of theirs; what is in doubt in one stays in doubt in all, and
   * a pause stays. False when one has an owner, or nothing is to change. Of several calls at once one does it.
   */
  repartition(group: string): Promise<boolean>
}
