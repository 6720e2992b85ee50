/** A value that is costly to obtain and goes stale: whoever needs it shares it, and at most one obtains it at a time. */
export class OneAtATime<T extends object> {
  readonly #obtain: () => Promise<{ value: T; staleAt: number }>
  #held: { value: T; staleAt: number } | undefined
  #underWay: Promise<T> | undefined

  constructor(obtain: () => Promise<{ value: T; staleAt: number }>) {
    this.#obtain = obtain
  }

  /** What is held now, fresh or not. */
  get current(): T | undefined {
    return this.#held?.value
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
        return held.value
      })
      .finally(() => (this.#underWay = undefined))
    return this.#underWay
  }
}
