import type { SystemSettings } from '../define/system.ts'
import type { SystemsJournal } from '../journal/port.ts'
import type { Clock } from './clock.ts'
import type { RateShape } from './limits.ts'
import { rateShape } from './limits.ts'

/** What a share needs. */
export interface ShareDeps {
  readonly system: number
  readonly worker: string
  readonly settings: SystemSettings
  readonly journal: Pick<SystemsJournal, 'permits' | 'reserveRate'>
  readonly clock: Clock
  /** Calls back later, unless the gate has stopped. */
  readonly after: (delayMs: number, callback: () => void) => void
  /** More may start now. */
  readonly onMore: () => void
  readonly onError: (error: unknown) => void
}

const askAgainMs = 250

/**
 * This worker's share of a system's limits: permits for concurrency, tokens for the rate, both granted by the journal
 * ahead of need, so that the sum over all workers is exact and a call costs no round trip.
 */
export class Share {
  readonly #deps: ShareDeps
  readonly #shape: RateShape | undefined
  #granted = 0
  #othersWaiting = 0
  #askingPermits = false
  /** An answer got lost: the journal may have given more than is known here. */
  #unsure = false
  #askPermitsAfter = 0
  #asked = 0
  #tokens = 0
  #tokensVoidAt = 0
  #askingTokens = false
  #waiters: (() => void)[] = []
  #stopped = false

  constructor(deps: ShareDeps) {
    this.#deps = deps
    this.#shape = deps.settings.rate && rateShape(deps.settings.rate)
  }

  /** Until when the token taken by a start may be used; 0 without a rate limit. */
  get tokenVoidAt(): number {
    return this.#tokensVoidAt
  }

  /** Whether one more attempt may run beside `inUse`; asks for more if not. */
  hasPermit(inUse: number): boolean {
    if (inUse < this.#granted) return true
    if (this.#granted < this.#fair && this.#deps.clock.monotonic() >= this.#askPermitsAfter)
      this.#askPermits(Math.min(this.#fair, Math.max(this.#granted * 2, 4)))
    return false
  }

  /** Whether a request may be sent now; asks for tokens if not. */
  hasToken(): boolean {
    if (!this.#shape) return true
    if (this.#tokens > 0 && this.#tokensVoidAt > this.#deps.clock.monotonic()) return true
    this.#askTokens(this.#shape)
    return false
  }

  /** Takes the token that `hasToken` saw. */
  takeToken(): void {
    if (this.#shape) this.#tokens--
  }

  /** Resolves when a further request may be sent, and takes its token. */
  async token(): Promise<void> {
    if (!this.#shape) return
    while (!this.#stopped && !this.hasToken())
      await new Promise<void>((resolve) => this.#waiters.push(resolve))
    this.#tokens--
  }

  /** Keeps what is needed and gives the rest back; to workers that wait, all above the fair share. */
  rebalance(inUse: number, mostInUse: number): void {
    if (this.#granted > 0 || this.#unsure) this.#askPermits(Math.max(inUse, Math.min(mostInUse, this.#fair)))
  }

  stop(): void {
    this.#stopped = true
    this.#wake()
  }

  get #fair(): number {
    return Math.max(1, Math.floor(this.#deps.settings.concurrency / (this.#othersWaiting + 1)))
  }

  #askPermits(want: number): void {
    const { journal, system, worker, settings, onError } = this.#deps
    if (this.#askingPermits || this.#stopped) return
    this.#askingPermits = true
    // What is given back is not used any more, whether or not the answer comes.
    const before = (this.#granted = Math.min(this.#granted, want))
    journal
      .permits({
        system,
        worker,
        want,
        limit: settings.concurrency,
        timeoutMs: settings.timeoutMs,
        no: ++this.#asked,
      })
      .then(
        ({ granted, othersWaiting }) => {
          this.#askingPermits = false
          this.#unsure = false
          this.#granted = granted
          this.#othersWaiting = othersWaiting
          if (granted < want) this.#askPermitsLater()
          if (granted > before) this.#deps.onMore()
        },
        (error: unknown) => {
          this.#askingPermits = false
          this.#unsure = true
          onError(error)
          this.#askPermitsLater()
        },
      )
  }

  #askPermitsLater(): void {
    const { clock, after, onMore } = this.#deps
    this.#askPermitsAfter = clock.monotonic() + askAgainMs
    after(askAgainMs, onMore)
  }

  #askTokens(shape: RateShape): void {
    const { journal, system, clock, after, onError } = this.#deps
    if (this.#askingTokens || this.#stopped) return
    this.#askingTokens = true
    const sentAt = clock.monotonic()
    const askAgain = (delayMs: number) =>
      after(delayMs, () => {
        this.#askingTokens = false
        this.#wake()
      })
    journal
      .reserveRate({ system, tokens: shape.chunk, intervalMs: shape.intervalMs, burstMs: shape.burstMs })
      .then(
        ({ granted, retryInMs }) => {
          if (granted === 0) return askAgain(Math.max(1, retryInMs))
          this.#askingTokens = false
          this.#tokens = granted
          this.#tokensVoidAt = sentAt + shape.tokenLifeMs
          this.#wake()
        },
        (error: unknown) => {
          onError(error)
          askAgain(askAgainMs)
        },
      )
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter()
    this.#deps.onMore()
  }
}
