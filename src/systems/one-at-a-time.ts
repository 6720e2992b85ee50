/** A value, until when it serves, and how long it lives. */
export interface Held<T> {
  readonly value: T
  readonly staleAt: number
  /** Infinity where it is not known to end. */
  readonly lifetimeMs: number
}

/** A value that is costly to obtain and goes stale: whoever needs it shares it, and at most one obtains it at a time. */
export class OneAtATime<T extends object> {
  readonly #obtain: () => Promise<Held<T>>
  #held: Held<T> | undefined
  #obtainedAt: number | undefined
  #underWay: Promise<T> | undefined

  constructor(obtain: () => Promise<Held<T>>) {
    this.#obtain = obtain
  }

  /** What is held now, fresh or not. */
  get current(): T | undefined {
    return this.#held?.value
  }

  /** When it was obtained and when it ends, in milliseconds since 1970, as far as it is known. */
  get age(): { readonly obtainedAt?: number; readonly expiresAt?: number } {
    if (!this.#held || this.#obtainedAt === undefined) return {}
    const { lifetimeMs } = this.#held
    return {
      obtainedAt: this.#obtainedAt,
      ...(Number.isFinite(lifetimeMs) && { expiresAt: this.#obtainedAt + lifetimeMs }),
    }
  }

  /** The value, obtained first if there is none or it is stale at `now`. */
  get(now: number): T | Promise<T> {
    if (this.#held && now < this.#held.staleAt) return this.#held.value
    return this.#start()
  }

  /** Another value than the refused one: obtained once for all who were refused the same. */
  renew(refused: T): Promise<T> {
    if (this.#held && this.#held.value !== refused) return Promise.resolve(this.#held.value)
    return this.#start()
  }

  #start(): Promise<T> {
    this.#underWay ??= this.#obtain()
      .then((held) => {
        this.#held = held
        this.#obtainedAt = Date.now()
        return held.value
      })
      .finally(() => (this.#underWay = undefined))
    return this.#underWay
  }
}
