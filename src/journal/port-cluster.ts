/** A flow as registered. Its version rises whenever its declaration changes. */
export interface RegisteredFlow {
  readonly id: number
  readonly name: string
  readonly group: string
  readonly ord: number
  readonly version: number
  /** Each type with the seq after which it counts. */
  readonly types: readonly { readonly type: string; readonly after: number }[]
  /** By partition. */
  readonly positions: readonly number[]
}

/** A step as it is registered; `kind` and `after` are left out where the flow has no other. */
export interface RegisteredStep {
  readonly name: string
  readonly system?: string
  readonly kind?: string
  readonly after?: readonly string[]
}

/** A flow to be registered. */
export interface FlowRegistration {
  readonly name: string
  readonly group: string
  readonly ord: number
  readonly types: readonly string[]
  /** Types of events that its runs may wait for; left out where there are none. */
  readonly signals?: readonly string[]
  /** Its graph, for people and for the version. */
  readonly steps: readonly RegisteredStep[]
  readonly ordering: string
  readonly onParked: string
  readonly start: 'now' | 'beginning' | { readonly at: number }
  /** Of its lane group; default 1. Of several registrations the newest counts. */
  readonly partitions?: number
}

/** Ownership of a (lane group, partition). */
export interface GroupLease {
  readonly group: string
  readonly part: number
  readonly parts: number
  readonly epoch: number
  /** No attempt without a row lies above it. */
  readonly claimedTo: number
  /** Events up to here, received until `suspectAt`, may have been attempted without a row. 0: none. */
  readonly suspectTo: number
  readonly suspectSince: number
  readonly suspectAt: number
  /** Takeovers from dead owners since the position last passed `suspectTo`. */
  readonly unclean: number
  readonly positions: ReadonlyMap<number, number>
}

/** One (lane group, partition) as all workers see it. */
export interface GroupState {
  readonly group: string
  readonly part: number
  readonly parts: number
  /** How many partitions the newest registration wants. */
  readonly wanted: number
  readonly owner: string | null
  readonly epoch: number
  readonly paused: boolean
}

/** Answer to a heartbeat; others that drain are not among the live ones. */
export type Heartbeat =
  'dead' | { readonly liveWorkers: readonly string[]; readonly expiredWorkers: readonly string[] }

/** What a worker says of itself when it joins, for people. */
export interface WorkerFacts {
  readonly host: string
  readonly pid: number
  readonly roles: readonly string[]
}

/** How a worker is doing. */
export interface WorkerState {
  /** It hands over: it is not counted among the live ones that share the lane groups. */
  readonly draining: boolean
  /** Attempts under way, for people. */
  readonly attempts: number
}

/** Who is alive and who owns what. */
export interface Cluster {
  registerFlows(flows: readonly FlowRegistration[]): Promise<readonly RegisteredFlow[]>
  registerSystems(systems: readonly { name: string; address: string }[]): Promise<ReadonlyMap<string, number>>
  join(worker: string, leaseMs: number, facts?: WorkerFacts): Promise<void>
  /** Without `state`: not draining. */
  heartbeat(worker: string, leaseMs: number, state?: WorkerState): Promise<Heartbeat>
  /** Ends the lease and frees the permits. Every group is to be released before: while it has one, this does nothing, and it is taken over later. */
  leave(worker: string): Promise<void>
  groups(): Promise<readonly GroupState[]>
  /**
   * Takes a free (group, part), or with a new epoch one that is its own already; undefined when another has it, this worker
   * is dead, the group is to have another number of partitions, or its epoch is another one than `epoch` (default: whichever it
   * is): then it is not as it was when it was looked at.
   */
  acquire(worker: string, group: string, part: number, epoch?: number): Promise<GroupLease | undefined>
  /** Hands one back after a clean flush: no suspects. */
  release(worker: string, lease: { group: string; part: number; epoch: number }): Promise<void>
  /** Declares a worker dead whose lease has run out: ends its sessions, frees its groups with suspects. False when somebody else did, or it lives. */
  takeover(deadWorker: string): Promise<boolean>
  /** Registered flow versions by flow id, to notice a newer deployment. */
  flowVersions(): Promise<ReadonlyMap<number, number>>
}
