/** What a contestant is given to start with. */
export interface Surroundings {
  /** A PostgreSQL, and a schema that is its own in this run and removed afterwards. */
  readonly url: string
  readonly schema: string
  readonly amqpUrl: string
  /** The targets. */
  readonly ports: readonly number[]
  /** A folder that is its own in this run and removed afterwards. */
  readonly folder: string
  readonly profileIn: string | undefined
}

/** How a workload wants it; only busbar knows more than the defaults. */
export interface Shape {
  /** Default `fan-out`: one flow to each of the three targets. `process`: one flow of three steps. */
  readonly kind?: 'fan-out' | 'process'
  /** In the place of three: so many flows, to the targets in turn. */
  readonly flows?: number
  /** An ingress and so many workers in the place of one process. */
  readonly workers?: number
  /** Of each flow; default 1. */
  readonly partitions?: 1 | 2 | 4
  /** Calls at a time to each target, of all processes together; default 32. */
  readonly concurrency?: number
  /** So many events that are through, in the journal beforehand. */
  readonly finished?: number
  /** A further flow to a system that is paused. */
  readonly withPaused?: boolean
  /** Of the package, in the place of the one that was just built: a folder, as `dist` is one. */
  readonly build?: string
}

/** What takes events in and delivers them, as it runs. */
export interface Contestant {
  /** Where it takes events. */
  readonly port: number
  /** Its own processes. */
  readonly pids: readonly number[]
  /** The processes of its database or broker. */
  readonly servers: readonly number[]
  /** Ends it and removes what it has left anywhere but in its schema and its folder. */
  stop(): Promise<void>
}

/** What a system promises of an event that it has answered 202: yes, no, or in words how far. */
export interface Promises {
  /** The answer comes after a commit that is on disk. */
  readonly durable: string
  readonly ordered: string
  readonly deduplicated: string
  /** What became of each delivery is on record. */
  readonly recorded: string
}

/** A system that can be measured. */
export interface System {
  readonly name: string
  readonly title: string
  readonly promises: Promises
  /** Beside the three targets it needs no more than this. */
  readonly needs: readonly ('postgres' | 'rabbitmq' | 'redis' | 'peers')[]
  start(surroundings: Surroundings, shape: Shape): Promise<Contestant>
}
