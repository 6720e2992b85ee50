import type { ErrorCode } from '../errors.ts'
import type { AnyContract } from './event.ts'
import type { MappedEvent } from './source.ts'

/** A message that a source has fetched, and how it is to be read. */
export interface SourceMessage {
  readonly body: Buffer
  readonly reading:
    /** The body is a CloudEvent in JSON. */
    | { readonly mode: 'structured' }
    /** The body is the data of a CloudEvent, whose attributes came beside it. */
    | {
        readonly mode: 'binary'
        readonly attributes: Readonly<Record<string, string>>
        readonly contentType: string | undefined
      }
    /** The body is JSON, which the source makes an event of. */
    | {
        readonly mode: 'mapped'
        readonly source: string
        readonly traceparent: string | undefined
        /** Undefined: the message is none of ours, and is acknowledged. What it throws is a fault of the message. */
        map(body: unknown): MappedEvent | undefined
        id(body: unknown): string | undefined
        /** `map` answers the body as it is, so that its bytes are kept. */
        readonly verbatim: boolean
      }
    /** The source cannot read it. */
    | { readonly mode: 'unreadable'; readonly code: ErrorCode; readonly why: string }
}

/**
 * What became of a message. `refused`: for good, so it must not come again. `later`: it is not known to be stored, so it
 * must be offered again, before those that came after it.
 */
export type Intake =
  | { readonly kind: 'stored' | 'duplicate'; readonly seq: number }
  | { readonly kind: 'ignored' }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'later'; readonly code: string; readonly message: string }

/** What a running source is given by the hub. */
export interface SourcePort {
  /** Larger messages are refused. */
  readonly maxBodyBytes: number
  /**
   * Appends messages in their order; resolves after the commit to what became of each, and never rejects. One call at a
   * time keeps the order of what is offered again.
   */
  take(messages: readonly SourceMessage[]): Promise<readonly Intake[]>
  /** Whether the source has its connection, for the metrics. */
  connected(is: boolean): void
  readonly log: {
    info(facts: object, message: string): void
    warn(facts: object, message: string): void
  }
}

/** A source that is running. */
export interface RunningSource {
  /** Fetches nothing more, waits for what is being appended, leaves the rest where it was. Safe to call twice. */
  stop(): Promise<void>
}

/** A declared source that fetches its events itself, such as the queue of a broker; it runs in the hub's ingress role. */
export interface ConsumerSource {
  readonly kind: 'consumer'
  readonly name: string
  /** Where it fetches them, without credentials. */
  readonly address: string
  /** Contracts that it names, declared with it. */
  readonly contracts: readonly AnyContract[]
  /** Begins at once and connects as soon as it can; what fails meanwhile is told to the port. */
  start(port: SourcePort): RunningSource
}
