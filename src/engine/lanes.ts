import { runState } from '../journal/port.ts'
import type { AttemptReport } from './attempt.ts'
import { attempt } from './attempt.ts'
import type { Clock, Random } from './clock.ts'
import type { Flusher } from './flusher.ts'
import { tellGate } from './gate-sign.ts'
import type { SystemGate } from './gate.ts'
import type { Lane } from './lane.ts'
import { isIdle, newLane } from './lane.ts'
import type { Outcome } from './outcome.ts'
import type { Verdict } from './retry.ts'
import { decide, resume } from './retry.ts'
import { ReadyQueue } from './ready-queue.ts'
import type { RowChange } from './rows.ts'
import { attemptRow, problemRow, runRow } from './rows.ts'
import type { Run } from './run.ts'

/** An attempt that takes longer is shown as running, and its lane leaves the fast path, so that the position can move on. */
const surfaceMs = 1_000
/** Retries that end within this time of the first attempt stay in memory. */
const shortRetryMs = 1_000
/** Most events of one key in memory; the rest wait in rows. */
const maxQueue = 64

/** What happened, for logs, metrics and statistics. */
export interface EngineObserver {
  attempted(run: Run, report: AttemptReport): void
  /** A run reached an end, or must wait in a row. */
  became(run: Run, state: 'succeeded' | 'retrying' | 'parked', reason: string | undefined): void
}

/** What lanes need. */
export interface LanesDeps {
  readonly hub: string
  readonly clock: Clock
  readonly random: Random
  readonly flusher: Flusher
  readonly observer: EngineObserver
  /** Whether anything of the group may start: lease, pause, backlog. */
  readonly mayStart: () => boolean
  /** No attempt above this seq unless it has a row. */
  readonly claimedTo: () => number
  /** Somebody is needed to claim more. */
  readonly onUnclaimed: (seq: number) => void
  readonly checkLease: () => void
  readonly signal: AbortSignal
  /** Set in careful mode. */
  readonly mark: (run: Run, inside: boolean) => Promise<void>
  /** A slow lane has left memory: its rows say all. */
  readonly onSlowLaneGone: (key: string) => void
  /** A gate opened or closed. */
  readonly onGate: () => void
}

/**
 * The lanes of one group in its owner's memory: which run of which key is attempted now, what waits behind it, and when
 * a lane leaves the fast path. Runs of a lane never overlap. Nothing here waits for the journal.
 */
export class Lanes {
  readonly #deps: LanesDeps
  readonly #lanes = new Map<string, Lane>()
  readonly #active = new Set<Lane>()
  readonly #ready = new Map<SystemGate, ReadyQueue>()
  #attemptedTo = 0
  #unclaimed: Lane[] = []
  careful = false

  constructor(deps: LanesDeps, gates: Iterable<SystemGate>) {
    this.#deps = deps
    for (const gate of new Set(gates)) {
      const queue = new ReadyQueue({
        start: (lane) => this.#start(lane),
        mayStart: deps.mayStart,
        gateChanged: deps.onGate,
      })
      this.#ready.set(gate, queue)
      gate.join(queue)
    }
  }

  /** The highest seq that was attempted without a row. */
  get attemptedTo(): number {
    return this.#attemptedTo
  }

  /** Whether the journal alone knows this lane. */
  isFree(key: string): boolean {
    return !this.#lanes.has(key)
  }

  /** A run that was read from the log; `slowInJournal` when its lane has a row there. */
  place(run: Run, slowInJournal: boolean): void {
    const lane = this.#lanes.get(run.key) ?? this.#open(run.key, slowInJournal)
    if (lane.claiming) return void lane.arrivals.push(run)
    if (lane.queue.length >= maxQueue) this.#spill(lane)
    if (lane.slow) return this.#write(lane, run, { state: runState.waiting })
    lane.queue.push(run)
    if (lane.queue.length === 1) this.#offer(lane)
  }

  /**
   * Keeps a key for runs about to be claimed. What is read meanwhile goes to rows afterwards: a claim that took a row
   * whose flush has no answer yet would be undone by the flush's repetition.
   */
  beginClaim(key: string): void {
    this.#open(key, true).claiming = true
  }

  /** The runs that were claimed for a key, possibly none. */
  endClaim(key: string, runs: readonly Run[]): void {
    const lane = this.#lanes.get(key)
    if (!lane) return
    lane.claiming = false
    lane.queue.push(...runs)
    for (const run of lane.arrivals.splice(0)) this.#write(lane, run, { state: runState.waiting })
    if (runs.length > 0) this.#offer(lane)
    else this.#dropIfIdle(lane)
  }

  /** The rows of these runs are committed. */
  committed(runs: readonly Run[]): void {
    for (const run of runs) {
      const lane = run.hasRow ? this.#lanes.get(run.key) : undefined
      if (!lane) continue
      lane.rowsUnderWay--
      this.#dropIfIdle(lane)
    }
  }

  /** claimedTo has risen, or the group may start again. */
  reoffer(): void {
    const lanes = this.#unclaimed
    this.#unclaimed = []
    for (const lane of lanes) this.#offer(lane)
    for (const gate of this.#ready.keys()) gate.pump()
  }

  /** Attempts under way for a second become visible; to be called a few times a second. */
  surface(): void {
    const now = this.#deps.clock.monotonic()
    for (const lane of this.#active) {
      const run = lane.queue[0]
      if (!run || now - run.attemptAt < surfaceMs) break
      if (run.hasRow) continue
      this.#write(lane, run, { state: runState.running })
      this.#deferFollowers(lane)
    }
    if (this.#ready.size > 1) this.#deferClosed()
  }

  /** Ends all waiting in memory; returns when no attempt runs. Runs that were claimed or tried go back to rows. */
  async drain(): Promise<void> {
    while (this.#active.size > 0) await new Promise<void>((resolve) => this.#deps.clock.timer(20, resolve))
    for (const lane of this.#lanes.values()) {
      lane.cancelRetry?.()
      const keep = lane.queue.some((run) => run.hasRow || run.attempts > 0)
      if (keep) this.#defer(lane, { state: runState.retrying, nextInMs: 0 })
    }
  }

  leaveGates(): void {
    for (const [gate, queue] of this.#ready) gate.leave(queue)
    for (const lane of this.#lanes.values()) lane.cancelRetry?.()
  }

  /** Starts the head of a lane; false when it may not start now. */
  #start(lane: Lane): boolean {
    const run = lane.queue[0]
    if (!run || lane.active || lane.cancelRetry) return false
    if (!run.hasRow && run.event.seq > this.#deps.claimedTo()) {
      this.#unclaimed.push(lane)
      this.#deps.onUnclaimed(run.event.seq)
      return false
    }
    if (!this.#resolveDoubt(lane, run)) return false
    this.#attempt(lane, run)
    return true
  }

  /** Before a run that may have been attempted elsewhere goes on: wait, park, or go. */
  #resolveDoubt(lane: Lane, run: Run): boolean {
    if (run.maybeAt === null && run.crashes === 0) return true
    const { step, gate } = run.flow
    if (this.careful && !run.hasRow) {
      this.#defer(lane, {
        state: runState.retrying,
        nextInMs: 0,
        reason: 'an earlier worker may have died of it',
      })
      return false
    }
    const rules = { hasFind: step.find !== undefined, ...gate.settings }
    const now = this.#deps.clock.now()
    const next = resume(run, rules, now)
    if (next === 'go') return true
    if ('waitMs' in next)
      this.#defer(lane, {
        state: runState.retrying,
        nextInMs: next.waitMs,
        reason: 'the outcome of an earlier attempt is not known; it is looked up then',
      })
    else this.#park(lane, run, { code: next.park, message: parkWords[next.park], ms: 0, status: 0 })
    return false
  }

  #attempt(lane: Lane, run: Run): void {
    const { clock, random, hub, checkLease, signal, mark } = this.#deps
    lane.active = true
    this.#active.add(lane)
    run.attemptAt = clock.monotonic()
    if (Number.isNaN(run.startedAt)) run.startedAt = run.attemptAt
    run.firstAt ??= clock.now()
    if (!run.hasRow && run.event.seq > this.#attemptedTo) this.#attemptedTo = run.event.seq
    const inDoubt = run.maybeAt !== null
    const deps = {
      hub,
      clock,
      random,
      checkLease,
      signal,
      ...(this.careful && inDoubt && { mark: (inside: boolean) => mark(run, inside) }),
    }
    void attempt(run, deps).then((report) => this.#ended(lane, run, report))
  }

  #ended(lane: Lane, run: Run, report: AttemptReport): void {
    const { clock, random, observer } = this.#deps
    const { outcome } = report
    const { gate, step } = run.flow
    lane.active = false
    this.#active.delete(lane)
    run.attempts++
    observer.attempted(run, report)
    const facts = {
      policy: step.retry,
      tries: run.tries,
      throttles: run.throttles,
      conflicts: run.conflicts,
      cutOff: gate.cutOff,
      hasFind: step.find !== undefined,
      keyLifeMs: gate.settings.keyLifeMs,
      settleMs: gate.settings.settleMs,
      ageMs: clock.now() - (run.firstAt ?? 0),
    }
    const verdict = decide(outcome, facts, random)
    tellGate(gate, outcome)
    this.#apply(lane, run, { report, verdict })
  }

  #apply(lane: Lane, run: Run, { report, verdict }: { report: AttemptReport; verdict: Verdict }): void {
    const { outcome, ms } = report
    this.#record(run, report)
    if (outcome.kind === 'succeeded') {
      run.tries++
      return this.#succeeded(lane, run, { ms, status: outcome.status })
    }
    switch (verdict.do) {
      case 'park':
        run.tries++
        this.#doubt(run, verdict.maybe, outcome)
        return this.#park(lane, run, { ...outcome, code: verdict.code, ms })
      case 'retry':
        if (verdict.counts === 'try') run.tries++
        if (verdict.counts === 'throttle') run.throttles++
        if (verdict.counts === 'conflict') run.conflicts++
        this.#doubt(run, verdict.maybe, outcome)
        return this.#retryLater(lane, run, { delayMs: verdict.delayMs, outcome, ms })
      default:
        if (outcome.class === 'throttled') run.throttles++
        if (run.hasRow)
          this.#defer(lane, {
            state: runState.retrying,
            nextInMs: 0,
            reason: `waits for ${run.flow.gate.name}`,
          })
        else this.#offer(lane)
    }
  }

  /** An answered attempt is over at the target too: looking for its effect need not wait. */
  #doubt(run: Run, maybe: boolean, outcome: Outcome & { kind: 'failed' }): void {
    if (!maybe) return
    const answered = outcome.class !== 'unknown'
    run.maybeAt = this.#deps.clock.now() - (answered ? run.flow.gate.settings.settleMs : 0)
  }

  #record(run: Run, report: AttemptReport): void {
    const first = run.attempts === 1
    if (report.outcome.kind === 'succeeded' && first && report.records.length === 1 && !run.flow.capture)
      return
    for (const record of report.records) this.#deps.flusher.attempt(attemptRow(run, record))
  }

  #succeeded(lane: Lane, run: Run, outcome: { ms: number; status: number }): void {
    lane.queue.shift()
    if (run.hasRow) this.#write(lane, run, { state: runState.succeeded, ...outcome })
    else this.#deps.flusher.done(run, outcome)
    this.#deps.observer.became(run, 'succeeded', undefined)
    this.#next(lane)
  }

  #park(lane: Lane, run: Run, failure: { code: string; message: string; ms: number; status: number }): void {
    this.#deps.flusher.problem(problemRow(run, failure))
    this.#deps.observer.became(run, 'parked', failure.code)
    const change = { state: runState.parked, ...pick(failure) }
    if (run.flow.onParked === 'hold') return this.#defer(lane, change)
    lane.queue.shift()
    this.#write(lane, run, { ...change, holds: false })
    this.#next(lane)
  }

  #retryLater(
    lane: Lane,
    run: Run,
    { delayMs, outcome, ms }: { delayMs: number; outcome: Outcome & { kind: 'failed' }; ms: number },
  ): void {
    const { clock, flusher, observer } = this.#deps
    const short = clock.monotonic() + delayMs - run.startedAt < shortRetryMs
    if (short && !run.hasRow) {
      lane.cancelRetry = clock.timer(delayMs, () => {
        lane.cancelRetry = undefined
        this.#offer(lane)
      })
      return
    }
    flusher.problem(problemRow(run, outcome))
    observer.became(run, 'retrying', outcome.code)
    this.#defer(lane, { state: runState.retrying, nextInMs: delayMs, ...pick({ ...outcome, ms }) })
  }

  /** The lane leaves the fast path: its head gets this row, what follows waits in rows behind it. */
  #defer(lane: Lane, change: RowChange): void {
    const head = lane.queue[0]
    if (head) this.#write(lane, head, change)
    this.#deferFollowers(lane)
    lane.queue.length = 0
    lane.slow = true
    this.#dropIfIdle(lane)
  }

  #deferFollowers(lane: Lane): void {
    for (const run of lane.queue.splice(1)) this.#write(lane, run, { state: runState.waiting })
    lane.slow = true
  }

  /** All of it goes to rows, from its head on: a new owner that found the later ones alone would begin with them. */
  #spill(lane: Lane): void {
    const head = lane.queue[0]
    if (!head) return
    if (lane.active) {
      if (!head.hasRow) this.#write(lane, head, { state: runState.running })
      this.#deferFollowers(lane)
    } else if (head.attempts > 0) this.#defer(lane, { state: runState.retrying, nextInMs: shortRetryMs })
    else this.#defer(lane, { state: runState.waiting })
  }

  /** In a group of several systems, lanes whose head needs a closed one wait in rows that name it. */
  #deferClosed(): void {
    for (const [gate, queue] of this.#ready) {
      if (gate.stand !== 'closed') continue
      for (const lane of queue.takeAll())
        this.#defer(lane, { state: runState.waiting, reason: `waits for ${gate.name}` })
    }
  }

  #write(lane: Lane, run: Run, change: RowChange): void {
    if (change.state !== runState.succeeded && run.flow.onParked === 'hold') lane.slow = true
    if (
      change.state === runState.waiting ||
      change.state === runState.running ||
      change.state === runState.retrying
    )
      lane.slow = true
    if (this.#deps.flusher.row(run, runRow(run, change))) lane.rowsUnderWay++
  }

  #next(lane: Lane): void {
    if (lane.queue.length > 0) this.#offer(lane)
    else this.#dropIfIdle(lane)
  }

  #offer(lane: Lane): void {
    const run = lane.queue[0]
    if (!run || lane.ready || lane.active || lane.cancelRetry) return
    this.#ready.get(run.flow.gate)?.push(lane)
    run.flow.gate.pump()
  }

  #open(key: string, slow: boolean): Lane {
    const lane = newLane(key, slow)
    this.#lanes.set(key, lane)
    return lane
  }

  #dropIfIdle(lane: Lane): void {
    if (!isIdle(lane) || this.#lanes.get(lane.key) !== lane) return
    this.#lanes.delete(lane.key)
    if (lane.slow) this.#deps.onSlowLaneGone(lane.key)
  }
}

const parkWords = {
  'run.poisoned': 'three workers died while they ran it: repair the flow, or skip it',
  'run.key-expired':
    'its outcome is not known, and the target no longer remembers its idempotency key: look there before you retry',
  'call.unknown-outcome':
    'its outcome is not known, and repeating it could double it: look at the target before you retry',
} as const

function pick({ code, message, ms, status }: { code: string; message: string; ms: number; status: number }) {
  return { code, message, ms, status }
}
