import type { AnyContract } from '../define/event.ts'
import type { StepDefinition } from '../define/flow.ts'
import type { Connector } from '../define/system.ts'
import type { StoredEvent } from '../journal/port.ts'
import type { SystemGate } from './gate.ts'

/** A flow as an owner runs it: its declaration, its registered id, and the gate of its system. */
export interface FlowRuntime {
  readonly id: number
  readonly name: string
  readonly version: number
  readonly group: string
  readonly ord: number
  /** By event type: it counts from the seq after this one. */
  readonly after: ReadonlyMap<string, number>
  readonly ordered: boolean
  readonly onParked: 'hold' | 'continue'
  readonly capture: boolean
  /** By event type. */
  readonly contracts: ReadonlyMap<string, AnyContract>
  readonly step: StepDefinition
  readonly gate: SystemGate
  readonly connector: Connector<unknown>
}

/** One event handled by one flow, in its owner's memory. */
export interface Run {
  readonly flow: FlowRuntime
  readonly event: StoredEvent
  readonly gen: number
  /** Lane key. */
  readonly key: string
  /** Place in the lane. */
  readonly lord: number
  /** A row exists, or is about to be written; its outcome updates it. */
  hasRow: boolean
  /** Its row is committed: the position may pass it. */
  settled: boolean
  /** Its effect may have happened; sent at this time at the latest. */
  maybeAt: number | null
  /** When it was first attempted, milliseconds since 1970; for the life of its idempotency key. */
  firstAt: number | null
  tries: number
  attempts: number
  throttles: number
  conflicts: number
  crashes: number
  /** Monotonic time of its first attempt in this memory; NaN before. */
  startedAt: number
  /** Monotonic time of its latest attempt. */
  attemptAt: number
}

/** A run of an event that has been read from the log. */
export function newRun(flow: FlowRuntime, event: StoredEvent): Run {
  return {
    flow,
    event,
    gen: 0,
    key: laneKey(flow, event),
    lord: event.seq,
    hasRow: false,
    settled: false,
    maybeAt: null,
    firstAt: null,
    tries: 0,
    attempts: 0,
    throttles: 0,
    conflicts: 0,
    crashes: 0,
    startedAt: Number.NaN,
    attemptAt: 0,
  }
}

/** Runs with one key in one lane group follow each other; without order each run is a lane of its own. */
export function laneKey(flow: FlowRuntime, event: StoredEvent): string {
  return flow.ordered && event.key !== null ? event.key : `#${flow.id}:${event.seq}`
}
