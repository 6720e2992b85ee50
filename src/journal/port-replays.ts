/** A replay that is under way, and the lane group whose owners feed it. */
export interface RunningReplay {
  readonly id: number
  readonly group: string
}

/** What the owners of lane groups do about replays; planning them and acting on them is the control API's. */
export interface ReplayJournal {
  /** The replays that are running now: one cheap query for a whole process, empty nearly always. */
  runningReplays(): Promise<readonly RunningReplay[]>
  /**
   * Looks what became of the runs that a running replay was fed with (and stops, advances or ends it accordingly), then
   * makes runs of its next items of this partition, as far as stage, rate and open runs allow: each item exactly once, in
   * its order, also when the answer to an earlier call was lost. Answers the lanes in which its runs wait: events of
   * these keys must queue behind them from now on. A replay that is not running is left as it is.
   */
  feedReplay(feed: {
    readonly group: string
    readonly part: number
    readonly epoch: number
    readonly replay: number
  }): Promise<'lost' | readonly string[]>
}
