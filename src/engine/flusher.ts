import { BusbarError } from '../errors.ts'
import type {
  AttemptRow,
  DoneRun,
  Flush,
  GroupLease,
  LinkRow,
  LinkWait,
  OwnerJournal,
  ProblemRow,
  RunRow,
  SequenceRow,
  StepRow,
} from '../journal/port.ts'
import type { UndoneLinks } from '../journal/port-links.ts'
import type { Cancel, Clock } from './clock.ts'
import { sleep } from './clock.ts'
import type { Run, StepRun } from './run.ts'

/** What is due to be told beside the rows: how far the group has come, and how far it may go. */
export interface Progress {
  readonly positions: Flush['positions']
  readonly claimedTo: number
  readonly suspectsResolved: boolean
}

/** What a flush has written: rows of runs, and steps of runs. A run may be in both. */
export interface Committed {
  readonly runs: readonly Run[]
  readonly stepped: readonly Run[]
}

/** What a flusher needs. */
export interface FlusherDeps {
  readonly lease: GroupLease
  readonly worker: string
  readonly journal: Pick<OwnerJournal, 'flush'>
  readonly clock: Clock
  /** Asked for each flush; `undefined` when nothing is due. */
  readonly progress: () => Progress | undefined
  readonly onCommitted: (committed: Committed, progress: Progress | undefined) => void
  readonly onLost: () => void
  readonly onError: (error: unknown) => void
}

/** Outcomes are gathered for so long, so that one transaction carries many; it delays no delivery. */
const gatherMs = 10
const manyRows = 250
/** How soon a problem that goes on is written again: its last-seen time need not be exact. */
const problemAgainMs = 10_000

/**
 * Gathers what a group has to write and commits it, one flush at a time, in the order in which things happened. Rows of
 * a flush whose outcome is unknown are sent again: repeating it changes nothing. When the epoch has passed, nothing
 * more is written and `onLost` is told, once.
 */
export class Flusher {
  readonly #deps: FlusherDeps
  #done = new Map<Run, DoneRun>()
  #rows = new Map<Run, RunRow>()
  #steps = new Map<Run, StepRow[]>()
  #signals = new Set<string>()
  #sequences = new Map<string, SequenceRow>()
  #links: (LinkRow | UndoneLinks)[] = []
  #linkWaits: LinkWait[] = []
  #attempts: AttemptRow[] = []
  #problems = new Map<string, ProblemRow>()
  readonly #problemSeen = new Map<string, number>()
  #urgent = false
  #inFlight = 0
  #sent = 0
  #running: Promise<void> | undefined
  #cancelTimer: Cancel | undefined
  #ended = false

  constructor(deps: FlusherDeps) {
    this.#deps = deps
  }

  /** Runs whose outcome is not committed yet. */
  get backlog(): number {
    return this.#done.size + this.#rows.size + this.#inFlight
  }

  /** A run succeeded with this step, and has no row: the common case. */
  done(
    { run, step, tries, firstAt }: StepRun,
    outcome: { readonly ms: number; readonly status: number },
  ): void {
    this.#done.set(run, {
      flow: run.flow.id,
      seq: run.event.seq,
      system: step.gate?.id ?? 0,
      tries,
      firstAt: firstAt ?? 0,
      ...outcome,
    })
    this.#soon()
  }

  /** The row of a run; a later one of the same run replaces it. Whether `onCommitted` will speak of it once more. */
  row(run: Run, row: RunRow): boolean {
    const more = !this.#rows.has(run)
    run.hasRow = true
    this.#rows.set(run, row)
    this.#soon()
    return more
  }

  /**
   * Steps of a run, beside its row or without one. Written as soon as can be: others wait for their results. Whether
   * `onCommitted` will speak of the run once more.
   */
  steps(run: Run, rows: readonly StepRow[]): boolean {
    const known = this.#steps.get(run)
    if (known) known.push(...rows)
    else this.#steps.set(run, [...rows])
    this.#urgent = true
    this.#soon()
    return known === undefined
  }

  /** Links given or taken back by what is written in this very turn: they go in one transaction with it. */
  links(links: readonly (LinkRow | UndoneLinks)[]): void {
    this.#links.push(...links)
  }

  /** Links that the run whose row is written in this very turn waits for. */
  linkWaits(waits: readonly LinkWait[]): void {
    this.#linkWaits.push(...waits)
  }

  /** An event of this key was read that somebody may wait for. */
  signal(key: string): void {
    this.#signals.add(key)
    this.#urgent = true
    this.#soon()
  }

  /** How far a key has come, with the row of the run that has moved it: given in the same turn. */
  sequence(row: SequenceRow): void {
    const known = this.#sequences.get(row.key)
    if (!known || known.last < row.last) this.#sequences.set(row.key, row)
  }

  attempt(row: AttemptRow): void {
    this.#attempts.push(row)
  }

  problem(row: ProblemRow): void {
    const seen = this.#problemSeen.get(row.fp)
    const now = this.#deps.clock.monotonic()
    if (seen !== undefined && now - seen < problemAgainMs) return
    if (this.#problemSeen.size > 1_000) this.#problemSeen.clear()
    this.#problemSeen.set(row.fp, now)
    this.#problems.set(row.fp, row)
  }

  /** Flushes now, for what is due beside rows. */
  now(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    if (!this.#ended) this.#running ??= this.#loop()
  }

  /** Others write in a moment: what is gathered need not wait for its own time. */
  along(): void {
    if (this.#done.size > 0) this.now()
  }

  /** Resolves when all that was given so far is committed or the lease is lost. */
  async settled(): Promise<void> {
    while (!this.#ended && (this.#running || this.backlog > 0)) {
      this.now()
      await this.#running
    }
  }

  /** Writes nothing more. */
  end(): void {
    this.#ended = true
    this.#cancelTimer?.()
  }

  #soon(): void {
    if (this.#running || this.#ended) return
    if (this.#urgent || this.#done.size + this.#rows.size >= manyRows) this.now()
    else this.#cancelTimer ??= this.#deps.clock.timer(gatherMs, () => this.now())
  }

  async #loop(): Promise<void> {
    try {
      // What is given in the same turn goes along.
      await Promise.resolve()
      do await this.#flushOnce()
      while (!this.#ended && (this.#urgent || this.#done.size + this.#rows.size >= manyRows))
    } finally {
      this.#running = undefined
    }
    if (!this.#ended && this.#done.size + this.#rows.size > 0) this.#soon()
  }

  async #flushOnce(): Promise<void> {
    const progress = this.#deps.progress()
    const done = this.#done
    const rows = this.#rows
    const steps = this.#steps
    this.#urgent = false
    if (!progress && done.size + rows.size + steps.size + this.#signals.size === 0) return
    const { group, part, epoch } = this.#deps.lease
    const flush: Flush = {
      group,
      part,
      epoch,
      worker: this.#deps.worker,
      gatheredAt: this.#deps.clock.now(),
      done: [...done.values()],
      runs: [...rows.values()],
      steps: [...steps.values()].flat(),
      signals: [...this.#signals],
      links: this.#links,
      linkWaits: this.#linkWaits,
      sequences: [...this.#sequences.values()],
      attempts: this.#attempts,
      problems: [...this.#problems.values()],
      positions: progress?.positions ?? [],
      claimedTo: progress?.claimedTo ?? 0,
      suspectsResolved: progress?.suspectsResolved ?? false,
    }
    this.#done = new Map()
    this.#rows = new Map()
    this.#steps = new Map()
    this.#signals = new Set()
    this.#sequences = new Map()
    this.#links = []
    this.#linkWaits = []
    this.#attempts = []
    this.#problems = new Map()
    this.#inFlight = done.size + rows.size
    const result = await this.#commit(flush)
    this.#inFlight = 0
    if (result === 'ok')
      this.#deps.onCommitted({ runs: [...done.keys(), ...rows.keys()], stepped: [...steps.keys()] }, progress)
    else if (!this.#ended) {
      this.end()
      this.#deps.onLost()
    }
  }

  /** Until it is committed or the epoch has passed; the database may be away for long. */
  async #commit(flush: Flush): Promise<'ok' | 'lost'> {
    const { clock } = this.#deps
    const gatheredAt = clock.monotonic()
    let current: Flush = flush
    for (let pauseMs = 50; !this.#ended; pauseMs = Math.min(pauseMs * 2, 1_000)) {
      try {
        current = { ...current, no: ++this.#sent }
        return await this.#deps.journal.flush(aged(current, clock.monotonic() - gatheredAt))
      } catch (error) {
        this.#deps.onError(error)
        current = { ...current, again: true }
        if (error instanceof BusbarError && error.code === 'event.invalid') current = withoutTexts(current)
        await sleep(this.#deps.clock, pauseMs)
      }
    }
    return 'lost'
  }
}

/** What is due some time from when it was gathered is due so much sooner from now. */
function aged(flush: Flush, ms: number): Flush {
  if (ms < 1) return flush
  const sooner = <Row extends { readonly nextInMs: number | null }>(row: Row): Row =>
    row.nextInMs === null ? row : { ...row, nextInMs: row.nextInMs - ms }
  return { ...flush, runs: flush.runs.map(sooner), steps: flush.steps.map(sooner) }
}

/** Texts of other systems that the database refuses must not stop the outcomes. */
function withoutTexts(flush: Flush): Flush {
  return {
    ...flush,
    runs: flush.runs.map((run) => ({ ...run, message: 'the message could not be stored' })),
    steps: flush.steps.map((step) => ({
      ...step,
      message: step.message && 'the message could not be stored',
    })),
    attempts: flush.attempts.map((row) => ({ ...row, message: null, request: null, response: null })),
  }
}
