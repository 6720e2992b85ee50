/**
 * What was opened, in order; `close` closes it in the reverse order, each once, also when one of them fails, and rejects
 * with the first failure. (Node 22 has no AsyncDisposableStack.)
 */
export class Opened {
  readonly #closers: (() => Promise<void>)[] = []

  /** Has this done when everything is closed, before all that was added earlier. */
  add(close: () => Promise<void>): void {
    this.#closers.push(close)
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    const failures: unknown[] = []
    for (const close of this.#closers.splice(0).reverse())
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    if (failures.length > 0) throw failures[0]
  }
}
