/** What the journal keeps of expectations: events that must follow others, or a problem opens. */
import type { ReadResult } from './port.ts'

/** An expectation to be registered. */
export interface ExpectationRegistration {
  readonly name: string
  /** Of its declaration: a worker with another one leaves it alone. */
  readonly print: string
  /** For people: types, and how long it may take, in words. */
  readonly declaration: { readonly after: string; readonly expected: string; readonly within: string }
  /** 0: what came before does not count. */
  readonly lookBackMs: number
  readonly start: 'now' | 'beginning' | { readonly at: number }
}

/** Where an expectation stands. */
export interface ExpectationState {
  readonly id: number
  readonly name: string
  readonly print: string
  /** All events up to here are dealt with. */
  readonly position: number
  /** Since it was last moved, by anybody. */
  readonly sinceMs: number
  /** When the first of what is open is due, milliseconds since 1970; null: nothing is open. */
  readonly firstDue: number | null
}

/** Expectations, and the log at the same moment. */
export interface ExpectationStates {
  /** The highest seq; read before any window. */
  readonly head: number
  /** The journal's clock, milliseconds since 1970. */
  readonly at: number
  readonly items: readonly ExpectationState[]
}

/** Something of this object must follow. */
export interface OpenExpected {
  /** The expectation. */
  readonly e: number
  readonly seq: number
  readonly key: string
  readonly at: number
  readonly due: number
  /** Met within the same stretch, but late. */
  readonly metSeq?: number
  readonly metAt?: number
}

/** Expected events of one object within a stretch of the log: the first and the last. */
export interface CloseExpected {
  readonly e: number
  readonly key: string
  readonly seq: number
  readonly at: number
  readonly lastSeq: number
  readonly lastAt: number
}

/** What a stretch of the log means for expectations that stand at its beginning. */
export interface ExpectationAdvance {
  readonly ids: readonly number[]
  readonly from: number
  readonly to: number
  readonly opens: readonly OpenExpected[]
  readonly closes: readonly CloseExpected[]
  /** By expectation: opened and met in time within the stretch; events whose object nobody could say. */
  readonly counts: readonly { readonly e: number; readonly met: number; readonly unread: number }[]
  /** What was due by then is overdue; null as long as the log is not known up to its head. */
  readonly until: number | null
}

/** The journal of expectations; any number of workers may advance them at once. */
export interface ExpectationsJournal {
  /** These are in force, all others are removed and what they await is cancelled. Repeating it changes nothing. */
  registerExpectations(list: readonly ExpectationRegistration[]): Promise<void>
  /** Of these names those that are in force. */
  expectationStates(names: readonly string[]): Promise<ExpectationStates>
  /** Events of these types in the log, bounded like `EventLog.read`; the data only of `withData`. */
  readExpected(window: {
    readonly after: number
    readonly upTo: number
    readonly types: readonly string[]
    readonly withData: readonly string[]
  }): Promise<ReadResult>
  /**
   * Writes what a stretch means, for those expectations that still stand at `from`, and answers them: each stretch counts
   * once, whoever reads it. Opens a bounded number of problems; while something is due, ask again with `from` = `to`.
   */
  advanceExpectations(advance: ExpectationAdvance): Promise<readonly number[]>
}
