import type { SequenceMark } from '../journal/port.ts'
import { runState } from '../journal/port.ts'
import type { EngineObserver } from './attempts.ts'
import type { Clock } from './clock.ts'
import type { Flusher } from './flusher.ts'
import type { Lane } from './lane.ts'
import { hasBegun } from './process.ts'
import type { RowChange } from './rows.ts'
import { problemRow, systemOf } from './rows.ts'
import type { Run, StepRun } from './run.ts'
import { furthest, givesWay, missingWords, placeInSequence } from './sequence.ts'

/** What the order of lanes needs. */
export interface LaneOrderDeps {
  readonly clock: Clock
  readonly flusher: Flusher
  readonly observer: EngineObserver
  /** Writes a run's row; the lane is as it was. */
  readonly write: (lane: Lane, run: Run, change: RowChange) => void
  /** Writes the row of the lane's head; the lane leaves memory. */
  readonly defer: (lane: Lane, change: RowChange) => void
}

/**
 * Which run of a lane comes next, where that is not the log's say alone: by number (`sequence`), or only the newest
 * (`latest`). Lanes ask here before they offer their head; how far a key has come is kept in its lane, and written with
 * what moved it.
 */
export class LaneOrder {
  readonly #deps: LaneOrderDeps

  constructor(deps: LaneOrderDeps) {
    this.#deps = deps
  }

  /** Puts a run into its place behind the head; where only the newest counts, those that it replaces end. */
  enter(lane: Lane, run: Run): void {
    if (run.flow.latest) this.#replace(lane, run)
    if (!run.flow.sequence) return void lane.queue.push(run)
    let place = lane.queue.length
    // Never before the head, which may be under way already: a number below its own is stale.
    while (place > 1 && isBefore(run, lane.queue[place - 1] as Run)) place--
    lane.queue.splice(place, 0, run)
  }

  /** A run that cannot be ordered is for a person, and holds nobody else; whether it is one. */
  setAside(lane: Lane, run: Run): boolean {
    if (run.unnumbered === null) return false
    const failure = { code: 'sequence.missing', message: run.unnumbered }
    this.#problem(run, failure)
    this.#deps.observer.became(run, 'parked', failure.code)
    this.#deps.write(lane, run, { state: runState.parked, holds: false, ...failure })
    return true
  }

  /** The run at the head of the lane that may be attempted, after those that came too late or were replaced have ended. */
  head(lane: Lane): Run | undefined {
    for (;;) {
      const run = lane.queue[0]
      if (!run || (!run.flow.sequence && !run.flow.latest)) return run
      const reason = run.flow.latest ? this.#replaced(lane, run) : this.#judged(lane, run)
      if (reason === undefined) return run
      if (reason === 'deferred') return undefined
      lane.queue.shift()
      this.#deps.write(lane, run, { state: runState.superseded, reason })
    }
  }

  /** A run has been dealt with: its number is behind it. */
  passed(lane: Lane, run: Run): void {
    if (run.number === null) return
    this.#moveTo(lane, { last: run.number, seq: run.event.seq })
  }

  #moveTo(lane: Lane, mark: SequenceMark): void {
    lane.mark = furthest(lane.mark, mark)
    this.#deps.flusher.sequence({ key: lane.key, ...mark })
  }

  /** Why the head ends unapplied; undefined: it does not. */
  #judged(lane: Lane, run: Run): string | undefined {
    const { sequence } = run.flow
    // What has begun was in its place then; what a person retries later is that person's choice.
    if (!sequence || run.number === null || isUnderWay(run) || hasBegun(run)) return undefined
    const { number, event } = run
    const place = placeInSequence({ number, seq: event.seq }, lane.mark, sequence.start)
    if (place.kind === 'next') return undefined
    if (place.kind === 'stale') return place.reason
    const missing = missingWords(place.missing, number)
    if (!run.gapOver)
      this.#deps.defer(lane, {
        state: runState.waiting,
        awaits: 'gap',
        system: noSystem,
        nextInMs: sequence.gapTimeoutMs,
        reason: `waits for ${missing}, has ${number}`,
      })
    else this.#gapIsOver(lane, run, { missing, number })
    return 'deferred'
  }

  #gapIsOver(lane: Lane, run: Run, gap: { readonly missing: string; readonly number: number }): void {
    const { missing, number } = gap
    const goesOn = run.flow.sequence?.onGap === 'continue'
    const message = `${missing} did not come in time before ${number}`
    const failure = { code: 'sequence.gap', message }
    this.#problem(run, failure)
    if (goesOn) {
      // That it is passed over is committed before the run goes on: a crash must not let the missing one run after it.
      this.#moveTo(lane, { last: number - 1, seq: 0 })
      // It belongs to the problem until it has ended.
      this.#deps.defer(lane, { state: runState.waiting, reason: `goes on without ${missing}`, ...failure })
    } else {
      this.#deps.observer.became(run, 'parked', failure.code)
      this.#deps.defer(lane, { state: runState.parked, awaits: 'gap', system: noSystem, ...failure })
    }
  }

  #problem(run: Run, failure: { readonly code: string; readonly message: string }): void {
    this.#deps.flusher.problem(problemRow(systemOf(run.steps[0] as StepRun), failure))
  }

  #replaced(lane: Lane, run: Run): string | undefined {
    const newer = lane.queue.findLast((other) => isNewer(other, run))
    return newer && this.#mayReplace(run) ? replacedWords(newer) : undefined
  }

  /** What waits in memory for its turn, the head included as long as it has not begun. */
  #replace(lane: Lane, newer: Run): void {
    const replaced = lane.queue.filter((run) => isNewer(newer, run) && this.#mayReplace(run))
    for (const run of replaced) {
      lane.queue.splice(lane.queue.indexOf(run), 1)
      this.#deps.write(lane, run, { state: runState.superseded, reason: replacedWords(newer) })
    }
  }

  #mayReplace(run: Run): boolean {
    const { latest, single } = run.flow
    const [step] = run.steps
    if (!latest || !step) return false
    return givesWay(
      {
        underWay: isUnderWay(run),
        begun: !single && hasBegun(run),
        wanted: run.gen > 0 || run.compensating,
        maybeAt: single ? step.maybeAt : (run.steps.find(({ maybeAt }) => maybeAt !== null)?.maybeAt ?? null),
      },
      latest.settleMs,
      this.#deps.clock.now(),
    )
  }
}

/** What a run at a gap waits for is no system: it is due, or given up, even while its own is cut off. */
const noSystem = 0

/** An echo, or what may turn out to be one, tells of what is there already: what waits before it is still to be done. */
function isNewer(other: Run, run: Run): boolean {
  return !other.echo && other.flow === run.flow && other.gen === 0 && other.event.seq > run.event.seq
}

function replacedWords(newer: Run): string {
  return `a newer snapshot, seq ${newer.event.seq}, took its place`
}

/** Something of it is on its way, or in a short pause: a call in a gate's queue has not begun. */
function isUnderWay({ steps, writes }: Run): boolean {
  return writes > 0 || steps.some(({ place }) => place === 'active' || place === 'paused')
}

/** The order of a lane: by place, then by the log, then by the flows' order in the configuration. */
export function isBefore(one: Run, other: Run): boolean {
  return (one.lord - other.lord || one.event.seq - other.event.seq || one.flow.ord - other.flow.ord) < 0
}
