import type { Clock } from '../../src/engine/clock.ts'
import { BusbarError } from '../../src/errors.ts'
import type {
  Cluster,
  EventLog,
  Journal,
  OwnerJournal,
  SequenceJournal,
  StatsJournal,
  SystemsJournal,
} from '../../src/journal/port.ts'
import type { ParkedRuns } from '../../src/journal/port-parked.ts'
import type { PartitionsJournal } from '../../src/journal/port-partitions.ts'
import type { LinksJournal } from '../../src/journal/port-links.ts'
import type { EchoJournal } from '../../src/journal/port-echoes.ts'
import type { JournalSnapshot } from '../../src/testing/journal-snapshot.ts'
import type { RunActResult } from '../../src/testing/journal-under-test.ts'
import type { MemoryAct } from './memory-acts.ts'
import { actOnRun, setPaused } from './memory-acts.ts'
import { memoryCluster } from './memory-cluster.ts'
import { memoryLinks } from './memory-links.ts'
import { memoryEchoes } from './memory-echoes.ts'
import { memoryLog } from './memory-log.ts'
import { memoryOwner } from './memory-owner.ts'
import { memorySequences } from './memory-sequences.ts'
import { memoryParked } from './memory-parked.ts'
import { memoryPartitions } from './memory-partitions.ts'
import type { MemoryStepAct } from './memory-step-acts.ts'
import { actOnStep } from './memory-step-acts.ts'
import { memorySnapshot } from './memory-snapshot.ts'
import type { MemoryStore } from './memory-store.ts'
import { memorySystems } from './memory-systems.ts'

/**
 * One worker's journal over a store that it shares with others in this process, by the clock given: a model of the SQL
 * one, for simulations. A call takes effect at once, before its promise is returned, and none fails by itself: delays,
 * lost answers and outages are wrapped around it. After `close` every call rejects with `journal.unavailable`.
 */
export class MemoryJournal implements Journal {
  readonly #store: MemoryStore
  readonly #clock: Clock
  readonly #worker: string
  readonly #role: EventLog &
    OwnerJournal &
    SequenceJournal &
    ParkedRuns &
    Cluster &
    PartitionsJournal &
    SystemsJournal &
    StatsJournal &
    LinksJournal &
    EchoJournal
  #closed = false

  constructor(store: MemoryStore, clock: Clock, worker: string) {
    const now = () => clock.now()
    this.#store = store
    this.#clock = clock
    this.#worker = worker
    this.#role = {
      ...memoryLog(store, now),
      ...memoryOwner(store, now),
      ...memorySequences(store),
      ...memoryParked(store, now),
      ...memoryCluster(store, now),
      ...memoryPartitions(store, now),
      ...memorySystems(store, now),
      ...memoryLinks(store, now),
      ...memoryEchoes(store, now),
    }
  }

  append: Journal['append'] = async (events) => this.#open.append(events)
  head: Journal['head'] = async () => this.#open.head()
  read: Journal['read'] = async (window) => this.#open.read(window)
  firstOf: Journal['firstOf'] = async (query) => this.#open.firstOf(query)
  get: Journal['get'] = async (seqs) => this.#open.get(seqs)

  flush: Journal['flush'] = async (flush) => this.#open.flush(flush)
  flushAll: Journal['flushAll'] = async (flushes) => this.#open.flushAll(flushes)
  slowKeys: Journal['slowKeys'] = async (group, keys) => this.#open.slowKeys(group, keys)
  hasSlowLanes: Journal['hasSlowLanes'] = async (group) => this.#open.hasSlowLanes(group)
  existing: Journal['existing'] = async (flows, after, upTo) => this.#open.existing(flows, after, upTo)
  stepsWithoutRun: Journal['stepsWithoutRun'] = async (flows, after, upTo) =>
    this.#open.stepsWithoutRun(flows, after, upTo)
  due: Journal['due'] = async (query) => this.#open.due(query)
  claim: Journal['claim'] = async (claim) => this.#open.claim(claim)
  mark: Journal['mark'] = async (mark) => this.#open.mark(mark)
  wakeParked: Journal['wakeParked'] = async (lease) => this.#open.wakeParked(lease)

  sequences: Journal['sequences'] = async (group, keys) => this.#open.sequences(group, keys)

  registerFlows: Journal['registerFlows'] = async (flows) => this.#open.registerFlows(flows)
  registerSystems: Journal['registerSystems'] = async (systems) => this.#open.registerSystems(systems)
  join: Journal['join'] = async (worker, leaseMs) => this.#open.join(worker, leaseMs)
  heartbeat: Journal['heartbeat'] = async (worker, leaseMs, state) =>
    this.#open.heartbeat(worker, leaseMs, state)
  leave: Journal['leave'] = async (worker) => this.#open.leave(worker)
  groups: Journal['groups'] = async () => this.#open.groups()
  acquire: Journal['acquire'] = async (...args) => this.#open.acquire(...args)
  release: Journal['release'] = async (worker, lease) => this.#open.release(worker, lease)
  takeover: Journal['takeover'] = async (deadWorker) => this.#open.takeover(deadWorker)
  flowVersions: Journal['flowVersions'] = async () => this.#open.flowVersions()
  serve: Journal['serve'] = async (worker, groups) => this.#open.serve(worker, groups)
  servers: Journal['servers'] = async () => this.#open.servers()
  repartition: Journal['repartition'] = async (group) => this.#open.repartition(group)

  states: Journal['states'] = async () => this.#open.states()
  reserveRate: Journal['reserveRate'] = async (ask) => this.#open.reserveRate(ask)
  permits: Journal['permits'] = async (ask) => this.#open.permits(ask)
  openBreaker: Journal['openBreaker'] = async (open) => this.#open.openBreaker(open)
  tryProbe: Journal['tryProbe'] = async (probe) => this.#open.tryProbe(probe)
  closeBreaker: Journal['closeBreaker'] = async (system, worker) => this.#open.closeBreaker(system, worker)
  throttle: Journal['throttle'] = async (system, forMs) => this.#open.throttle(system, forMs)
  writeStats: Journal['writeStats'] = async (worker, rows) => this.#open.writeStats(worker, rows)

  externalIds: Journal['externalIds'] = async (names) => this.#open.externalIds(names)
  canonicalIds: Journal['canonicalIds'] = async (names) => this.#open.canonicalIds(names)
  releaseLinked: Journal['releaseLinked'] = async (ask) => this.#open.releaseLinked(ask)
  tidyLinkWaits: Journal['tidyLinkWaits'] = async (ask) => this.#open.tidyLinkWaits(ask)
  /** The model knows no replays. */
  runningReplays: Journal['runningReplays'] = async () => []
  feedReplay: Journal['feedReplay'] = async () => []
  registerWrites: Journal['registerWrites'] = async (writes) => this.#open.registerWrites(writes)
  settleWrites: Journal['settleWrites'] = async (outcomes) => this.#open.settleWrites(outcomes)
  echoFacts: Journal['echoFacts'] = async (query) => this.#open.echoFacts(query)
  decideEchoes: Journal['decideEchoes'] = async (decisions) => this.#open.decideEchoes(decisions)
  sweepWrites: Journal['sweepWrites'] = async (sweep) => this.#open.sweepWrites(sweep)

  /** What a person does to a run. */
  async act(act: MemoryAct): Promise<RunActResult> {
    return actOnRun(this.#store, act, this.#clock.now())
  }

  /** What a person does to one step of a run. */
  async actOnStep(act: MemoryStepAct): Promise<string> {
    return actOnStep(this.#store, act, this.#clock.now())
  }

  /** Pauses or resumes a system or a lane group; whether there is one of that name. */
  async pause(kind: 'system' | 'group', name: string, paused: boolean): Promise<boolean> {
    return setPaused(this.#store, { kind, name, paused })
  }

  /** All that the store holds now, as plain data. It looks at every row: not for each step of a simulation. */
  snapshot(): JournalSnapshot {
    return memorySnapshot(this.#store, this.#clock.now())
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  get #open() {
    if (this.#closed) throw new BusbarError('journal.unavailable', `the journal of ${this.#worker} is closed`)
    return this.#role
  }
}
