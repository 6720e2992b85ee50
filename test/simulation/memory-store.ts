import type {
  AttemptRow,
  Awaits,
  KnownStep,
  ProblemRow,
  StoredEvent,
  SystemState,
} from '../../src/journal/port.ts'
import { runState } from '../../src/journal/port.ts'
import type { MemorySequence } from './memory-sequences.ts'
import { releaseGaps } from './memory-sequences.ts'
import type { JournalSnapshot } from '../../src/testing/journal-snapshot.ts'
import { MemoryLinks } from './memory-links.ts'
import type { MemoryVerdict, MemoryWrite } from './memory-echoes.ts'

/** A run's row, as the table `runs` has it. Group, key and what follows are null for a plain success. */
export interface MemoryRun {
  readonly flow: number
  readonly seq: number
  readonly gen: number
  readonly group: string | null
  readonly key: string | null
  readonly khash: number | null
  lord: number | null
  readonly ord: number | null
  state: number
  system: number
  holds: boolean
  phase: number
  tries: number
  attempts: number
  throttles: number
  conflicts: number
  crashes: number
  firstAt: number | null
  endedAt: number | null
  ms: number | null
  status: number | null
  /** When its owner took it last. */
  claimedAt: number | null
  maybeAt: number | null
  nextAt: number | null
  code: string | null
  message: string | null
  fp: string | null
  reason: string | null
  compensating: boolean
  awaits: Awaits | null
  echo: boolean
}

/** A step's row; when it is due stands in the place of how soon. */
export type MemoryStep = Omit<KnownStep, 'nextInMs'> & { readonly nextAt: number | null }

/** A lane: there while it has open runs that hold it. */
export interface MemoryLane {
  readonly key: string
  readonly khash: number
  system: number
  nextAt: number
  reason: string | null
  awaits: Awaits | null
  /** Open holding runs, in lane order. */
  readonly open: MemoryRun[]
}

export interface MemoryFlow {
  readonly id: number
  readonly name: string
  group: string
  ord: number
  version: number
  types: readonly string[]
  typeAfter: readonly number[]
  declaration: string
  ordering: string
  readonly fromSeq: number
  /** By partition. */
  readonly positions: Map<number, number>
  openRuns: number
}

export interface MemoryPart {
  readonly group: string
  readonly part: number
  readonly parts: number
  wanted: number
  owner: string | null
  epoch: number
  /** No flush, and no claim, with this number or a lower one lands any more. */
  flushFrom: number
  claimFrom: number
  claimedTo: number
  flushedAt: number
  suspectTo: number
  suspectSince: number | null
  suspectAt: number | null
  unclean: number
  paused: boolean
}

export interface MemoryGroup {
  parts: MemoryPart[]
  readonly lanes: Map<string, MemoryLane>
  /** Running runs by key: what keeps a lane from being due, and what a takeover frees. */
  readonly running: Map<string, Set<MemoryRun>>
}

export interface MemoryWorker {
  leaseUntil: number
  dead: boolean
  draining: boolean
  /** Lane groups that it would own partitions of; null: it has not said. */
  serves: readonly string[] | null
}

export interface MemorySystem {
  readonly id: number
  readonly name: string
  address: string
  paused: boolean
  breaker: SystemState['breaker']
  reason: string | null
  probeAt: number | null
  probeUntil: number | null
  throttledUntil: number
  /** Theoretical arrival time of the next request. */
  tat: number
  version: number
  readonly permits: Map<string, { n: number; waits: boolean; no: number }>
}

export interface MemoryProblem extends ProblemRow {
  lastSeen: number
  state: 'open' | 'acknowledged' | 'resolved' | 'ignored'
}

/**
 * The tables of a journal, shared by the `MemoryJournal`s of several workers in one process. Everything that a call
 * needs is found by a map: no call but a snapshot looks at all runs.
 */
export class MemoryStore {
  readonly events: StoredEvent[] = []
  readonly places = new Map<number, StoredEvent>()
  readonly identities = new Map<string, StoredEvent>()
  readonly refusals: JournalSnapshot['refusals'][number][] = []
  readonly flows: MemoryFlow[] = []
  readonly groups = new Map<string, MemoryGroup>()
  readonly workers = new Map<string, MemoryWorker>()
  readonly systems: MemorySystem[] = []
  /** By run, then by name. */
  readonly steps = new Map<string, Map<string, MemoryStep>>()
  readonly attempts = new Map<string, AttemptRow & { readonly worker: string }>()
  /** By group and key. */
  readonly sequences = new Map<string, MemorySequence>()
  readonly problems = new Map<string, MemoryProblem>()
  readonly audit: JournalSnapshot['audit'][number][] = []
  readonly links = new MemoryLinks()
  /** By what names the write. */
  readonly writes = new Map<string, MemoryWrite>()
  nextWrite = 1
  /** By seq. */
  readonly verdicts = new Map<number, MemoryVerdict>()
  readonly #runs = new Map<string, MemoryRun>()
  readonly #openByProblem = new Map<string, number>()

  get head(): number {
    return this.events.at(-1)?.seq ?? 0
  }

  /** Index of the first event behind this place. */
  indexAfter(seq: number): number {
    let low = 0
    let high = this.events.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.events[middle] as StoredEvent).seq <= seq) low = middle + 1
      else high = middle
    }
    return low
  }

  run(flow: number, seq: number, gen: number): MemoryRun | undefined {
    return this.#runs.get(`${flow}/${seq}/${gen}`)
  }

  runs(): IterableIterator<MemoryRun> {
    return this.#runs.values()
  }

  flow(id: number): MemoryFlow | undefined {
    return this.flows[id - 1]
  }

  system(id: number): MemorySystem | undefined {
    return this.systems[id - 1]
  }

  group(name: string): MemoryGroup {
    let group = this.groups.get(name)
    if (!group) this.groups.set(name, (group = { parts: [], lanes: new Map(), running: new Map() }))
    return group
  }

  part(group: string, part: number): MemoryPart | undefined {
    return this.groups.get(group)?.parts.find((each) => each.part === part)
  }

  /** What is known of a run's steps. */
  knownSteps(flow: number, seq: number, gen: number, now: number): KnownStep[] {
    const steps = this.steps.get(`${flow}/${seq}/${gen}`)?.values() ?? []
    return [...steps].map(({ nextAt, ...step }) => ({
      ...step,
      nextInMs: nextAt === null ? null : nextAt - now,
    }))
  }

  openRunsOf(fp: string): number {
    return this.#openByProblem.get(fp) ?? 0
  }

  insert(run: MemoryRun): void {
    this.#runs.set(`${run.flow}/${run.seq}/${run.gen}`, run)
    this.#index(run)
  }

  /** Changes a run and all that is kept about it. Its lane is settled afterwards, by `settle`. */
  change(run: MemoryRun, change: Partial<MemoryRun>): void {
    this.#unindex(run)
    Object.assign(run, change)
    this.#index(run)
  }

  /** After the runs of a lane have changed: it ends, or follows its head; see settle_lanes in 0003-owner.sql. */
  settle(group: string, key: string, now: number): void {
    releaseGaps(this, group, { key, now })
    const { lanes, running } = this.group(group)
    const lane = lanes.get(key)
    if (!lane) return
    const head = lane.open[0]
    if (!head) {
      lanes.delete(key)
      return
    }
    lane.system = head.system
    lane.reason = head.reason
    lane.awaits = head.awaits
    if (head.state === runState.running || running.has(key)) lane.nextAt = Infinity
    else if (head.awaits !== null) lane.nextAt = head.nextAt ?? Infinity
    else if (head.state === runState.parked) lane.nextAt = Infinity
    else lane.nextAt = head.state === runState.waiting ? Math.min(lane.nextAt, now) : (head.nextAt ?? now)
  }

  #index(run: MemoryRun): void {
    if (run.state >= runState.succeeded) return
    this.#count(run, 1)
    const { group: name, key } = run
    if (name === null || key === null) return
    const group = this.group(name)
    if (run.state === runState.running) {
      const runs = group.running.get(key)
      if (runs) runs.add(run)
      else group.running.set(key, new Set([run]))
    }
    if (!run.holds) return
    let lane = group.lanes.get(key)
    if (!lane) {
      lane = {
        key,
        khash: run.khash ?? 0,
        system: run.system,
        nextAt: Infinity,
        reason: null,
        awaits: null,
        open: [],
      }
      group.lanes.set(key, lane)
    }
    lane.open.splice(placeIn(lane.open, run), 0, run)
  }

  #unindex(run: MemoryRun): void {
    if (run.state >= runState.succeeded) return
    this.#count(run, -1)
    if (run.group === null || run.key === null) return
    const { lanes, running } = this.group(run.group)
    const runs = running.get(run.key)
    if (runs?.delete(run) && runs.size === 0) running.delete(run.key)
    const lane = run.holds ? lanes.get(run.key) : undefined
    if (lane) lane.open.splice(placeIn(lane.open, run), 1)
  }

  #count(run: MemoryRun, by: number): void {
    const flow = this.flow(run.flow)
    if (flow) flow.openRuns += by
    if (run.fp !== null) this.#openByProblem.set(run.fp, this.openRunsOf(run.fp) + by)
  }
}

/** Where a run is, or belongs, in its lane. */
function placeIn(open: readonly MemoryRun[], run: MemoryRun): number {
  let low = 0
  let high = open.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (before(open[middle] as MemoryRun, run)) low = middle + 1
    else high = middle
  }
  return low
}

function before(one: MemoryRun, other: MemoryRun): boolean {
  const order =
    (one.lord ?? 0) - (other.lord ?? 0) ||
    one.seq - other.seq ||
    (one.ord ?? 0) - (other.ord ?? 0) ||
    one.flow - other.flow ||
    one.gen - other.gen
  return order < 0
}
