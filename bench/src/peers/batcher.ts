/** How work is gathered. */
export interface BatcherOptions<Item, Result> {
  /** Most items of a batch. */
  readonly max: number
  /** Batches under way at the same time. */
  readonly concurrent: number
  /** Does a batch, one result for each item. */
  readonly work: (items: readonly Item[]) => Promise<readonly Result[]>
}

/** Up to a hundred in a statement and four beside each other, or each in a statement of its own on all connections. */
export function grouping(grouped: boolean): { readonly max: number; readonly concurrent: number } {
  return grouped ? { max: 100, concurrent: 4 } : { max: 1, concurrent: 12 }
}

/** Gathers what comes while earlier batches are under way: none waits for a timer, and under load batches grow. */
export class Batcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>
  #waiting: { item: Item; resolve: (result: Result) => void; reject: (error: unknown) => void }[] = []
  #running = 0

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options
  }

  /** Resolves with the item's result when its batch is done; rejects with what its batch has failed of. */
  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      queueMicrotask(() => this.#next())
    })
  }

  #next(): void {
    const { max, concurrent, work } = this.#options
    while (this.#running < concurrent && this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, max)
      this.#running++
      work(batch.map(({ item }) => item))
        .then(
          (results) => batch.forEach(({ resolve }, index) => resolve(results[index] as Result)),
          (error: unknown) => batch.forEach(({ reject }) => reject(error)),
        )
        .finally(() => {
          this.#running--
          this.#next()
        })
    }
  }
}
