import type { Strangers } from '../journal/port-versions.ts'
import type { GroupLease, GroupState } from '../journal/port.ts'
import type { Cancel } from './clock.ts'
import { echoContracts, echoWindowMs, flowsThatSkip } from './echo-judge.ts'
import type { GroupDeps } from './group.ts'
import { Group } from './group.ts'
import { HandOvers } from './hand-overs.ts'
import { JointFlush } from './joint-flush.ts'
import type { LeaseClock } from './lease.ts'
import type { LogTail } from './log-reader.ts'
import type { FlowRuntime } from './run.ts'
import { shareOut } from './share-out.ts'
import type { WorkerDeps } from './worker.ts'

/** What owning needs beside what its worker is given. */
export interface OwnershipDeps extends WorkerDeps {
  readonly leaseMs: number
  readonly lease: LeaseClock
  readonly tail: LogTail
  /** Whether the worker lives and is not being stopped. */
  readonly isRunning: () => boolean
  /** Registers its flows once more, so that their versions are the ones in force. */
  readonly registerAgain: () => Promise<void>
}

/** How long a new owner stays careful, in leases: 30 s by default. */
const carefulLeases = 5
/** For running attempts, when a group goes to others for good. */
const giveUpMs = 25_000
/** While partitions are about to come, they are looked for so often, and after a while less often. */
const lookSoonMs = 250
const lookMs = 500
const soonForMs = 10_000
/** In leases: what has been free for so long is taken, whoever was to have it. */
const strandedLeases = 4

/**
 * The partitions of lane groups that one worker owns: takes its share of them and gives up what others are to have.
 * `assign` is to be called at each heartbeat; while partitions are about to come it calls itself more often.
 */
export class Ownership {
  readonly #deps: OwnershipDeps
  readonly #groups = new Map<string, Group>()
  /** By lane group: how many partitions this deployment wants. */
  readonly #partitions: ReadonlyMap<string, number>
  readonly #handOvers: HandOvers
  readonly #flushes: JointFlush
  /** Partitions that are given up for good. */
  readonly #leaving = new Map<string, Promise<void>>()
  /** Since when partitions have been seen free. */
  #freeSince = new Map<string, number>()
  /** What this worker has said that it would own partitions of. */
  #served: string | undefined
  #lookingSince: number | undefined
  #cancelLook: Cancel | undefined
  readonly #outdated = new Set<string>()
  /** Since when nobody has run flows that are outdated here. */
  #unservedSince: number | undefined
  /** Lane groups with a flow that a worker runs which started later, and this one does not have. */
  #foreign: ReadonlySet<string> = new Set()
  #flows: readonly FlowRuntime[] = []
  #assigning: Promise<void> | undefined
  #abandoned = false

  constructor(deps: OwnershipDeps) {
    this.#deps = deps
    this.#partitions = new Map(deps.flows.map(({ lane, partitions }) => [lane, partitions]))
    this.#flushes = new JointFlush(deps.journal)
    this.#handOvers = new HandOvers({
      clock: deps.clock,
      release: (name) => this.#release(name, giveUpMs),
      onEnded: () => this.assign(),
    })
  }

  /** As they are registered. */
  set flows(flows: readonly FlowRuntime[]) {
    this.#flows = flows
  }

  get groups(): Iterable<Group> {
    return this.#groups.values()
  }

  /** Whether there is something, and all of it gets its events from a transport. */
  get isCarried(): boolean {
    return this.#groups.size > 0 && [...this.#groups.values()].every((group) => group.isCarried)
  }

  /** Looks what is to be taken and given up, unless it is doing so. */
  assign(): void {
    if (!this.#deps.isRunning()) return
    this.#assigning ??= this.#assign().finally(() => (this.#assigning = undefined))
  }

  /** Resolves when what `assign` has begun is done. */
  async assigned(): Promise<void> {
    await this.#assigning
  }

  /** Attempts get `graceMs` to end; then everything is flushed and handed back. The worker runs no more. */
  async stop(graceMs: number): Promise<void> {
    this.#cancelLook?.()
    await this.#assigning
    // Nobody leaves free partitions to one that ends.
    this.#deps.journal.serve(this.#deps.id, []).catch(this.#deps.onError)
    const staying = [...this.#groups.keys()].filter((name) => !this.#leaving.has(name))
    await Promise.all([
      ...this.#leaving.values(),
      ...staying.map((name) => this.#handOvers.settled(name).then(() => this.#release(name, graceMs))),
    ])
  }

  /** Ends all of them at once, without a further write. */
  abandon(): void {
    this.#abandoned = true
    this.#cancelLook?.()
    for (const group of this.#groups.values()) group.abandon()
    this.#groups.clear()
  }

  /** Looks again soon: partitions are about to come, from another worker or as others than they were. */
  #lookSoon(isWanted: boolean): void {
    const { clock } = this.#deps
    this.#lookingSince = isWanted ? (this.#lookingSince ?? clock.monotonic()) : undefined
    if (this.#lookingSince === undefined || !this.#deps.isRunning()) return
    this.#cancelLook?.()
    const ms = clock.monotonic() - this.#lookingSince < soonForMs ? lookSoonMs : lookMs
    this.#cancelLook = clock.timer(ms, () => this.assign())
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
    await this.#returnToForce()
    await this.#noteForeign(versions)
    const mine = this.#servedOf(before)
    await this.#serve(mine)
    this.#follow(before, mine)
    const states = (await this.#repartition(before, mine)) ? await journal.groups() : before
    const servers = await journal.servers()
    // What was said earlier may have landed later.
    if (JSON.stringify(servers.get(id)) !== this.#served) this.#served = undefined
    const { take, give, receives } = shareOut({ me: id, states, servers, mine })
    const stranded = this.#stranded(states, mine)
    for (const state of states) {
      if (!this.#deps.isRunning() || held.has(nameOf(state))) continue
      if (state.owner === null && (take.includes(state) || stranded.includes(state)))
        await this.#acquire(state)
      else if (state.owner === id) await this.#handBack(state)
    }
    if (!this.#deps.isRunning()) return
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
        this.assign()
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
    const longMs = strandedLeases * this.#deps.leaseMs
    return free.filter((state) => now - (this.#freeSince.get(nameOf(state)) ?? now) > longMs)
  }

  /** The answer to an acquire, or a release, got lost: it is ours in the journal alone, and nobody else could take it. */
  async #handBack({ group, part, epoch }: GroupState): Promise<void> {
    const { journal, id } = this.#deps
    const lease = await journal.acquire(id, group, part, epoch)
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

  /**
   * A deployment that registered later has gone, such as an old process that was started once more in the midst of a rolling
   * deploy: nobody would run these flows any more. This one does again, once that has lasted a lease.
   */
  async #returnToForce(): Promise<void> {
    const { versions: journal, clock, leaseMs, registerAgain } = this.#deps
    const flows = this.#flows.filter(({ group }) => this.#outdated.has(group)).map(({ id }) => id)
    const unserved = flows.length > 0 && journal ? await journal.unserved(flows) : []
    if (unserved.length === 0) this.#unservedSince = undefined
    else if (this.#unservedSince === undefined) this.#unservedSince = clock.monotonic()
    else if (clock.monotonic() - this.#unservedSince > leaseMs) {
      await registerAgain()
      this.#unservedSince = undefined
      this.#outdated.clear()
    }
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
    const lease = await journal.acquire(id, state.group, state.part, state.epoch)
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
      const headAtStart = await journal.head()
      return strangers && !this.#abandoned ? this.#newGroup({ lease, strangers, headAtStart }) : undefined
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
    const { clock, random, journal, transport, hub, id, observer, tracer, onError, onOwnership } = this.#deps
    const groups = [...this.#partitions.values()].reduce((sum, partitions) => sum + partitions, 0)
    const flows = this.#flows.filter((flow) => flow.group === lease.group && lease.positions.has(flow.id))
    return new Group({
      hub,
      worker: id,
      ...own,
      carefulMs: carefulLeases * this.#deps.leaseMs,
      leaseMs: this.#deps.leaseMs,
      flows,
      echoes: {
        contracts: echoContracts(flows, this.#flows),
        flows: flowsThatSkip(this.#flows),
        windowMs: (system) => echoWindowMs(system, this.#flows),
      },
      journal,
      flushes: this.#flushes,
      ...(transport && { transport }),
      tail: this.#deps.tail,
      clock,
      random,
      observer,
      tracer,
      leaseHolds: this.#deps.lease.holds,
      checkLease: this.#deps.lease.check,
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
    // Lost or abandoned meanwhile, it has not been written, and is not ours to hand back.
    if (this.#groups.get(name) !== group) return
    this.#groups.delete(name)
    // Not handed back, it is taken over when the lease has run out. That needs this worker to end.
    if (!written) return this.#deps.isRunning() ? onDead() : undefined
    await this.#deps.journal.release(this.#deps.id, group.lease).catch(this.#deps.onError)
    this.#deps.onOwnership?.(group.lease.group, false)
  }
}

function nameOf({ group, part }: { readonly group: string; readonly part: number }): string {
  return `${group}/${part}`
}
