import type {
  EventLog,
  GroupLease,
  KnownStep,
  OwnerJournal,
  SequenceJournal,
  SequenceMark,
  StoredEvent,
} from '../journal/port.ts'
import type { Carrier, CarryRequest } from '../define/transport.ts'
import type { Bell } from './bell.ts'
import { createBell } from './bell.ts'
import type { Clock } from './clock.ts'
import { sleep } from './clock.ts'
import type { LogTail, TailReader } from './log-reader.ts'
import { numberRuns } from './numbering.ts'
import type { FlowRuntime, Run } from './run.ts'
import { doubtSteps, restoreSteps } from './restore.ts'
import { newRun } from './run.ts'
import { furthest } from './sequence.ts'

/** What the reading of one group needs. */
export interface ReadingDeps {
  readonly lease: GroupLease
  /** No row of an earlier owner lies above it. */
  readonly headAtStart: number
  readonly flows: readonly FlowRuntime[]
  readonly journal: Pick<EventLog, 'read'> &
    Pick<OwnerJournal, 'existing' | 'slowKeys' | 'stepsWithoutRun'> &
    SequenceJournal
  readonly tail: LogTail
  /** Has the group's events carried to it; absent where workers read the log themselves. */
  readonly carry?: (request: CarryRequest) => Carrier
  readonly clock: Clock
  /** How many events may be read now; 0 stops reading until the bell rings. */
  readonly room: () => number
  readonly maxBytes: number
  /** Whether any lane of the group may have a row. */
  readonly maySlow: () => boolean
  /** `slow` when the run's lane has a row in the journal, `mark` where its key's sequence has come to. */
  readonly admit: (
    run: Run,
    lane: { readonly slow: boolean; readonly mark: SequenceMark | undefined },
  ) => void
  /** Types that are read for what they say of our own writes. */
  readonly observed: readonly string[]
  /** Says of these runs, before they are admitted, whether their events are echoes. */
  readonly judge: (events: readonly StoredEvent[], runs: readonly Run[]) => Promise<void>
  /** An event of this key was read that runs may wait for. */
  readonly signal: (key: string) => void
  readonly onError: (error: unknown) => void
}

/** Events that a carrier has not brought by then are taken from the log. */
const lookAfterMs = 5_000
const windowSize = 2_000
const noFlows: readonly FlowRuntime[] = []
const largestWindow = 50_000

/**
 * Follows the log for one group: from its lowest position on, never past the known head, taking what this process has
 * just appended where it continues exactly, and reading everything else. Runs that have rows already are left out; runs
 * that the previous owner may have attempted are marked.
 */
export class Reading implements TailReader {
  readonly #deps: ReadingDeps
  readonly #bell: Bell = createBell()
  readonly #byType = new Map<string, FlowRuntime[]>()
  readonly #signals: ReadonlySet<string>
  readonly #types: string[]
  readonly #carrier: Carrier | undefined
  #readHead: number
  #window = windowSize
  #stopped = false
  #running: Promise<void> | undefined
  /** Lanes that became slow while a look-up was under way, which may not have seen it. */
  #slowedMeanwhile: Set<string> | undefined
  /** Likewise, how far sequences have come. */
  #markedMeanwhile: Map<string, SequenceMark> | undefined

  constructor(deps: ReadingDeps) {
    this.#deps = deps
    for (const flow of deps.flows)
      for (const type of flow.after.keys()) this.#byType.set(type, [...(this.#byType.get(type) ?? []), flow])
    this.#signals = new Set(deps.flows.flatMap((flow) => flow.signals))
    this.#types = [...new Set([...this.#byType.keys(), ...this.#signals, ...deps.observed])]
    this.#readHead = Math.min(...deps.flows.map((flow) => deps.lease.positions.get(flow.id) ?? 0))
    const { group, part, parts } = deps.lease
    this.#carrier = deps.carry?.({
      ...{ group, part, parts, types: this.#types },
      onArrival: () => this.#bell.ring(),
    })
    this.#carrier?.readTo(this.#readHead)
  }

  /** Whether somebody else says when there is something to read. */
  get isCarried(): boolean {
    return this.#carrier?.carries ?? false
  }

  /** Every run up to here has its row. */
  settledTo(seq: number): void {
    this.#carrier?.settledTo(seq)
  }

  get readHead(): number {
    return this.#readHead
  }

  /** There may be something to read, or room for it. */
  ring(): void {
    this.#bell.ring()
  }

  get types(): readonly string[] {
    return this.#types
  }

  get part(): number {
    return this.#deps.lease.part
  }

  get parts(): number {
    return this.#deps.lease.parts
  }

  start(): void {
    this.#deps.tail.join(this)
    this.#running ??= this.#loop()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#deps.tail.leave(this)
    this.#bell.ring()
    await this.#running
    await this.#carrier?.close()
  }

  slowed(key: string): void {
    this.#slowedMeanwhile?.add(key)
  }

  marked(key: string, mark: SequenceMark): void {
    this.#markedMeanwhile?.set(key, mark)
  }

  async #loop(): Promise<void> {
    while (!this.#stopped) {
      try {
        if (!(await this.#step())) await this.#bell.wait()
      } catch (error) {
        this.#deps.onError(error)
        await sleep(this.#deps.clock, 200)
      }
    }
  }

  /** One stretch or window; false when there is nothing to read or no room. */
  async #step(): Promise<boolean> {
    const limit = this.#deps.room()
    this.#carrier?.want(limit > 0)
    if (limit <= 0) return false
    if (await this.#takeKnown()) return true
    const upTo = await this.#readable()
    if (upTo <= this.#readHead) return false
    if (await this.#takeKnown()) return true // it was looked for meanwhile
    await this.#readWindow(limit, upTo)
    return true
  }

  /** What continues exactly here and need not be read. */
  async #takeKnown(): Promise<boolean> {
    const stretch = this.#deps.tail.after(this.#readHead, this)
    if (!stretch) return false
    const { part, parts } = this.#deps.lease
    const events = stretch.events.filter(
      (event) => this.#types.includes(event.type) && event.khash % parts === part,
    )
    await this.#admit(events, stretch.head)
    return true
  }

  /** How far may be read now: to the known head, or as far as the carrier says that there is something. */
  async #readable(): Promise<number> {
    const { tail } = this.#deps
    const carrier = this.#carrier
    if (!carrier?.carries) return tail.head
    if (carrier.horizon > Math.max(tail.head, this.#readHead)) await this.#look(carrier)
    return Math.min(Math.max(carrier.horizon, tail.headBefore(lookAfterMs)), tail.head)
  }

  /** What a broker has may be more than a database that was restored: the log alone says how far it goes. */
  async #look(carrier: Carrier): Promise<void> {
    const { tail } = this.#deps
    await tail.refresh()
    if (carrier.horizon <= tail.head) return
    // That answer may have been under way when the message came; another one cannot.
    const { arrivals } = carrier
    await tail.refresh()
    if (carrier.horizon > tail.head) carrier.logEndsAt(tail.head, arrivals)
  }

  async #readWindow(limit: number, head: number): Promise<void> {
    const { lease, maxBytes } = this.#deps
    const after = this.#readHead
    const upTo = Math.min(head, after + this.#window)
    const { part, parts } = lease
    const { events, readTo } = await this.#deps.journal.read({
      ...{ after, upTo, types: this.#types, part, parts, limit, maxBytes },
    })
    this.#window = events.length > 0 ? windowSize : Math.min(this.#window * 2, largestWindow)
    const last = events.at(-1)
    if (last && this.#carrier && last.seq > this.#carrier.horizon) this.#carrier.missed()
    await this.#admit(events, readTo)
  }

  async #admit(events: readonly StoredEvent[], readTo: number): Promise<void> {
    const runs: Run[] = []
    for (const event of events) this.#addRuns(runs, event)
    const fresh = this.#readHead < this.#deps.headAtStart ? await this.#begun(runs, readTo) : runs
    for (const run of fresh) this.#markDoubt(run)
    await this.#deps.judge(events, fresh)
    await numberRuns(runs)
    const marks = await this.#marks(runs)
    const slow = await this.#slowKeys(runs)
    for (const [key, mark] of this.#markedMeanwhile ?? [])
      marks.set(key, furthest(marks.get(key), mark) ?? mark)
    this.#markedMeanwhile = undefined
    if (this.#stopped) return
    for (const run of fresh)
      this.#deps.admit(run, { slow: slow.has(run.key) || mayBeReplaced(run), mark: marks.get(run.key) })
    // Behind the runs: one that this very stretch begins looks for itself.
    if (this.#signals.size > 0)
      for (const { type, key } of events) if (key !== null && this.#signals.has(type)) this.#deps.signal(key)
    this.#readHead = readTo
    this.#carrier?.readTo(readTo)
  }

  #addRuns(runs: Run[], event: StoredEvent): void {
    const { positions } = this.#deps.lease
    for (const flow of this.#byType.get(event.type) ?? noFlows)
      if (event.seq > (positions.get(flow.id) ?? 0) && event.seq > (flow.after.get(event.type) ?? 0))
        runs.push(newRun(flow, event))
  }

  /** Of these runs, which an earlier owner may have begun, those that have no row; they go on where they stood. */
  async #begun(runs: readonly Run[], readTo: number): Promise<readonly Run[]> {
    const known = await this.#existing(readTo)
    const steps = await this.#begunSteps(readTo)
    const fresh = runs.filter((run) => !known.has(idOf(run)))
    for (const run of fresh) restoreSteps(run, steps.get(idOf(run)) ?? [], this.#deps.clock.monotonic())
    return fresh
  }

  /** Which runs have rows of an earlier owner. They lie above its claim, too: what waits in a slow lane needs none. */
  async #existing(readTo: number): Promise<ReadonlySet<string>> {
    const { headAtStart, flows, journal } = this.#deps
    const rows = await journal.existing(
      flows.map((flow) => flow.id),
      this.#readHead,
      Math.min(readTo, headAtStart),
    )
    return new Set(rows.map((row) => `${row.flow}:${row.seq}`))
  }

  /** Steps of an earlier owner's runs that have no row: what is done is not done again. */
  async #begunSteps(readTo: number): Promise<ReadonlyMap<string, KnownStep[]>> {
    const { headAtStart, flows, journal } = this.#deps
    // Of one plain call too, if it has changed: an earlier version may have had several.
    const ids = flows.filter((flow) => !flow.single || flow.version > 1).map((flow) => flow.id)
    const begun = new Map<string, KnownStep[]>()
    if (ids.length === 0) return begun
    const rows = await journal.stepsWithoutRun(ids, this.#readHead, Math.min(readTo, headAtStart))
    for (const { flow, seq, step } of rows) {
      const id = `${flow}:${seq}`
      begun.set(id, [...(begun.get(id) ?? []), step])
    }
    return begun
  }

  async #slowKeys(runs: readonly Run[]): Promise<ReadonlySet<string>> {
    if (runs.length === 0 || !this.#deps.maySlow()) return new Set()
    this.#slowedMeanwhile = new Set()
    const keys = await this.#deps.journal.slowKeys(this.#deps.lease.group, [
      ...new Set(runs.map((run) => run.key)),
    ])
    const slow = this.#slowedMeanwhile
    this.#slowedMeanwhile = undefined
    for (const key of keys) slow.add(key)
    return slow
  }

  /** How far the keys have come whose runs follow each other by number. */
  async #marks(runs: readonly Run[]): Promise<Map<string, SequenceMark>> {
    const keys = new Set(runs.filter(({ number }) => number !== null).map(({ key }) => key))
    if (keys.size === 0) return new Map()
    this.#markedMeanwhile = new Map()
    const { journal, lease } = this.#deps
    const rows = await journal.sequences(lease.group, [...keys])
    return new Map(rows.map((row) => [row.key, row]))
  }

  #markDoubt(run: Run): void {
    const { suspectTo, suspectAt, suspectSince } = this.#deps.lease
    if (run.event.seq > suspectTo || run.event.receivedAt > suspectAt) return
    doubtSteps(run, { sentBy: suspectAt, since: Math.max(suspectSince, run.event.receivedAt) })
  }
}

/**
 * A snapshot that an earlier owner may have sent, or one that it had replaced: which is the newest is known when all of
 * them have been read, and the lane's rows alone hold them all.
 */
function mayBeReplaced({ flow, steps }: Run): boolean {
  return flow.latest !== undefined && flow.single && steps.some(({ maybeAt }) => maybeAt !== null)
}

function idOf({ flow, event }: Run): string {
  return `${flow.id}:${event.seq}`
}
