import type { Flow } from '../define/flow.ts'
import { callsOf } from '../define/flow-builder.ts'
import type { Connector, System } from '../define/system.ts'
import type { TransportConnection } from '../define/transport.ts'
import type { Strangers, VersionsJournal } from '../journal/port-versions.ts'
import type { GroupLease, GroupState, Journal, WorkerFacts } from '../journal/port.ts'
import type { Breaker } from './breaker.ts'
import type { Cancel, Clock, Random } from './clock.ts'
import { echoContracts, echoWindowMs, flowsThatSkip } from './echo-judge.ts'
import { SystemGate } from './gate.ts'
import type { GroupDeps } from './group.ts'
import { Group } from './group.ts'
import type { EngineObserver } from './attempts.ts'
import { LeaseClock } from './lease.ts'
import type { Stretch } from './log-reader.ts'
import { LogTail } from './log-reader.ts'
import { flowRuntimes, registrations } from './registration.ts'
import { Replays } from './replays.ts'
import type { FlowRuntime } from './run.ts'

/** What a worker needs. */
export interface WorkerDeps {
  /** Unique, new at each start. */
  readonly id: string
  readonly hub: string
  readonly flows: readonly Flow[]
  /** Names whose values must not enter the record, beside the built-in ones. */
  readonly redact?: readonly string[]
  readonly journal: Journal
  /** Without it nothing is known of other versions of the flows: for worlds in which there are none. */
  readonly versions?: VersionsJournal
  /** Carries events to the owners of lane groups; without it they read the log themselves. */
  readonly transport?: Pick<TransportConnection, 'carry'>
  readonly clock: Clock
  readonly random: Random
  readonly observer: EngineObserver
  /** What people are told of this process. */
  readonly facts?: WorkerFacts
  /** Default 6 s. */
  readonly leaseMs?: number
  /** Payload held in memory by all groups together; default 64 MiB. */
  readonly maxBytes?: number
  /** This worker was declared dead: it must end and start again as another. */
  readonly onDead: () => void
  readonly onError: (error: unknown) => void
  readonly onBreaker?: (system: string, kind: Breaker['kind'], reason: string | undefined) => void
  readonly onOwnership?: (group: string, owned: boolean) => void
}

const heartbeatsPerLease = 4
/** How long a new owner stays careful, in leases: 30 s by default. */
const carefulLeases = 5
const systemPollMs = 1_000

/**
 * One worker: keeps its lease, owns its share of the lane groups, takes over what dead workers leave. `stop` hands
 * everything over cleanly; after `onDead` only `abandon` is allowed.
 */
export class Worker {
  readonly #deps: WorkerDeps
  readonly #leaseMs: number
  readonly #lease: LeaseClock
  readonly #tail: LogTail
  readonly #replays: Replays
  readonly #groups = new Map<string, Group>()
  readonly #gates = new Map<string, SystemGate>()
  readonly #connectors = new Map<string, Connector<unknown>>()
  #flows: readonly FlowRuntime[] = []
  readonly #outdated = new Set<string>()
  /** Lane groups with a flow that a worker runs which started later, and this one does not have. */
  #foreign: ReadonlySet<string> = new Set()
  #timers: { heartbeat: Cancel | undefined; systems: Cancel | undefined } = {
    heartbeat: undefined,
    systems: undefined,
  }
  #assigning: Promise<void> | undefined
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #liveWorkers = 1
  #state: 'new' | 'running' | 'stopping' | 'ended' = 'new'

  constructor(deps: WorkerDeps) {
    this.#deps = deps
    this.#leaseMs = deps.leaseMs ?? 6_000
    this.#lease = new LeaseClock(deps.clock, this.#leaseMs)
    this.#tail = new LogTail({
      log: deps.journal,
      clock: deps.clock,
      onMove: () => {
        for (const group of this.#groups.values()) group.logMoved()
      },
      onError: deps.onError,
      patient: () => this.#groups.size > 0 && [...this.#groups.values()].every((group) => group.isCarried),
    })
    this.#replays = new Replays({ ...deps, groups: () => this.#groups.values() })
  }

  /** Registers systems and flows, joins the cluster, and begins to own lane groups. */
  start(): Promise<void> {
    return (this.#starting ??= this.#start())
  }

  async #start(): Promise<void> {
    const { journal, id, flows, facts } = this.#deps
    await this.#connect()
    this.#flows = flowRuntimes(flows, await journal.registerFlows(registrations(flows)), (flow) =>
      this.#wires(flow),
    )
    const sent = this.#moment()
    const versions = Object.fromEntries(this.#flows.map((flow) => [flow.name, flow.version]))
    await journal.join(id, this.#leaseMs, facts && { ...facts, versions })
    await this.#deps.versions?.runsFlows(
      id,
      this.#flows.map((flow) => flow.id),
    )
    if (this.#state !== 'new') return
    this.#lease.confirmed(sent)
    this.#state = 'running'
    await this.#updateSystems()
    this.#tail.start()
    await this.#beat()
    this.#replays.start()
    await this.#assigning
  }

  /** What this process's ingress has just appended; groups take it without reading it again. */
  appended(stretch: Stretch): void {
    this.#tail.appended(stretch)
  }

  get leaseHolds(): boolean {
    return this.#state === 'running' && this.#lease.holds()
  }

  get ownedGroups(): readonly string[] {
    return [...this.#groups.values()].map((group) => group.lease.group)
  }

  /** Attempts get `graceMs` to end; then everything is flushed and handed back. Safe to call twice. */
  stop(graceMs = 25_000): Promise<void> {
    return (this.#stopping ??= this.#stop(graceMs))
  }

  async #stop(graceMs: number): Promise<void> {
    // A start under way has joined the cluster, or is about to.
    await this.#starting?.catch(() => undefined)
    if (this.#state !== 'running') return this.#end()
    this.#state = 'stopping'
    this.#cancelTimers()
    const keepAlive = this.#keepAlive()
    await this.#assigning
    await Promise.all([...this.#groups.keys()].map((name) => this.#release(name, graceMs)))
    keepAlive()
    await this.#deps.journal.leave(this.#deps.id).catch(this.#deps.onError)
    await this.#end()
  }

  /** Ends at once without a further write; what was under way is in doubt, and another worker takes over. */
  async abandon(): Promise<void> {
    this.#state = 'stopping'
    this.#cancelTimers()
    for (const group of this.#groups.values()) group.abandon()
    this.#groups.clear()
    await this.#end()
  }

  async #end(): Promise<void> {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#tail.stop()
    for (const gate of this.#gates.values()) gate.stop()
    await Promise.all([...this.#connectors.values()].map((connector) => connector.close()))
  }

  #cancelTimers(): void {
    this.#timers.heartbeat?.()
    this.#timers.systems?.()
    this.#replays.stop()
  }

  /** While attempts end, the lease must not; and the others take what is handed over without waiting for the rest. */
  #keepAlive(): Cancel {
    const { journal, id, clock, onError } = this.#deps
    let cancel: Cancel = () => undefined
    const beat = () => {
      const sent = this.#moment()
      for (const gate of this.#gates.values()) gate.rebalance() // permits that its last attempts do not need
      journal
        .heartbeat(id, this.#leaseMs, { draining: true, attempts: this.#attempts })
        .then((answer) => answer === 'dead' || this.#lease.confirmed(sent), onError)
      cancel = clock.timer(this.#leaseMs / heartbeatsPerLease, beat)
    }
    beat()
    return () => cancel()
  }

  get #attempts(): number {
    return [...this.#gates.values()].reduce((sum, gate) => sum + gate.inUse, 0)
  }

  #moment(): { monotonic: number; wall: number } {
    return { monotonic: this.#deps.clock.monotonic(), wall: this.#deps.clock.now() }
  }

  async #connect(): Promise<void> {
    const { journal, clock, flows, id, onError, onBreaker } = this.#deps
    const systems = new Map(flows.flatMap(callsOf).map(({ system }) => [system.name, system]))
    const ids = await journal.registerSystems(
      [...systems.values()].map(({ name, address }) => ({ name, address })),
    )
    for (const [name, system] of systems) {
      const { settings } = system
      this.#connectors.set(name, system.connect({ redact: this.#deps.redact ?? [] }))
      const observe = onBreaker && {
        onBreaker: (kind: Breaker['kind'], reason: string | undefined) => onBreaker(name, kind, reason),
      }
      this.#gates.set(
        name,
        new SystemGate({
          id: ids.get(name) ?? 0,
          name,
          settings,
          worker: id,
          journal,
          clock,
          onError,
          ...observe,
        }),
      )
    }
  }

  #wires(system: System): { gate: SystemGate; connector: Connector<unknown> } {
    return {
      gate: this.#gates.get(system.name) as SystemGate,
      connector: this.#connectors.get(system.name) as Connector<unknown>,
    }
  }

  async #updateSystems(): Promise<void> {
    try {
      for (const state of await this.#deps.journal.states()) this.#gates.get(state.name)?.update(state)
    } catch (error) {
      this.#deps.onError(error)
    }
    if (this.#state === 'running')
      this.#timers.systems = this.#deps.clock.timer(systemPollMs, () => void this.#updateSystems())
  }

  /** Heartbeats never wait for the handing over of groups, which may take as long as an attempt. */
  async #beat(): Promise<void> {
    await this.#beatOnce()
    if (this.#state !== 'running') return
    this.#timers.heartbeat = this.#deps.clock.timer(
      this.#leaseMs / heartbeatsPerLease,
      () => void this.#beat(),
    )
    this.#assigning ??= this.#assign().finally(() => (this.#assigning = undefined))
  }

  async #beatOnce(): Promise<void> {
    const { journal, id, onError, onDead } = this.#deps
    try {
      const held = this.#lease.holds()
      const sent = this.#moment()
      const answer = await journal.heartbeat(id, this.#leaseMs, {
        draining: false,
        attempts: this.#attempts,
      })
      // One that has left is not known any more either.
      if (answer === 'dead') return this.#state === 'running' ? onDead() : undefined
      this.#lease.confirmed(sent)
      if (!held) for (const group of this.#groups.values()) group.leaseRenewed()
      for (const gate of this.#gates.values()) gate.rebalance()
      for (const dead of answer.expiredWorkers) await journal.takeover(dead)
      this.#liveWorkers = answer.liveWorkers.length
    } catch (error) {
      onError(error)
    }
  }

  /** Takes free groups up to a fair share, gives surplus back, follows pauses and newer registrations. */
  async #assign(): Promise<void> {
    try {
      await this.#assignGroups(await this.#deps.journal.groups())
    } catch (error) {
      this.#deps.onError(error)
    }
  }

  async #assignGroups(states: readonly GroupState[]): Promise<void> {
    const held = new Set(this.#groups.keys())
    const versions = await this.#deps.journal.flowVersions()
    this.#noteOutdated(versions)
    await this.#noteForeign(versions)
    const mine = states.filter(
      (state) => this.#flows.some((flow) => flow.group === state.group) && !this.#isOutdated(state.group),
    )
    const share = Math.ceil(mine.length / Math.max(1, this.#liveWorkers))
    for (const state of states) {
      const group = this.#groups.get(nameOf(state))
      if (group) group.paused = state.paused
    }
    for (const group of [...this.#groups.values()])
      if (this.#isOutdated(group.lease.group)) await this.#release(nameOf(group.lease), 25_000)
    const surplus = this.#groups.size - share
    for (const name of [...this.#groups.keys()].slice(0, Math.max(0, surplus)))
      await this.#release(name, 25_000)
    for (const state of states) {
      if (this.#state !== 'running' || held.has(nameOf(state))) continue
      const mayTake = mine.includes(state) && this.#groups.size < share
      if (mayTake && (state.owner === null || state.owner === this.#deps.id)) await this.#acquire(state)
      else if (state.owner === this.#deps.id) await this.#handBack(state)
    }
  }

  /** The answer to an acquire, or a release, got lost: it is ours in the journal alone, and nobody else could take it. */
  async #handBack({ group, part }: GroupState): Promise<void> {
    const { journal, id } = this.#deps
    const lease = await journal.acquire(id, group, part)
    if (lease) await journal.release(id, lease)
  }

  #isOutdated(group: string): boolean {
    return this.#outdated.has(group) || this.#foreign.has(group)
  }

  /** A flow of the group was registered in a newer version. */
  #noteOutdated(versions: ReadonlyMap<number, number>): void {
    for (const flow of this.#flows)
      if ((versions.get(flow.id) ?? 0) > flow.version) this.#outdated.add(flow.group)
  }

  /** One that this deployment does not know joined it. Asked only where there is any. */
  async #noteForeign(versions: ReadonlyMap<number, number>): Promise<void> {
    const { id, versions: journal } = this.#deps
    const own = this.#flows.map((flow) => flow.id)
    const isAlone = [...versions.keys()].every((flow) => own.includes(flow))
    this.#foreign = new Set(isAlone ? [] : await journal?.foreignGroups(id, own))
  }

  async #acquire(state: GroupState): Promise<void> {
    const { journal, id, onOwnership } = this.#deps
    const lease = await journal.acquire(id, state.group, state.part)
    const group = lease && (await this.#prepare(lease))
    if (!group) return
    group.paused = state.paused
    this.#groups.set(nameOf(lease), group)
    group.start()
    onOwnership?.(lease.group, true)
  }

  /** Its owner in memory. Where that fails the group is given back: as the journal's alone, nobody would run it. */
  async #prepare(lease: GroupLease): Promise<Group | undefined> {
    const { journal, id } = this.#deps
    try {
      const strangers = await this.#adopt(lease)
      return strangers && this.#newGroup({ lease, strangers, headAtStart: await journal.head() })
    } catch (error) {
      await journal.release(id, lease).catch(this.#deps.onError)
      throw error
    }
  }

  /** What its rows may speak of that is not here; undefined, and the group given back, where it is for others to run it. */
  async #adopt(lease: GroupLease): Promise<Strangers | undefined> {
    const { journal, versions, id } = this.#deps
    if (!versions) return { flows: new Map(), systems: [] }
    const { group, part, epoch } = lease
    const flows = this.#flows.map((flow) => ({ id: flow.id, version: flow.version }))
    if ((await versions.adoptFlows({ group, part, epoch, flows })) === 'outdated') {
      await journal.release(id, lease)
      return undefined
    }
    return versions.strangers(
      group,
      flows.map((flow) => flow.id),
    )
  }

  #newGroup(own: Pick<GroupDeps, 'lease' | 'strangers' | 'headAtStart'>): Group {
    const { lease } = own
    const { clock, random, journal, transport, hub, id, observer, onError, onOwnership } = this.#deps
    const groups = new Set(this.#flows.map((flow) => flow.group)).size
    const flows = this.#flows.filter((flow) => flow.group === lease.group && lease.positions.has(flow.id))
    return new Group({
      hub,
      worker: id,
      ...own,
      carefulMs: carefulLeases * this.#leaseMs,
      leaseMs: this.#leaseMs,
      flows,
      echoes: {
        contracts: echoContracts(flows, this.#flows),
        flows: flowsThatSkip(this.#flows),
        windowMs: (system) => echoWindowMs(system, this.#flows),
      },
      journal,
      ...(transport && { transport }),
      tail: this.#tail,
      clock,
      random,
      observer,
      leaseHolds: this.#lease.holds,
      checkLease: this.#lease.check,
      maxBytes: Math.max(1_048_576, Math.floor((this.#deps.maxBytes ?? 64 * 1_048_576) / groups)),
      onLost: () => {
        this.#groups.delete(nameOf(lease))
        onOwnership?.(lease.group, false)
      },
      onError,
    })
  }

  async #release(name: string, graceMs: number): Promise<void> {
    const { onDead } = this.#deps
    const group = this.#groups.get(name)
    if (!group) return
    const written = await group.stop(graceMs)
    this.#groups.delete(name)
    // Not handed back, it is taken over when the lease has run out. That needs this worker to end.
    if (!written) return this.#state === 'running' ? onDead() : undefined
    await this.#deps.journal.release(this.#deps.id, group.lease).catch(this.#deps.onError)
    this.#deps.onOwnership?.(group.lease.group, false)
  }
}

function nameOf({ group, part }: { readonly group: string; readonly part: number }): string {
  return `${group}/${part}`
}
