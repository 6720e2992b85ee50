/** Runs that are parked beside their lane until a time; see `OwnerJournal` for what fences a call. */
export interface ParkedRuns {
  /**
   * Runs of the group that are parked without holding their lane, and whose time has come, hold it again and are due:
   * how many there were. At most those of 100 lanes a call. Repeating it changes nothing.
   */
  wakeParked(lease: {
    readonly group: string
    readonly part: number
    readonly parts: number
    readonly epoch: number
  }): Promise<number | 'lost'>
}
