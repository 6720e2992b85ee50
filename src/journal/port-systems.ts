import type { CredentialFacts } from '../define/system.ts'

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
  /** Milliseconds until the maintenance window ends that somebody has set; 0 when there is none. */
  readonly maintenanceMs: number
  /** A test call that somebody asks for and nobody has begun; null when there is none. */
  readonly test: number | null
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
    /** Higher than whenever this worker asked for this system before: one that lands late changes nothing. Default: not counted. */
    no?: number
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
  /** Adds counters. Besides, ends problems that are over and, once a minute, forgets statistics of 35 days ago. */
  writeStats(worker: string, rows: readonly StatRow[]): Promise<void>
}

/** Upper bounds in milliseconds of the latencies that are counted together; what takes longer is counted last. */
export const latencyBounds = [
  1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000,
  10_000,
] as const

/** Calls of one system in one minute. `hist`: one count for each of `latencyBounds`, and one for what took longer. */
export interface SystemMinute {
  readonly system: number
  readonly minute: number
  readonly calls: number
  readonly failed: number
  readonly totalMs: number
  readonly hist: readonly number[]
}

/** Runs of one flow that ended in one minute, and those that were handed to a person. */
export interface RunMinute {
  readonly flow: number
  readonly minute: number
  readonly finished: number
  readonly parked: number
}

/** What a test call came to. */
export interface TestOutcome {
  readonly outcome: 'answered' | 'failed' | 'not-made'
  readonly class: string | null
  readonly status: number | null
  readonly ms: number
  /** For people; bounded, without secrets. */
  readonly message: string | null
  /** The last request that it made, and what was answered; likewise. */
  readonly request: string | null
  readonly response: string | null
}

/** The rules of a system as its deployment declares them, for people. */
export interface DeclaredSystem {
  readonly name: string
  readonly settings: Readonly<Record<string, unknown>>
}

/** What is kept of systems for people: their rules, their latency over time, test calls, credentials' age. */
export interface WatchJournal {
  /** The deployment that starts last is right. */
  declareSystems(systems: readonly DeclaredSystem[]): Promise<void>
  /** Adds counters of whole or begun minutes. */
  writeMinutes(worker: string, systems: readonly SystemMinute[], runs: readonly RunMinute[]): Promise<void>
  /** Whether this worker, and no other, is to make the test call. */
  beginTest(test: number, worker: string): Promise<boolean>
  endTest(test: number, outcome: TestOutcome): Promise<void>
  writeCredentials(system: number, facts: CredentialFacts): Promise<void>
}
