import type { EngineTracer } from './tracer.ts'
import type { Flow } from '../define/flow.ts'
import { callsOf, eventsOf } from '../define/flow-builder.ts'
import type { Redaction } from '../define/redaction.ts'
import { redactionOf } from '../define/redaction.ts'
import type { Connector, System } from '../define/system.ts'
import type { TransportConnection } from '../define/transport.ts'
import type { VersionsJournal } from '../journal/port-versions.ts'
import type { Journal, SystemState, WatchJournal, WorkerFacts } from '../journal/port.ts'
import type { Breaker } from './breaker.ts'
import type { Cancel, Clock, Random } from './clock.ts'
import { SystemGate } from './gate.ts'
import type { EngineObserver } from './attempts.ts'
import { LeaseClock } from './lease.ts'
import type { Stretch } from './log-reader.ts'
import { LogTail } from './log-reader.ts'
import { Ownership } from './ownership.ts'
import { flowRuntimes, registrations } from './registration.ts'
import type { FlowRuntime } from './run.ts'
import { CredentialWatch, declaredSystem } from './system-facts.ts'
import { makeTest } from './system-test.ts'
import { Replays } from './replays.ts'

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
  /** Without it nothing is kept of systems for people, and no test calls are made. */
  readonly watch?: WatchJournal
  /** Carries events to the owners of lane groups; without it they read the log themselves. */
  readonly transport?: Pick<TransportConnection, 'carry'>
  readonly clock: Clock
  readonly random: Random
  readonly observer: EngineObserver
  /** Absent where nothing is traced. */
  readonly tracer?: EngineTracer | undefined
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
  readonly #ownership: Ownership
  readonly #gates = new Map<string, SystemGate>()
  readonly #connectors = new Map<string, Connector<unknown>>()
  readonly #tests = new Set<Promise<void>>()
  readonly #credentials: CredentialWatch | undefined
  #timers: { heartbeat: Cancel | undefined; systems: Cancel | undefined } = {
    heartbeat: undefined,
    systems: undefined,
  }
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
        for (const group of this.#ownership.groups) group.logMoved()
      },
      onError: deps.onError,
      patient: () => this.#ownership.isCarried,
    })
    this.#ownership = new Ownership({
      ...deps,
      leaseMs: this.#leaseMs,
      lease: this.#lease,
      tail: this.#tail,
      isRunning: () => this.#state === 'running',
      registerAgain: () => this.#registerAgain(),
    })
    this.#replays = new Replays({ ...deps, groups: () => this.#ownership.groups })
    this.#credentials = deps.watch && new CredentialWatch(deps.watch, deps.onError)
  }

  /** Registers systems and flows, joins the cluster, and begins to own lane groups. */
  start(): Promise<void> {
    return (this.#starting ??= this.#start())
  }

  async #start(): Promise<void> {
    const { journal, id, facts } = this.#deps
    await this.#connect()
    const runtimes = await this.#register()
    const sent = this.#moment()
    await journal.join(id, this.#leaseMs, facts)
    await this.#deps.versions?.runsFlows(id, runtimes)
    if (this.#state !== 'new') return
    this.#lease.confirmed(sent)
    this.#state = 'running'
    await this.#updateSystems()
    this.#tail.start()
    await this.#beat()
    this.#replays.start()
    await this.#ownership.assigned()
  }

  async #register(): Promise<readonly FlowRuntime[]> {
    const { journal, flows } = this.#deps
    const registered = await journal.registerFlows(registrations(flows))
    const runtimes = flowRuntimes(flows, registered, {
      redaction: this.#redaction(),
      wires: (system) => this.#wires(system),
    })
    this.#ownership.flows = runtimes
    return runtimes
  }

  #redaction(): Redaction {
    const { flows, redact = [] } = this.#deps
    return redactionOf({
      contracts: new Map(flows.flatMap(eventsOf).map((event) => [event.type, event])),
      redact,
    })
  }

  /** Its flows are in force again, in the place of a deployment that has gone. */
  async #registerAgain(): Promise<void> {
    await this.#deps.versions?.runsFlows(this.#deps.id, await this.#register())
  }

  /** What this process's ingress has just appended; groups take it without reading it again. */
  appended(stretch: Stretch): void {
    this.#tail.appended(stretch)
  }

  get leaseHolds(): boolean {
    return this.#state === 'running' && this.#lease.holds()
  }

  get ownedGroups(): readonly string[] {
    return [...this.#ownership.groups].map((group) => group.lease.group)
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
    await this.#ownership.stop(graceMs)
    keepAlive()
    await this.#deps.journal.leave(this.#deps.id).catch(this.#deps.onError)
    await this.#end()
  }

  /** Ends at once without a further write; what was under way is in doubt, and another worker takes over. */
  async abandon(): Promise<void> {
    this.#state = 'stopping'
    this.#cancelTimers()
    this.#ownership.abandon()
    await this.#end()
  }

  async #end(): Promise<void> {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#tail.stop()
    for (const gate of this.#gates.values()) gate.stop()
    await Promise.all([...this.#tests])
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
    await this.#deps.watch?.declareSystems([...systems.values()].map(declaredSystem))
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
      for (const state of await this.#deps.journal.states()) {
        const gate = this.#gates.get(state.name)
        gate?.update(state)
        if (gate) this.#watch(state, gate)
      }
    } catch (error) {
      this.#deps.onError(error)
    }
    if (this.#state === 'running')
      this.#timers.systems = this.#deps.clock.timer(systemPollMs, () => void this.#updateSystems())
  }

  #watch({ name, test }: SystemState, gate: SystemGate): void {
    const { watch: journal, id: worker, clock, onError } = this.#deps
    const connector = this.#connectors.get(name)
    if (!journal || !connector) return
    this.#credentials?.look(gate.id, connector)
    if (test === null || this.#state !== 'running') return
    const made = makeTest(test, { gate, connector }, { journal, worker, clock, onError })
    this.#tests.add(made)
    void made.then(() => this.#tests.delete(made))
  }

  /** Heartbeats never wait for the handing over of groups, which may take as long as an attempt. */
  async #beat(): Promise<void> {
    await this.#beatOnce()
    if (this.#state !== 'running') return
    this.#timers.heartbeat = this.#deps.clock.timer(
      this.#leaseMs / heartbeatsPerLease,
      () => void this.#beat(),
    )
    this.#ownership.assign()
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
      if (!held) for (const group of this.#ownership.groups) group.leaseRenewed()
      for (const gate of this.#gates.values()) gate.rebalance()
      for (const dead of answer.expiredWorkers) await journal.takeover(dead)
    } catch (error) {
      onError(error)
    }
  }
}
