/** State of a system that all workers share. */
export interface SystemState {
  readonly id: number
  readonly name: string
  readonly paused: boolean
  readonly breaker: 'closed' | 'open' | 'probing'
  readonly reason: string | null
  /** Milliseconds until a probe may be made, ≤ 0 when it may; null unless open or probing. */
  readonly probeInMs: number | null
  /** Milliseconds until calls may go on after a throttle; ≤ 0 when they may. */
  readonly throttledMs: number
  /** Rises with each change. */
  readonly version: number
}

/** Limits and breakers, shared exactly by all workers. */
export interface SystemsJournal {
  states(): Promise<readonly SystemState[]>
  /** Reserves up to `tokens` requests; answers how many (0 or all) and when to ask again. */
  reserveRate(ask: {
    system: number
    tokens: number
    intervalMs: number
    burstMs: number
  }): Promise<{ granted: number; retryInMs: number }>
  /** Sets how many attempts this worker may run at once; the sum over workers never exceeds `limit`. None for one that is dead or has left. */
  permits(ask: {
    system: number
    worker: string
    want: number
    limit: number
    timeoutMs: number
  }): Promise<{ granted: number; othersWaiting: number }>
  /** The breaker tripped here, or a probe failed. */
  openBreaker(open: { system: number; worker: string; reason: string; probeInMs: number }): Promise<void>
  /** Wins the one probe, or not. */
  tryProbe(probe: { system: number; worker: string; timeoutMs: number }): Promise<boolean>
  closeBreaker(system: number, worker: string): Promise<void>
  throttle(system: number, forMs: number): Promise<void>
}

/** Counters of one minute, one flow, one system, one worker. */
export interface StatRow {
  readonly minute: number
  readonly flow: number
  readonly system: number
  readonly outcome: string
  readonly count: number
  readonly totalMs: number
  readonly maxMs: number
}

/** Statistics, written apart from the flushes. */
export interface StatsJournal {
  writeStats(worker: string, rows: readonly StatRow[]): Promise<void>
}
