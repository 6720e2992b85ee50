import type { Strangers } from '../journal/port-versions.ts'
import type { AnyContract } from '../define/event.ts'
import type { TransportConnection } from '../define/transport.ts'
import type { GroupLease, Journal } from '../journal/port.ts'
import type { EngineTracer } from './tracer.ts'
import type { Cancel, Clock, Random } from './clock.ts'
import { sleep } from './clock.ts'
import { EchoJudge, maySkip } from './echo-judge.ts'
import { createWrites } from './echo-writes.ts'
import type { Committed, Progress } from './flusher.ts'
import { Flusher } from './flusher.ts'
import { IdLookup } from './id-lookup.ts'
import type { EngineObserver } from './attempts.ts'
import type { JointFlush } from './joint-flush.ts'
import type { Claimed } from './lane.ts'
import { Lanes } from './lanes.ts'
import { linkReleases, mayAwaitLinks } from './link-releases.ts'
import type { LogTail } from './log-reader.ts'
import { createPositions } from './positions.ts'
import type { Positions } from './positions.ts'
import { Reading } from './reading.ts'
import { runRow } from './rows.ts'
import type { FlowRuntime, Run, StepRun } from './run.ts'
import { SlowPath } from './slow-path.ts'

/** What the owner of a group needs. */
export interface GroupDeps {
  readonly hub: string
  readonly worker: string
  readonly lease: GroupLease
  /** The log's head after the lease was taken: no row of an earlier owner lies above it. */
  readonly headAtStart: number
  /** A poison kills soon: an owner that lived so long has got past it, and what the dead one left is no longer in doubt. */
  readonly carefulMs: number
  /** Of the worker, and as far as is known of those before it. */
  readonly leaseMs: number
  /** By place in the config. */
  readonly flows: readonly FlowRuntime[]
  /** What its rows may speak of although this deployment does not. */
  readonly strangers: Strangers
  readonly echoes: {
    /** By type: the events by which this group recognises echoes. */
    readonly contracts: ReadonlyMap<string, AnyContract>
    /** All flows that skip echoes, of any group. */
    readonly flows: readonly number[]
    /** How long an echo from this system may take. */
    readonly windowMs: (system: string) => number
  }
  readonly journal: Journal
  /** Of the worker. */
  readonly flushes: JointFlush
  readonly tail: LogTail
  /** Absent where workers read the log themselves. */
  readonly transport?: Pick<TransportConnection, 'carry'>
  readonly clock: Clock
  readonly random: Random
  readonly observer: EngineObserver
  readonly tracer?: EngineTracer | undefined
  /** Whether the worker's lease surely still holds. */
  readonly leaseHolds: () => boolean
  /** Throws when it does not. */
  readonly checkLease: () => void
  /** Bytes of payload that this group may hold. */
  readonly maxBytes: number
  /** The epoch has passed: this group is somebody else's. */
  readonly onLost: () => void
  readonly onError: (error: unknown) => void
}

const maxUnfinished = 2_000
const maxBacklog = 4_000
const tickMs = 250
const idlePositionMs = 2_000
/** A database that stays away must not keep a process from ending: the next owner takes over, with suspects. */
const writeGraceMs = 5_000

/**
 * Owns one (lane group, partition): reads its part of the log, runs its lanes on both paths, and writes everything
 * about them through one fenced flush. `stop` ends it in order, `abandon` at once and without a further write.
 */
export class Group {
  readonly #deps: GroupDeps
  readonly #positions: Positions
  readonly #flusher: Flusher
  readonly #lanes: Lanes
  readonly #reading: Reading
  readonly #slowPath: SlowPath
  readonly #judge: EchoJudge
  readonly #abort = new AbortController()
  readonly #startedAt: number
  #unfinished = 0
  #bytes = 0
  #claimedTo: number
  /** The lowest seq that waits for a claim; Infinity when none does. */
  #claimWanted = Number.POSITIVE_INFINITY
  #sentPositions = new Map<number, number>()
  #positionsSentAt = Number.NEGATIVE_INFINITY
  #lastAttemptedTo = 0
  #perTick = 0
  #suspects: boolean
  #suspectTo: number
  #paused = false
  /** It may be handed over in a moment: nothing new begins. */
  #quiescing = false
  #stopping = false
  #gone = false
  #cancelTick: Cancel | undefined

  constructor(deps: GroupDeps) {
    const { lease, flows, journal, clock, random, onError } = deps
    this.#deps = deps
    this.#claimedTo = lease.claimedTo
    this.#suspects = lease.suspectTo > 0
    this.#suspectTo = Math.min(lease.suspectTo, deps.headAtStart)
    this.#startedAt = clock.monotonic()
    this.#positions = createPositions(flows.map((flow) => flow.id))
    const onLost = () => this.#lost()
    this.#flusher = new Flusher({
      lease,
      worker: deps.worker,
      journal: deps.flushes,
      clock,
      progress: () => this.#progress(),
      onCommitted: (committed, progress) => this.#committed(committed, progress),
      onLost,
      onError,
    })
    const gates = [...new Set(flows.flatMap((flow) => flow.steps.flatMap((step) => step.gate ?? [])))]
    this.#lanes = new Lanes(
      {
        hub: deps.hub,
        clock,
        random,
        flusher: this.#flusher,
        log: journal,
        ids: new IdLookup({ journal, clock, signal: this.#abort.signal, onError }),
        onError,
        readsOn: new Set(flows.map(({ gate }) => gate)).size > 1,
        isCrowded: () => this.#unfinished > maxUnfinished / 2 || this.#bytes > deps.maxBytes / 2,
        observer: deps.observer,
        tracer: deps.tracer,
        mayStart: () => this.#mayStart(),
        claimedTo: () => this.#claimedTo,
        onUnclaimed: (seq) => this.#claimMore(seq),
        checkLease: deps.checkLease,
        signal: this.#abort.signal,
        writes: createWrites({
          ...{ lease, journal, clock, onError },
          windowMs: deps.echoes.windowMs,
          isOver: () => this.#gone,
        }),
        mark: (stepRun, inside) => this.#mark(stepRun, inside),
        onSlowLaneGone: (key) => {
          this.#reading.slowed(key)
          this.#slowPath.ring()
        },
        onMarkGone: (key, mark) => this.#reading.marked(key, mark),
        onGate: () => this.#gateChanged(),
      },
      gates,
    )
    this.#lanes.careful = lease.unclean >= 2
    this.#judge = new EchoJudge({
      ...{ journal, clock, onError },
      contracts: deps.echoes.contracts,
      flows: deps.echoes.flows,
      writes: flows.some(({ steps }) =>
        steps.some(({ definition }) => 'writes' in definition && definition.writes),
      ),
      onDecided: (runs) => this.#lanes.judged(runs),
    })
    this.#reading = new Reading({
      lease,
      headAtStart: deps.headAtStart,
      flows,
      journal,
      tail: deps.tail,
      ...(deps.transport && { carry: deps.transport.carry.bind(deps.transport) }),
      clock,
      room: () => this.#room(),
      maxBytes: Math.max(65_536, Math.floor(deps.maxBytes / 2)),
      maySlow: () => this.#slowPath.mayHave,
      observed: this.#judge.types,
      judge: (events, runs) => this.#judge.judge(events, runs),
      admit: (run, lane) => this.#admit(run, lane),
      signal: (key) => {
        this.#flusher.signal(key)
        this.#lanes.signalled(key)
      },
      onError,
    })
    this.#slowPath = new SlowPath({
      lease,
      flows: new Map(flows.map((flow) => [flow.id, flow])),
      strangers: deps.strangers,
      gates,
      journal,
      clock,
      leaseMs: deps.leaseMs,
      room: () => (this.#mayStart() ? maxUnfinished - this.#unfinished : 0),
      enough: () => this.#enough(),
      maxBytes: Math.floor(deps.maxBytes / 4),
      careful: () => this.#lanes.careful,
      readsSuspects: () => this.#reading.readHead < this.#suspectTo,
      isFree: (key) => this.#lanes.isFree(key),
      ...(mayAwaitLinks(flows) && { releaseLinked: linkReleases({ lease, journal, clock, onLost }) }),
      beginClaim: (key) => this.#lanes.beginClaim(key),
      endClaim: (key, runs, mark) => this.#lanes.endClaim(key, runs, mark),
      judge: (runs) => this.#judgeClaimed(runs),
      onLost,
      onError,
    })
  }

  get lease(): GroupLease {
    return this.#deps.lease
  }

  /** Whether somebody else says when there is something to read. */
  get isCarried(): boolean {
    return this.#reading.isCarried
  }

  start(): void {
    this.#deps.flushes.join(this.#flusher)
    this.#flusher.now()
    this.#reading.start()
    this.#slowPath.start()
    this.#tick()
  }

  /** The log has grown. */
  logMoved(): void {
    this.#reading.ring()
  }

  set paused(paused: boolean) {
    if (this.#paused === paused) return
    this.#paused = paused
    if (!paused) this.#resume()
  }

  /** The lease is certain again after it was in doubt. */
  leaseRenewed(): void {
    this.#resume()
  }

  /** Takes the next slice of a replay: rows that come into lanes from beside, behind which what is read must queue. */
  async feedReplay(replay: number): Promise<void> {
    if (!this.#mayStart()) return
    const { group, part, epoch } = this.lease
    const keys = await this.#deps.journal.feedReplay({ group, part, epoch, replay })
    if (keys === 'lost') return this.#lost()
    if (keys.length === 0 || this.#gone) return
    this.#slowPath.expect()
    for (const key of keys) {
      this.#reading.slowed(key)
      this.#lanes.divert(key)
    }
    this.#slowPath.ring()
  }

  /** Runs in memory that have not ended. */
  get unfinished(): number {
    return this.#unfinished
  }

  get oldestAttemptMs(): number {
    return this.#lanes.oldestAttemptMs
  }

  /**
   * Begins no attempts until none is under way, to be stopped then. False, and it goes on, when that takes longer than `maxMs`, or it
   * is being stopped anyway.
   */
  async quiesce(maxMs: number): Promise<boolean> {
    const { clock } = this.#deps
    const until = clock.monotonic() + maxMs
    this.#quiescing = true
    while (!this.#lanes.isQuiet && !this.#stopping && clock.monotonic() < until) await sleep(clock, 20)
    if (this.#lanes.isQuiet && !this.#stopping) return true
    this.#quiescing = false
    if (!this.#stopping) this.#resume()
    return false
  }

  /**
   * Starts nothing new, lets attempts end for at most `graceMs`, writes what is known. False when it could not be
   * written: then the group must not be handed back, for only a takeover leaves its runs in doubt.
   */
  async stop(graceMs: number): Promise<boolean> {
    this.#stopping = true
    this.#judge.stop()
    let gaveUp = false
    // One grace for all: whoever ends the process counts from its signal.
    const cancel = this.#deps.clock.timer(graceMs, () => {
      void this.#slowPath.stop(true)
      this.#abort.abort()
    })
    await Promise.all([this.#reading.stop(), this.#slowPath.stop()])
    const giveUp = this.#deps.clock.timer(graceMs + writeGraceMs, () => {
      gaveUp = true
      this.#flusher.end()
    })
    await this.#lanes.drain()
    cancel()
    this.#positionsSentAt = Number.NEGATIVE_INFINITY
    this.#flusher.now()
    await this.#flusher.settled()
    giveUp()
    this.#end()
    return !gaveUp && !this.#slowPath.inDoubt
  }

  /** Ends at once; nothing more is written or sent. */
  abandon(): void {
    this.#stopping = true
    this.#end()
    this.#abort.abort()
    void this.#reading.stop()
    void this.#slowPath.stop(true)
  }

  #end(): void {
    this.#gone = true
    this.#judge.stop()
    this.#cancelTick?.()
    this.#lanes.leaveGates()
    this.#deps.flushes.leave(this.#flusher)
    this.#flusher.end()
  }

  #lost(): void {
    if (this.#gone) return
    this.abandon()
    this.#deps.onLost()
  }

  #mayStart(): boolean {
    if (this.#stopping || this.#paused || this.#quiescing) return false
    return this.#flusher.backlog < maxBacklog && this.#deps.leaseHolds()
  }

  /** Reading stops while nothing could start: paused, or every system it would call is closed. */
  #room(): number {
    if (this.#stopping || this.#paused || this.#quiescing || this.#bytes >= this.#deps.maxBytes) return 0
    const stands = this.#deps.flows.map((flow) => flow.gate?.stand ?? 'open')
    if (stands.includes('open')) return maxUnfinished - this.#unfinished
    return stands.includes('probe') && this.#unfinished === 0 ? 1 : 0
  }

  /** Systems for which so much was taken that others would wait for room. */
  #enough(): ReadonlySet<number> {
    const mostBytes = this.#deps.maxBytes / 4
    const isEnough = ({ runs, bytes }: Claimed) => runs > maxUnfinished / 2 || bytes > mostBytes
    const claimed = [...this.#lanes.claimed()].filter(([, waiting]) => isEnough(waiting))
    return new Set(claimed.map(([system]) => system))
  }

  /** What was claimed and has not begun was judged when it was read; memory does not know as what. */
  #judgeClaimed(runs: readonly Run[]): Promise<void> {
    const fresh = runs.filter(maySkip)
    const events = new Map(fresh.map(({ event }) => [event.seq, event]))
    return this.#judge.judge([...events.values()], fresh)
  }

  #admit(run: Run, lane: Parameters<Lanes['place']>[1]): void {
    this.#positions.track(run)
    this.#unfinished++
    this.#bytes += run.event.data.length
    this.#lanes.place(run, lane)
  }

  #committed(committed: Committed, progress: Progress | undefined): void {
    const { runs } = committed
    for (const run of runs) {
      if (run.settled) continue
      this.#positions.settle(run)
      this.#unfinished--
      this.#bytes -= run.event.data.length
    }
    if (runs.some((run) => run.hasRow)) this.#slowPath.expect()
    this.#lanes.committed(committed)
    if (progress) this.#progressCommitted(progress)
    this.#tellSettled()
    this.#reading.ring()
    if (this.#mayStart()) this.#lanes.reoffer()
  }

  /** What needs no row has none to wait for: where nothing is unfinished, all that was read. */
  #tellSettled(): void {
    if (!this.#deps.transport) return
    this.#reading.settledTo(Math.min(...this.#positions.current(this.#reading.readHead).values()))
  }

  #progressCommitted(progress: Progress): void {
    this.#claimedTo = Math.max(this.#claimedTo, progress.claimedTo)
    for (const { flow, position } of progress.positions) this.#sentPositions.set(flow, position)
    if (progress.suspectsResolved) {
      this.#suspects = false
      this.#lanes.careful = false
    }
  }

  #claimMore(seq: number): void {
    this.#claimWanted = Math.min(this.#claimWanted, seq)
    this.#flusher.now()
  }

  /**
   * At most four times a second, or when the claim is used up. The claim runs ahead of the attempts by half a second of
   * throughput, at least four times the concurrency: few suspects at a slow system, no ceiling at a fast one.
   */
  #progress(): Progress | undefined {
    const { clock, flows } = this.#deps
    const now = clock.monotonic()
    const wanted = this.#claimWanted !== Number.POSITIVE_INFINITY
    const idle = this.#positions.unsettled === 0 && this.#perTick === 0
    if (!wanted && now - this.#positionsSentAt < (idle ? idlePositionMs : tickMs)) return undefined
    const readHead = Math.min(this.#reading.readHead, this.#judge.floor - 1)
    const lowest = Math.min(...this.#positions.current(readHead).values())
    const ahead = Math.ceil(
      Math.max(...flows.flatMap((flow) => 4 * (flow.gate?.settings.concurrency ?? 0)), 2 * this.#perTick),
    )
    const from = Math.max(this.#lanes.attemptedTo, lowest, wanted ? this.#claimWanted : 0)
    const positions = this.#changedPositions(readHead)
    const livedOn = now - this.#startedAt > this.#deps.carefulMs
    const suspectsResolved = this.#suspects && lowest >= this.#suspectTo && livedOn
    // That the suspects are resolved must be told even where the position stands still: the end of the log was reached.
    if (positions.length === 0 && this.#claimedTo >= from + ahead / 2 && !suspectsResolved) return undefined
    this.#claimWanted = Number.POSITIVE_INFINITY
    this.#positionsSentAt = now
    return { positions, claimedTo: Math.max(this.#claimedTo, from + ahead), suspectsResolved }
  }

  #changedPositions(readHead: number): Progress['positions'] {
    const current = this.#positions.current(readHead)
    return this.#deps.flows
      .map(({ id, version }) => ({ flow: id, version, position: current.get(id) ?? 0 }))
      .filter(
        ({ flow, position }) =>
          position > (this.#sentPositions.get(flow) ?? this.#deps.lease.positions.get(flow) ?? 0),
      )
  }

  #tick(): void {
    this.#cancelTick = this.#deps.clock.timer(tickMs, () => this.#tick())
    const { attemptedTo } = this.#lanes
    this.#perTick = this.#lastAttemptedTo > 0 ? attemptedTo - this.#lastAttemptedTo : 0
    this.#lastAttemptedTo = attemptedTo
    this.#lanes.surface()
    this.#judge.sweep()
    this.#tellSettled()
    if (this.#deps.transport) this.#reading.ring()
    if (this.#mayStart()) this.#lanes.reoffer()
    this.#flusher.now()
  }

  #gateChanged(): void {
    this.#reading.ring()
    this.#slowPath.ring()
  }

  #resume(): void {
    this.#lanes.reoffer()
    this.#gateChanged()
  }

  /** Careful mode: the run is in a row as running, and the row says whether its user's code is being executed. */
  async #mark(stepRun: StepRun, inside: boolean): Promise<void> {
    const { lease, journal, clock, onError } = this.#deps
    const { group, part, epoch } = lease
    while (!this.#gone) {
      try {
        if (
          (await journal.mark({
            group,
            part,
            epoch,
            run: runRow(stepRun.run, { state: 3, phase: inside ? 1 : 0 }, stepRun),
          })) === 'lost'
        )
          this.#lost()
        return
      } catch (error) {
        onError(error)
        await sleep(clock, 200)
      }
    }
  }
}
