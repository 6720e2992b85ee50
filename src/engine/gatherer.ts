/** Gathers what comes while a call is under way into the next one: one call at a time, no timers, nothing waits for company. */
export class Gatherer<T> {
  readonly #commit: (items: readonly T[]) => Promise<void>
  #next: { readonly items: T[]; readonly committed: Promise<void> } | undefined
  #current: Promise<void> = Promise.resolve()

  constructor(commit: (items: readonly T[]) => Promise<void>) {
    this.#commit = commit
  }

  /** Resolves when the item is committed; rejects as the call does that carried it. */
  add(item: T): Promise<void> {
    if (this.#next && this.#next.items.length < maxItems) {
      this.#next.items.push(item)
      return this.#next.committed
    }
    const items = [item]
    const committed = this.#current.then(() => {
      if (this.#next?.items === items) this.#next = undefined
      return this.#commit(items)
    })
    this.#current = committed.catch(() => undefined)
    this.#next = { items, committed }
    return committed
  }
}

const maxItems = 500
