import type { StoredEvent } from '../journal/port.ts'

/** A run whose requests are to be shown. */
export interface RunToPreview {
  readonly event: StoredEvent
  /** The generation whose idempotency keys it would send. */
  readonly keyGen: number
  /** What steps gave the last time, by name. */
  readonly results: ReadonlyMap<string, unknown>
  /** Other data for one step, as JSON in the place of the event's. */
  readonly edits?: ReadonlyMap<string, string>
  /** Only this step is of interest. */
  readonly only?: string
  /** How often the data of that step was edited; default 0. */
  readonly keyNo?: number
}

/** What an idempotency key is made of. */
export interface KeyedStep {
  readonly event: Pick<StoredEvent, 'source' | 'id'>
  readonly keyGen: number
  readonly step: string
  /** How often its data was edited. */
  readonly keyNo: number
  readonly compensating: boolean
}

/** What a step would send: the text of its first request, as records hold it; or why there is none to show. */
export interface StepToSend {
  readonly step: string
  readonly system: string
  readonly request: string | undefined
  readonly skipped: boolean
  readonly why: string | undefined
}

/** A flow whose code is in this process. */
export interface KnownFlow {
  /** How long each of its systems remembers an idempotency key; 0: it does not. */
  readonly keyLives: readonly { readonly system: string; readonly lifeMs: number }[]
  /** How often and how much at once each of its systems may be called. */
  readonly limits: readonly {
    readonly system: string
    readonly concurrency: number
    readonly rate: { readonly max: number; readonly perMs: number } | undefined
  }[]
  /** What these runs would send now, in the order given; nothing is sent. */
  preview(runs: readonly RunToPreview[]): Promise<readonly (readonly StepToSend[])[]>
  /** The idempotency key that a step sends with each of its tries. */
  idempotencyKey(step: KeyedStep): string
}

/** The code of flows, where this process has it; the journal knows only their declarations. */
export type FlowCode = (flow: string) => KnownFlow | undefined
