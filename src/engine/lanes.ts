import type { EventLog, SequenceMark } from '../journal/port.ts'
import { runState } from '../journal/port.ts'
import type { AttemptReport } from './attempt.ts'
import type { AttemptsDeps } from './attempts.ts'
import { Attempts } from './attempts.ts'
import { concealed } from './conceal-run.ts'
import { ClosedGates } from './closed-gates.ts'
import type { Committed, Flusher } from './flusher.ts'
import type { SystemGate } from './gate.ts'
import type { IdLookup } from './id-lookup.ts'
import type { Claimed, Lane } from './lane.ts'
import { claimedIn, isIdle, newLane } from './lane.ts'
import { LaneOrder, isBefore } from './lane-order.ts'
import { holdOf } from './doubt.ts'
import type { Verdict } from './retry.ts'
import { ReadyQueue } from './ready-queue.ts'
import type { RowChange } from './rows.ts'
import { attemptRow, problemRow, runRow } from './rows.ts'
import { hasBegun, Processes } from './process.ts'
import type { CallRun, Run, StepRun } from './run.ts'
import { isCall, wasTried } from './run.ts'
import { furthest } from './sequence.ts'
import { linkRows } from './step-links.ts'

/** An attempt that takes longer is shown as running, and its lane leaves the fast path, so that the position can move on. */
const surfaceMs = 1_000
/** Retries that end within this time of the first attempt stay in memory. */
const shortRetryMs = 1_000
/** Most events of one key in memory; the rest wait in rows. */
const maxQueue = 64

/** What lanes need. */
export interface LanesDeps extends Omit<AttemptsDeps, 'onEnded'> {
  readonly flusher: Flusher
  readonly log: Pick<EventLog, 'firstOf'>
  readonly ids: IdLookup
  readonly onError: (error: unknown) => void
  /** The group has flows that start with different systems: while one is closed it reads on for the others. */
  readonly readsOn: boolean
  /** So much waits in memory that there is little room for more. */
  readonly isCrowded: () => boolean
  /** Whether anything of the group may start: lease, pause, backlog. */
  readonly mayStart: () => boolean
  /** No attempt above this seq unless it has a row. */
  readonly claimedTo: () => number
  /** Somebody is needed to claim more. */
  readonly onUnclaimed: (seq: number) => void
  /** A slow lane has left memory: its rows say all. */
  readonly onSlowLaneGone: (key: string) => void
  /** A lane has left memory that knew how far its key has come: the journal says so now. */
  readonly onMarkGone: (key: string, mark: SequenceMark) => void
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
  readonly #attempts: Attempts
  readonly #processes: Processes
  readonly #order: LaneOrder
  readonly #ready = new Map<SystemGate, ReadyQueue>()
  readonly #closed: ClosedGates
  #unclaimed: CallRun[] = []
  #gone = false

  constructor(deps: LanesDeps, gates: Iterable<SystemGate>) {
    this.#deps = deps
    this.#closed = new ClosedGates(deps.clock)
    this.#attempts = new Attempts({
      ...deps,
      onEnded: (stepRun, report, verdict) => this.#ended(stepRun, report, verdict),
    })
    this.#processes = new Processes({
      ...deps,
      offer: (call) => this.#queue(call),
      mustLeave: (run, gate) => this.#mustLeave(run) && this.#isNoPlaceFor(gate),
      isHead: (run) => this.#lanes.get(run.key)?.queue[0] === run && !this.#gone,
      stay: (run, change, of) => this.#withLane(run, (lane) => this.#stay(lane, run, change, of)),
      leave: (run, change, of) => this.#withLane(run, (lane) => this.#defer(lane, change, of)),
      park: (run, change, of) => this.#withLane(run, (lane) => this.#parkRow(lane, change, of)),
      end: (run, change, of) => this.#withLane(run, (lane) => this.#end(lane, change, of)),
    })
    this.#order = new LaneOrder({
      ...deps,
      write: (lane, run, change) => this.#write(lane, run, change),
      defer: (lane, change) => this.#defer(lane, change),
    })
    for (const gate of new Set(gates)) {
      const queue = new ReadyQueue({
        start: (stepRun) => this.#start(stepRun),
        mayStart: deps.mayStart,
        gateChanged: () => {
          this.#closed.look(gate)
          deps.onGate()
        },
      })
      this.#ready.set(gate, queue)
      gate.join(queue)
    }
  }

  /** Runs that were claimed and wait here, by the system that the head of their lane waits for. */
  claimed(): ReadonlyMap<number, Claimed> {
    return claimedIn(this.#lanes.values())
  }

  /** The highest seq that was attempted without a row. */
  get attemptedTo(): number {
    return this.#attempts.attemptedTo
  }

  /** Careful mode: see `Attempts`. */
  set careful(careful: boolean) {
    this.#attempts.careful = careful
  }

  get careful(): boolean {
    return this.#attempts.careful
  }

  /** Whether the journal alone knows this lane. */
  isFree(key: string): boolean {
    return !this.#lanes.has(key)
  }

  /** A run that was read from the log; `slow` when its lane has a row there, `mark` says how far its key has come. */
  place(
    run: Run,
    { slow, mark }: { readonly slow: boolean; readonly mark?: SequenceMark | undefined },
  ): void {
    const lane = this.#lanes.get(run.key) ?? this.#open(run.key, slow)
    lane.mark = furthest(lane.mark, mark)
    if (this.#order.setAside(lane, run)) return
    if (lane.claiming) return void lane.arrivals.push(run)
    if (lane.queue.length >= maxQueue) this.#spill(lane)
    if (lane.slow) return this.#write(lane, run, { state: runState.waiting })
    const head = lane.queue[0]
    this.#order.enter(lane, run)
    if (lane.queue[0] === head) return
    if (run.flow.latest) this.#offerSoon(lane)
    else this.#offer(lane)
  }

  /**
   * Keeps a key for runs about to be claimed. What is read meanwhile goes to rows afterwards: a claim that took a row
   * whose flush has no answer yet would be undone by the flush's repetition.
   */
  beginClaim(key: string): void {
    this.#open(key, true).claiming = true
  }

  /** The runs that were claimed for a key, possibly none. */
  endClaim(key: string, runs: readonly Run[], mark?: SequenceMark): void {
    const lane = this.#lanes.get(key)
    if (!lane) return
    lane.claiming = false
    lane.mark = furthest(lane.mark, mark)
    lane.queue.push(...runs.filter((run) => !this.#order.setAside(lane, run)))
    // One that had no number when it was written may have one now.
    if (lane.queue[0]?.flow.sequence) lane.queue.sort((one, other) => (isBefore(one, other) ? -1 : 1))
    for (const run of lane.arrivals.splice(0)) this.#write(lane, run, { state: runState.waiting })
    if (lane.queue.length > 0) this.#offer(lane)
    else this.#dropIfIdle(lane)
  }

  /** The rows of these runs are committed. */
  committed({ runs, stepped }: Committed): void {
    for (const run of runs) {
      const lane = run.hasRow || run.number !== null ? this.#lanes.get(run.key) : undefined
      if (!lane) continue
      lane.rowsUnderWay--
      this.#dropIfIdle(lane)
    }
    for (const run of stepped) this.#processes.committed(run)
  }

  /** Rows have come into this lane that memory does not know: it goes to rows too, so that they get their turn. */
  divert(key: string): void {
    const lane = this.#lanes.get(key)
    if (!lane || lane.slow) return
    this.#spill(lane)
    lane.slow = true
  }

  /** An event of this key was read that runs may wait for. */
  signalled(key: string): void {
    const run = this.#lanes.get(key)?.queue[0]
    if (run && !run.flow.single) this.#processes.signalled(run)
  }

  /** Whether the events of these runs are echoes is known now. */
  judged(runs: readonly Run[]): void {
    for (const run of runs)
      this.#withLane(run, (lane) => {
        if (lane.queue[0] === run && !this.#gone) this.#offer(lane)
      })
  }

  /** claimedTo has risen, or the group may start again. */
  reoffer(): void {
    const unclaimed = this.#unclaimed
    this.#unclaimed = []
    for (const call of unclaimed)
      if (call.place === 'idle' && this.#lanes.get(call.run.key)?.queue[0] === call.run) this.#queue(call)
    for (const gate of this.#ready.keys()) gate.pump()
  }

  /** Attempts under way for a second become visible; to be called a few times a second. */
  surface(): void {
    const now = this.#deps.clock.monotonic()
    for (const { run, attemptAt } of this.#attempts.active) {
      if (now - attemptAt < surfaceMs) continue
      const lane = run.hasRow ? undefined : this.#lanes.get(run.key)
      if (!lane) continue
      this.#stay(lane, run, { state: runState.running })
    }
    this.#deferClosed()
  }

  /** How long the oldest attempt has been under way; 0 when there is none. */
  get oldestAttemptMs(): number {
    const now = this.#deps.clock.monotonic()
    return Math.max(0, ...this.#attempts.active.map(({ attemptAt }) => now - attemptAt))
  }

  /** Whether no attempt is under way. */
  get isQuiet(): boolean {
    return this.#attempts.underWay === 0
  }

  /** Ends all waiting in memory; returns when no attempt runs. Runs that were claimed or tried go back to rows. */
  async drain(): Promise<void> {
    const { clock } = this.#deps
    while (this.#attempts.underWay > 0) await new Promise<void>((resolve) => clock.timer(20, resolve))
    for (const lane of this.#lanes.values()) {
      if (lane.queue.some((run) => run.hasRow || wasTried(run)))
        this.#defer(lane, { state: runState.retrying, nextInMs: 0 })
    }
  }

  leaveGates(): void {
    this.#gone = true
    for (const [gate, queue] of this.#ready) gate.leave(queue)
    for (const lane of this.#lanes.values()) endPauses(lane)
  }

  /** Starts a step of the head of a lane; false when it may not start now. */
  #start(stepRun: CallRun): boolean {
    const { run } = stepRun
    const lane = this.#lanes.get(run.key)
    if (lane?.queue[0] !== run || stepRun.place !== 'idle') return false
    if (!run.hasRow && run.event.seq > this.#deps.claimedTo()) {
      this.#unclaimed.push(stepRun)
      this.#deps.onUnclaimed(run.event.seq)
      return false
    }
    const hold = holdOf(stepRun, this.careful, this.#deps.clock.now())
    if (!hold) this.#attempts.begin(stepRun)
    else if (!run.flow.single) this.#processes.held(stepRun, hold)
    else if ('park' in hold)
      this.#park(lane, stepRun, { code: hold.park, message: hold.reason, ms: 0, status: 0 })
    else this.#defer(lane, { state: runState.retrying, nextInMs: hold.waitMs, reason: hold.reason })
    return !hold
  }

  #ended(stepRun: CallRun, report: AttemptReport, verdict: Verdict): void {
    const { run, step } = stepRun
    const { outcome, ms } = report
    const lane = this.#lanes.get(run.key) as Lane
    this.#record(stepRun, report)
    if (!run.flow.single) return this.#processes.ended(stepRun, report, verdict)
    if (outcome.kind === 'succeeded') return this.#succeeded(lane, stepRun, report)
    const failure = { code: outcome.code, message: outcome.message, status: outcome.status, ms }
    if (verdict.do === 'park') this.#park(lane, stepRun, { ...failure, code: verdict.code })
    else if (verdict.do === 'retry') this.#retryLater(lane, stepRun, { delayMs: verdict.delayMs, failure })
    else if (!run.hasRow) this.#offer(lane)
    else this.#defer(lane, { state: runState.retrying, nextInMs: 0, reason: `waits for ${step.gate.name}` })
  }

  #succeeded(lane: Lane, stepRun: CallRun, { outcome: { status }, ms, linked }: AttemptReport): void {
    if (linked && 'fault' in linked) {
      stepRun.maybeAt = this.#deps.clock.now()
      return this.#park(lane, stepRun, {
        code: 'step.links-invalid',
        message: concealed(stepRun)(linked.fault),
        ms,
        status,
      })
    }
    if (linked) this.#deps.flusher.links(linkRows(stepRun, linked.links))
    this.#end(lane, { state: runState.succeeded, ms, status }, stepRun)
  }

  #record(stepRun: CallRun, { outcome, records }: AttemptReport): void {
    const { attempts, run } = stepRun
    if (outcome.kind === 'succeeded' && attempts === 1 && records.length === 1 && !run.flow.capture) return
    for (const record of records) this.#deps.flusher.attempt(attemptRow(stepRun, record))
  }

  #end(lane: Lane, change: RowChange, of: StepRun): void {
    const { run } = of
    lane.queue.shift()
    this.#order.passed(lane, run)
    if (run.hasRow) this.#write(lane, run, change, of)
    else {
      this.#deps.flusher.done(of, { ms: change.ms ?? 0, status: change.status ?? 0 })
      // Until it is committed, this lane alone knows how far its key has come.
      if (run.number !== null) lane.rowsUnderWay++
    }
    if (change.state === runState.succeeded) this.#deps.observer.became(run, 'succeeded', undefined)
    this.#deps.tracer?.left(run)
    this.#next(lane)
  }

  #park(lane: Lane, stepRun: CallRun, failure: Failure): void {
    this.#deps.flusher.problem(problemRow(stepRun.step.gate.name, failure))
    this.#deps.observer.became(stepRun.run, 'parked', failure.code)
    this.#parkRow(lane, { state: runState.parked, ...failure }, stepRun)
  }

  #parkRow(lane: Lane, change: RowChange, of: StepRun): void {
    const { run } = of
    if (run.flow.onParked === 'hold') return this.#defer(lane, change, of)
    lane.queue.shift()
    this.#order.passed(lane, run)
    this.#write(lane, run, { ...change, holds: false }, of)
    this.#deps.tracer?.left(run)
    this.#next(lane)
  }

  #retryLater(
    lane: Lane,
    stepRun: CallRun,
    { delayMs, failure }: { readonly delayMs: number; readonly failure: Failure },
  ): void {
    const { clock, flusher, observer } = this.#deps
    const { run, step } = stepRun
    const short = clock.monotonic() + delayMs - stepRun.startedAt < shortRetryMs
    if (short && !run.hasRow) {
      stepRun.place = 'paused'
      stepRun.cancelPause = clock.timer(delayMs, () => {
        stepRun.place = 'idle'
        this.#offer(lane)
      })
      return
    }
    flusher.problem(problemRow(step.gate.name, failure))
    observer.became(run, 'retrying', failure.code)
    this.#defer(lane, { state: runState.retrying, nextInMs: delayMs, ...failure })
  }

  /** The lane leaves the fast path: its head gets this row, what follows waits in rows behind it. */
  #defer(lane: Lane, change: RowChange, of?: StepRun): void {
    const head = lane.queue[0]
    endPauses(lane)
    if (head && !head.flow.single) this.#processes.unload(head)
    if (head) this.#write(lane, head, change, of)
    if (head) this.#deps.tracer?.left(head)
    this.#deferFollowers(lane)
    lane.queue.length = 0
    lane.slow = true
    this.#dropIfIdle(lane)
  }

  /** The head gets a row and stays. What follows it goes to rows too: a new owner would find later ones alone. */
  #stay(lane: Lane, head: Run, change: RowChange, of?: StepRun): void {
    const first = !head.hasRow
    this.#write(lane, head, change, of)
    if (first) this.#deferFollowers(lane)
  }

  #deferFollowers(lane: Lane): void {
    for (const run of lane.queue.splice(1)) this.#write(lane, run, { state: runState.waiting })
    lane.slow = true
  }

  /** All of it goes to rows, from its head on: a new owner that found the later ones alone would begin with them. */
  #spill(lane: Lane): void {
    const head = lane.queue[0]
    if (!head) return
    if (head.steps.some(({ place }) => place === 'active')) {
      if (!head.hasRow) this.#write(lane, head, { state: runState.running })
      this.#deferFollowers(lane)
    } else if (wasTried(head)) this.#defer(lane, { state: runState.retrying, nextInMs: shortRetryMs })
    else this.#defer(lane, { state: runState.waiting })
  }

  /** What waits here for a closed system goes to rows, which name it; a row that is there already says that it is running. */
  #deferClosed(): void {
    for (const [gate, queue] of this.#ready) {
      this.#closed.look(gate)
      if (gate.stand !== 'closed' || !this.#isNoPlaceFor(gate)) continue
      for (const call of queue.take(({ run }) => this.#mustLeave(run))) this.#withdraw(call)
    }
  }

  /** What waits for it should not do so in memory: it takes long, or others need the room. */
  #isNoPlaceFor(gate: SystemGate): boolean {
    return this.#closed.isLongClosed(gate) || (this.#deps.readsOn && this.#deps.isCrowded())
  }

  /** A run that has not begun may wait in memory where the group reads on for nobody. */
  #mustLeave(run: Run): boolean {
    if (run.hasRow || this.#deps.readsOn) return true
    return !run.flow.single && hasBegun(run)
  }

  #withdraw(call: CallRun): void {
    const { run, step } = call
    const lane = this.#lanes.get(run.key)
    if (lane?.queue[0] !== run) return
    if (!run.flow.single) this.#processes.withdrawn(call)
    else this.#defer(lane, { state: runState.waiting, reason: `waits for ${step.gate.name}` })
  }

  #write(lane: Lane, run: Run, change: RowChange, of = run.steps[0] as StepRun): void {
    if (change.state < runState.succeeded && change.holds !== false) lane.slow = true
    // What is in doubt of its steps must be known to whoever reads the row.
    if (!run.flow.single) this.#processes.save(run)
    if (this.#deps.flusher.row(run, runRow(run, change, of))) lane.rowsUnderWay++
  }

  #next(lane: Lane): void {
    if (lane.queue.length > 0) this.#offer(lane)
    else this.#dropIfIdle(lane)
  }

  #offer(lane: Lane): void {
    const run = this.#order.head(lane)
    if (!run) return this.#dropIfIdle(lane)
    if (run.echo === 'undecided') return
    if (run.echo) return this.#skip(lane, run, run.echo.reason)
    if (!run.flow.single) return this.#processes.advance(run)
    const call = run.steps[0]
    if (call && isCall(call) && call.place === 'idle') this.#queue(call)
  }

  /** Not before what is read together has been placed: of that, too, only the newest counts. */
  #offerSoon(lane: Lane): void {
    queueMicrotask(() => {
      if (this.#lanes.get(lane.key) === lane && !this.#gone) this.#offer(lane)
    })
  }

  /** In its turn, so that whoever reads the lane's rows finds them in its order. */
  #skip(lane: Lane, run: Run, reason: string): void {
    lane.queue.shift()
    this.#order.passed(lane, run)
    this.#write(lane, run, { state: runState.skipped, code: 'echo', reason })
    this.#deps.observer.became(run, 'skipped', 'echo')
    this.#next(lane)
  }

  #queue(call: CallRun): void {
    this.#ready.get(call.step.gate)?.push(call)
    call.step.gate.pump()
  }

  #withLane(run: Run, act: (lane: Lane) => void): void {
    const lane = this.#lanes.get(run.key)
    if (lane) act(lane)
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
    if (lane.mark) this.#deps.onMarkGone(lane.key, lane.mark)
  }
}

interface Failure {
  readonly code: string
  readonly message: string
  readonly ms: number
  readonly status: number
}

function endPauses(lane: Lane): void {
  for (const stepRun of lane.queue[0]?.steps ?? []) {
    if (stepRun.place !== 'paused') continue
    stepRun.cancelPause?.()
    stepRun.place = 'idle'
  }
}
