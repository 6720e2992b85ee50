import type { Abortable } from '../define/abortable.ts'
import type { Conceal } from '../define/conceal.ts'
import type { BusEvent } from '../define/event.ts'
import type { AttemptContext, Exchange } from '../define/system.ts'
import type { Attempt, AttemptRecord } from './attempt.ts'

/** What the connector is told in one phase. A request of an earlier phase that nobody waited for still is of that phase. */
export class PhaseContext implements AttemptContext {
  readonly kind: AttemptRecord['kind']
  readonly event: BusEvent
  readonly #attempt: Attempt

  constructor(kind: AttemptRecord['kind'], event: BusEvent, attempt: Attempt) {
    this.kind = kind
    this.event = event
    this.#attempt = attempt
  }

  get idempotencyKey(): string {
    return this.#attempt.key
  }

  get traceparent(): string {
    return this.#attempt.traceparent
  }

  get signal(): AbortSignal {
    return this.#attempt.signal
  }

  get conceal(): Conceal {
    return this.#attempt.conceal
  }

  beforeRequest(): Promise<void> | undefined {
    return this.#attempt.beforeRequest()
  }

  checkLease(): void {
    this.#attempt.checkLease()
  }

  sent(): void {
    if (this.kind === 'send' || this.kind === 'undo') this.#attempt.sent()
  }

  record(exchange: Exchange): void {
    this.#attempt.recordExchange(exchange)
  }

  begun(request: Abortable): void {
    this.#attempt.begun(request)
  }

  ended(request: Abortable): void {
    this.#attempt.ended(request)
  }
}
