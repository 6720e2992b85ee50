import { maintenanceMs } from '../define/maintenance.ts'
import type { SystemSettings } from '../define/system.ts'
import type { SystemsJournal, SystemState } from '../journal/port.ts'
import type { Breaker, CallSign } from './breaker.ts'
import { afterCall, closedBreaker, opened } from './breaker.ts'
import type { Cancel, Clock } from './clock.ts'
import { Share } from './share.ts'

/** Somebody whose work waits for this system; asked round robin, so that no backlog starves another. */
export interface GateClient {
  /** Starts the next piece of work, which ends with `finished`; false when there is none that may start now. Asked at any time. */
  startNext(): boolean
  /** Whether it has work that may start now. */
  readonly hasReady: boolean
  /** The gate opened or closed. */
  gateChanged(): void
}

/** How a gate stands: `probe` lets one piece of work through. */
export type GateStand = 'open' | 'probe' | 'closed'

/** What a gate needs. */
export interface GateDeps {
  readonly id: number
  readonly name: string
  readonly settings: SystemSettings
  readonly worker: string
  readonly journal: SystemsJournal
  readonly clock: Clock
  readonly onError: (error: unknown) => void
  readonly onBreaker?: (kind: Breaker['kind'], reason: string | undefined) => void
}

/** Why a credential, unlike an outage, is probed seldom: failed logins are punished. */
const credentialProbeMs = 60_000
const askAgainMs = 250

/**
 * Lets work through to one system, within the limits that all workers share and while its breaker, its pause and its
 * throttle allow. One per system and process; all calls are synchronous, what the journal has to grant comes later.
 */
export class SystemGate {
  readonly id: number
  readonly name: string
  readonly settings: SystemSettings
  readonly #deps: GateDeps
  readonly #share: Share
  readonly #clients: GateClient[] = []
  #next = 0
  #breaker: Breaker
  /** Of what the journal says: the latest that was taken over here. */
  #version: number | undefined
  #paused = false
  #throttledUntil = 0
  #maintainedUntil = 0
  #inUse = 0
  #mostInUse = 0
  #probeInUse = false
  #wellAt = Number.NEGATIVE_INFINITY
  #askingProbe = false
  #askProbeAfter = 0
  /** The journal knows of the latest trip here. */
  #tripTold = true
  #timers = new Set<Cancel>()
  #stopped = false

  constructor(deps: GateDeps) {
    this.#deps = deps
    this.id = deps.id
    this.name = deps.name
    this.settings = deps.settings
    this.#share = new Share({
      system: deps.id,
      worker: deps.worker,
      settings: deps.settings,
      journal: deps.journal,
      clock: deps.clock,
      after: (delayMs, callback) => this.#after(delayMs, callback),
      onMore: () => this.pump(),
      onError: deps.onError,
    })
    this.#breaker = closedBreaker(deps.clock.monotonic())
  }

  join(client: GateClient): void {
    this.#clients.push(client)
  }

  leave(client: GateClient): void {
    const index = this.#clients.indexOf(client)
    if (index >= 0) this.#clients.splice(index, 1)
  }

  /** Whether work may start, one probe may, or none. Limits do not count: they only delay. */
  get stand(): GateStand {
    if (this.#paused || this.#stopped) return 'closed'
    const now = this.#deps.clock.monotonic()
    if (this.#throttledUntil > now || this.#maintainedUntil > now) return 'closed'
    if (this.#breaker.kind === 'closed') return 'open'
    if (this.#breaker.kind === 'probing') return this.#probeInUse ? 'closed' : 'probe'
    return this.#breaker.probeAt <= now ? 'probe' : 'closed'
  }

  /** The system is cut off: its failures are not the event's. */
  get cutOff(): boolean {
    return this.#breaker.kind !== 'closed'
  }

  /** Whether some lane group has work that only waits to be let through. */
  get hasReady(): boolean {
    for (const client of this.#clients) if (client.hasReady) return true
    return false
  }

  get inUse(): number {
    return this.#inUse
  }

  /** Starts what may start. To be called when work arrived, ended, or became startable. */
  pump(): void {
    while (this.#mayStart()) {
      if (!this.#startOne()) return
    }
  }

  /** An attempt ended; `fault` says in words what the system did instead of answering well: `refuses connections`. */
  finished(sign: CallSign | 'neutral', fault?: string): void {
    this.#inUse--
    this.#probeInUse = false
    if (sign === 'ok') this.#wellAt = this.#deps.clock.monotonic()
    if (sign !== 'neutral') this.#sign(sign, fault)
    this.pump()
  }

  /** When a call ended well for the last time, on the clock that never goes back; negative infinity before. */
  get wellAt(): number {
    return this.#wellAt
  }

  /**
   * Makes one call within the limits, but whatever the breaker, a pause or maintenance say, and tells the breaker nothing.
   * Undefined when no place became free within `withinMs`.
   */
  async beside<T>(call: () => Promise<T>, withinMs: number): Promise<T | undefined> {
    const until = this.#deps.clock.monotonic() + withinMs
    while (this.#inUse >= this.settings.concurrency || !this.#share.hasPermit(this.#inUse)) {
      if (this.#stopped || this.#deps.clock.monotonic() >= until) return undefined
      await new Promise<void>((resolve) => this.#deps.clock.timer(askAgainMs, resolve))
    }
    this.#inUse++
    this.#mostInUse = Math.max(this.#mostInUse, this.#inUse)
    try {
      return await call()
    } finally {
      this.#inUse--
      this.pump()
    }
  }

  /** The system asked us to slow down. */
  throttle(forMs: number): void {
    const { clock, journal } = this.#deps
    if (!this.#throttleFor(forMs)) return
    if (this.#breaker.kind === 'closed') this.#breaker = closedBreaker(clock.monotonic(), 1)
    this.#tell({ call: () => journal.throttle(this.id, forMs), still: () => false })
    this.#changed()
  }

  /** The credential does not work: cut off, and tried again seldom. */
  credentialFailed(reason: string): void {
    if (this.#breaker.kind === 'open') return
    const delayMs =
      this.#breaker.kind === 'probing'
        ? Math.max(credentialProbeMs, Math.min(this.#breaker.delayMs * 2, 15 * credentialProbeMs))
        : credentialProbeMs
    this.#open(opened(delayMs, this.#deps.clock.monotonic()), `refuses the credentials: ${reason}`)
  }

  /** Until when the token that a start has taken may be used; 0 when the system has no rate limit. */
  get tokenVoidAt(): number {
    return this.#share.tokenVoidAt
  }

  /** One more token for a further request of a running attempt; resolves when it may be sent. */
  token(): Promise<void> {
    return this.#share.token()
  }

  /** What the other workers made of the system, at most a second old. */
  update(state: SystemState): void {
    const before = this.stand
    const now = this.#deps.clock.monotonic()
    if (state.throttledMs > 0) this.#throttleFor(state.throttledMs)
    this.#maintain(state.maintenanceMs, now)
    if (this.#version !== state.version && this.#adopt(state, now)) this.#version = state.version
    this.#paused = state.paused
    if (before !== this.stand) this.#changed()
    else this.pump()
  }

  /** Gives permits back that were not needed since the last call, and shares them with workers that wait. At each heartbeat. */
  rebalance(): void {
    this.#share.rebalance(this.#inUse, this.#mostInUse)
    this.#mostInUse = this.#inUse
  }

  stop(): void {
    this.#stopped = true
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
    this.#share.stop()
  }

  #mayStart(): boolean {
    const { stand } = this
    if (stand === 'closed' || !this.hasReady) return false
    if (stand === 'probe') return this.#mayProbe()
    const allowance = this.#breaker.kind === 'closed' ? this.#breaker.allowance : 1
    if (this.#inUse >= Math.min(allowance, this.settings.concurrency)) return false
    return this.#share.hasPermit(this.#inUse) && this.#share.hasToken()
  }

  #mayProbe(): boolean {
    if (!this.#share.hasPermit(this.#inUse) || !this.#share.hasToken()) return false
    if (this.#breaker.kind === 'probing') return true
    this.#askProbe()
    return false
  }

  #startOne(): boolean {
    for (let tried = 0; tried < this.#clients.length; tried++) {
      const client = this.#clients[this.#next++ % this.#clients.length]
      this.#inUse++
      if (this.#breaker.kind === 'probing') this.#probeInUse = true
      if (client?.startNext()) {
        this.#share.takeToken()
        this.#mostInUse = Math.max(this.#mostInUse, this.#inUse)
        return true
      }
      this.#inUse--
      this.#probeInUse = false
    }
    return false
  }

  #sign(sign: CallSign, fault: string | undefined): void {
    const { clock } = this.#deps
    const before = this.#breaker
    this.#breaker = afterCall(before, sign, {
      now: clock.monotonic(),
      options: this.settings.breaker,
      concurrency: this.settings.concurrency,
    })
    if (this.#breaker.kind === 'open' && before.kind !== 'open') {
      this.#open(this.#breaker, fault ?? (sign === 'unreachable' ? 'does not answer' : 'fails'))
    } else if (this.#breaker.kind === 'closed' && before.kind === 'probing') {
      const { journal, worker } = this.#deps
      this.#tell({
        call: () => journal.closeBreaker(this.id, worker),
        still: () => this.#breaker.kind === 'closed',
      })
      this.#deps.onBreaker?.('closed', undefined)
      this.#changed()
    }
  }

  #open(breaker: Breaker & { kind: 'open' }, reason: string): void {
    const { journal, worker, clock } = this.#deps
    this.#breaker = breaker
    this.#tripTold = false
    const probeInMs = () => Math.max(0, breaker.probeAt - clock.monotonic())
    this.#after(probeInMs(), () => this.#changed())
    this.#tell({
      call: () =>
        journal.openBreaker({
          system: this.id,
          worker,
          reason: `${this.name} ${reason}`,
          probeInMs: probeInMs(),
        }),
      still: () => this.#breaker === breaker,
      done: () => (this.#tripTold ||= this.#breaker === breaker),
    })
    this.#deps.onBreaker?.('open', reason)
    this.#changed()
  }

  /**
   * Another worker tripped, probed or closed the breaker; our own trip is not undone by a state from before it was told. False
   * for such a one: it may be from after it, too, and is looked at again.
   */
  #adopt(state: SystemState, now: number): boolean {
    if (state.breaker === 'closed') {
      if (this.#breaker.kind !== 'open') return true
      if (this.#tripTold) this.#breaker = closedBreaker(now, 1)
      return this.#tripTold
    }
    this.#tripTold = true
    if (this.#breaker.kind === 'probing') return true
    const probeInMs = Math.max(0, state.probeInMs ?? 0)
    const delayMs = this.#breaker.kind === 'open' ? this.#breaker.delayMs : this.settings.breaker.probeDelayMs
    this.#breaker = { kind: 'open', probeAt: now + probeInMs, delayMs }
    this.#after(probeInMs, () => this.#changed())
    return true
  }

  /** Set by a person, or declared: whichever ends later. A window that was ended early ends here, too. */
  #maintain(setForMs: number, now: number): void {
    const { clock } = this.#deps
    const forMs = Math.max(setForMs, maintenanceMs(this.settings.maintenance, clock.now()))
    const until = forMs > 0 ? now + forMs : 0
    if (until > this.#maintainedUntil + askAgainMs) this.#after(forMs, () => this.#changed())
    this.#maintainedUntil = until
  }

  /** False when it is throttled for so long already. */
  #throttleFor(forMs: number): boolean {
    const until = this.#deps.clock.monotonic() + forMs
    if (until < this.#throttledUntil + 100) return false
    this.#throttledUntil = until
    this.#after(forMs, () => this.#changed())
    return true
  }

  #askProbe(): void {
    const { journal, worker, clock } = this.#deps
    if (this.#askingProbe || this.#stopped || clock.monotonic() < this.#askProbeAfter) return
    this.#askingProbe = true
    journal.tryProbe({ system: this.id, worker, timeoutMs: this.settings.timeoutMs + 5_000 }).then(
      (won) => {
        this.#askingProbe = false
        if (won && this.#breaker.kind === 'open')
          this.#breaker = { kind: 'probing', delayMs: this.#breaker.delayMs }
        if (won) this.pump()
        else this.#askProbeLater()
      },
      (error: unknown) => {
        this.#askingProbe = false
        this.#deps.onError(error)
        this.#askProbeLater()
      },
    )
  }

  #askProbeLater(): void {
    this.#askProbeAfter = this.#deps.clock.monotonic() + askAgainMs
    this.#after(askAgainMs, () => this.#changed())
  }

  #changed(): void {
    for (const client of this.#clients) client.gateChanged()
    this.pump()
  }

  #after(delayMs: number, callback: () => void): void {
    if (this.#stopped) return
    const cancel = this.#deps.clock.timer(delayMs, () => {
      this.#timers.delete(cancel)
      callback()
    })
    this.#timers.add(cancel)
  }

  /** Again while it fails and is still so: a breaker that is open here alone could never be probed. */
  #tell(news: {
    readonly call: () => Promise<unknown>
    readonly still: () => boolean
    readonly done?: () => void
  }): void {
    news.call().then(
      () => news.done?.(),
      (error: unknown) => {
        this.#deps.onError(error)
        this.#after(askAgainMs, () => {
          if (news.still()) this.#tell(news)
        })
      },
    )
  }
}
