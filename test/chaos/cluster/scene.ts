import type { Times } from './times.ts'
import type { Cluster } from './rig.ts'

/** A fault that was done. */
export interface FaultRecord {
  readonly kind: string
  readonly target: string
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly endedAt: number
  /** What shows that it happened; empty when nothing does. */
  readonly proof: string
}

/** Who it was, and what shows that it happened. */
export interface Done {
  readonly target: string
  readonly proof: string
}

/** What a fault is done with. */
export interface Scene {
  readonly cluster: Cluster
  readonly times: Times
  /** Something else is done to the cluster at the same time: no bound holds for what takes long. */
  readonly disturbed: boolean
}

export const bounds = { takeoverMs: 10_000, acceptMs: 5_000, drainMs: 10_000 }
