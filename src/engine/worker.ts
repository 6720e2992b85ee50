import type { Flow } from '../define/flow.ts'
import { callsOf } from '../define/flow-builder.ts'
import type { Connector, System } from '../define/system.ts'
import type { Strangers, VersionsJournal } from '../journal/port-versions.ts'
import type { GroupLease, GroupState, Journal } from '../journal/port.ts'
import type { Breaker } from './breaker.ts'
import type { Cancel, Clock, Random } from './clock.ts'
import { echoContracts, echoWindowMs, flowsThatSkip } from './echo-judge.ts'
import { SystemGate } from './gate.ts'
import type { GroupDeps } from './group.ts'
import { Group } from './group.ts'
import type { EngineObserver } from './attempts.ts'
import { HandOvers } from './hand-overs.ts'
import { LeaseClock } from './lease.ts'
import type { Stretch } from './log-reader.ts'
import { LogTail } from './log-reader.ts'
import { flowRuntimes, registrations } from './registration.ts'
import { Replays } from './replays.ts'
import type { FlowRuntime } from './run.ts'
import { shareOut } from './share-out.ts'

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
  readonly clock: Clock
  readonly random: Random
  readonly observer: EngineObserver
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
/** For running attempts, when a group goes to others for good. */
const giveUpMs = 25_000
/** While partitions are about to come, they are looked for so often, and after a while less often. */
const lookSoonMs = 250
const lookMs = 500
const soonForMs = 10_000
/** In leases: what has been free for so long is taken, whoever was to have it. */
const strandedLeases = 4

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
  readonly #partitions: ReadonlyMap<string, number>
  readonly #handOvers: HandOvers
  /** Partitions that are given up for good. */
  readonly #leaving = new Map<string, Promise<void>>()
  /** Since when partitions have been seen free. */
  #freeSince = new Map<string, number>()
  /** What this worker has said that it would own partitions of. */
  #served: string | undefined
  #lookingSince: number | undefined
  readonly #outdated = new Set<string>()
  /** Lane groups with a flow that a worker runs which started later, and this one does not have. */
  #foreign: ReadonlySet<string> = new Set()
  #timers: { heartbeat: Cancel | undefined; systems: Cancel | undefined; look: Cancel | undefined } = {
    heartbeat: undefined,
    systems: undefined,
    look: undefined,
  }
  #assigning: Promise<void> | undefined
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
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
    })
    this.#partitions = new Map(deps.flows.map(({ lane, partitions }) => [lane, partitions]))
    this.#handOvers = new HandOvers({
      clock: deps.clock,
      release: (name) => this.#release(name, giveUpMs),
      onEnded: () => this.#reassign(),
    })
    this.#replays = new Replays({ ...deps, groups: () => this.#groups.values() })
  }

  /** Registers systems and flows, joins the cluster, and begins to own lane groups. */
  start(): Promise<void> {
    return (this.#starting ??= this.#start())
  }

  async #start(): Promise<void> {
    const { journal, id, flows } = this.#deps
    await this.#connect()
    this.#flows = flowRuntimes(flows, await journal.registerFlows(registrations(flows)), (flow) =>
      this.#wires(flow),
    )
    const sent = this.#moment()
    await journal.join(id, this.#leaseMs)
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
    // Nobody leaves free partitions to one that ends.
    this.#deps.journal.serve(this.#deps.id, []).catch(this.#deps.onError)
    const staying = [...this.#groups.keys()].filter((name) => !this.#leaving.has(name))
    await Promise.all([
      ...this.#leaving.values(),
      ...staying.map((name) => this.#handOvers.settled(name).then(() => this.#release(name, graceMs))),
    ])
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
    this.#timers.look?.()
    this.#replays.stop()
  }

  /** While attempts end, the lease must not. */
  #keepAlive(): Cancel {
    const { journal, id, clock, onError } = this.#deps
    let cancel: Cancel = () => undefined
    const beat = () => {
      const sent = this.#moment()
      journal
        .heartbeat(id, this.#leaseMs)
        .then((answer) => answer === 'dead' || this.#lease.confirmed(sent), onError)
      cancel = clock.timer(this.#leaseMs / heartbeatsPerLease, beat)
    }
    beat()
    return () => cancel()
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
    this.#reassign()
  }

  #reassign(): void {
    if (this.#state !== 'running') return
    this.#assigning ??= this.#assign().finally(() => (this.#assigning = undefined))
  }

  /** Looks again soon: partitions are about to come, from another worker or as others than they were. */
  #lookSoon(isWanted: boolean): void {
    const { clock } = this.#deps
    this.#lookingSince = isWanted ? (this.#lookingSince ?? clock.monotonic()) : undefined
    if (this.#lookingSince === undefined || this.#state !== 'running') return
    this.#timers.look?.()
    const ms = clock.monotonic() - this.#lookingSince < soonForMs ? lookSoonMs : lookMs
    this.#timers.look = clock.timer(ms, () => this.#reassign())
  }

  async #beatOnce(): Promise<void> {
    const { journal, id, onError, onDead } = this.#deps
    try {
      const held = this.#lease.holds()
      const sent = this.#moment()
      const answer = await journal.heartbeat(id, this.#leaseMs)
      // One that has left is not known any more either.
      if (answer === 'dead') return this.#state === 'running' ? onDead() : undefined
      this.#lease.confirmed(sent)
      if (!held) for (const group of this.#groups.values()) group.leaseRenewed()
      for (const gate of this.#gates.values()) gate.rebalance()
      for (const dead of answer.expiredWorkers) await journal.takeover(dead)
    } catch (error) {
      onError(error)
    }
  }

  /** Takes its share of the free partitions, gives up what others are to have, follows pauses and newer registrations. */
  async #assign(): Promise<void> {
    try {
      // Before it is asked: one that is handed back meanwhile is still shown as ours.
      const held = new Set([...this.#groups.keys(), ...this.#leaving.keys(), ...this.#handOvers.names])
      await this.#assignGroups(await this.#deps.journal.groups(), held)
    } catch (error) {
      this.#deps.onError(error)
    }
  }

  async #assignGroups(before: readonly GroupState[], held: ReadonlySet<string>): Promise<void> {
    const { journal, id } = this.#deps
    const versions = await journal.flowVersions()
    this.#noteOutdated(versions)
    await this.#noteForeign(versions)
    const mine = this.#servedOf(before)
    await this.#serve(mine)
    this.#follow(before, mine)
    const states = (await this.#repartition(before, mine)) ? await journal.groups() : before
    const servers = await journal.servers()
    const { take, give, receives } = shareOut({ me: id, states, servers, mine })
    const stranded = this.#stranded(states, mine)
    for (const state of states) {
      if (this.#state !== 'running' || held.has(nameOf(state))) continue
      if (state.owner === null && (take.includes(state) || stranded.includes(state)))
        await this.#acquire(state)
      else if (state.owner === id) await this.#handBack(state)
    }
    if (this.#state !== 'running') return
    const staying = new Map([...this.#groups].filter(([name]) => !this.#leaving.has(name)))
    this.#handOvers.begin(give, staying, (to, group) => servers.get(to)?.includes(group) ?? true)
    this.#lookSoon(receives || states.some((state) => mine.has(state.group) && state.parts !== state.wanted))
  }

  /** The lane groups that this worker may own: no newer deployment knows more of them, nor wants other partitions. */
  #servedOf(states: readonly GroupState[]): ReadonlySet<string> {
    return new Set(
      states
        .filter(({ group, wanted }) => this.#partitions.get(group) === wanted && !this.#isOutdated(group))
        .map(({ group }) => group),
    )
  }

  async #serve(mine: ReadonlySet<string>): Promise<void> {
    const said = JSON.stringify([...mine])
    if (said === this.#served) return
    await this.#deps.journal.serve(this.#deps.id, [...mine])
    this.#served = said
  }

  /** Pauses, and partitions that go to a newer deployment or become others. */
  #follow(states: readonly GroupState[], mine: ReadonlySet<string>): void {
    for (const state of states) {
      const group = this.#groups.get(nameOf(state))
      if (group) group.paused = state.paused
    }
    const wanted = new Map(states.map((state) => [state.group, state.wanted]))
    for (const [name, { lease }] of this.#groups)
      if (!mine.has(lease.group) || wanted.get(lease.group) !== lease.parts) this.#letGo(name)
  }

  #letGo(name: string): void {
    if (this.#leaving.has(name)) return
    const left = this.#handOvers
      .settled(name)
      .then(() => this.#release(name, giveUpMs))
      .catch(this.#deps.onError)
      .then(() => {
        this.#leaving.delete(name)
        this.#reassign()
      })
    this.#leaving.set(name, left)
  }

  /** Whether the partitions of some group are others now. */
  async #repartition(states: readonly GroupState[], mine: ReadonlySet<string>): Promise<boolean> {
    const groups = new Set(
      states
        .filter(({ group, parts, wanted }) => mine.has(group) && parts !== wanted)
        .map(({ group }) => group),
    )
    let changed = false
    for (const group of groups) {
      if (states.some((state) => state.group === group && state.owner !== null)) continue
      changed = (await this.#deps.journal.repartition(group)) || changed
    }
    return changed
  }

  /** Partitions that nobody has taken for long: whoever was to have them lives, but does not. */
  #stranded(states: readonly GroupState[], mine: ReadonlySet<string>): readonly GroupState[] {
    const now = this.#deps.clock.monotonic()
    const free = states.filter(({ group, owner }) => owner === null && mine.has(group))
    this.#freeSince = new Map(free.map((state) => [nameOf(state), this.#freeSince.get(nameOf(state)) ?? now]))
    const longMs = strandedLeases * this.#leaseMs
    return free.filter((state) => now - (this.#freeSince.get(nameOf(state)) ?? now) > longMs)
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
    const strangers = lease && (await this.#adopt(lease))
    if (!strangers) return
    const group = this.#newGroup({ lease, strangers, headAtStart: await journal.head() })
    group.paused = state.paused
    this.#groups.set(nameOf(lease), group)
    group.start()
    onOwnership?.(lease.group, true)
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
    const { clock, random, journal, hub, id, observer, onError, onOwnership } = this.#deps
    const groups = [...this.#partitions.values()].reduce((sum, partitions) => sum + partitions, 0)
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
