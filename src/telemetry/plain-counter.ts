import type { Registry } from 'prom-client'
import { Counter } from 'prom-client'
import { within } from '../define/nested-maps.ts'

/**
 * A counter over two labels, for what is counted at every event: prom-client, whose checks of labels take longer than the
 * counting, is told when it is asked. A label set shows once it has been counted.
 */
export class PlainCounter {
  /** Since the counter was told. */
  readonly #counts = new Map<string, Map<string, number>>()

  constructor(options: {
    readonly name: string
    readonly help: string
    readonly labelNames: readonly [string, string]
    readonly registry: Registry
  }) {
    const { name, help, labelNames, registry } = options
    const [first, second] = labelNames
    const counts = this.#counts
    new Counter({
      ...{ name, help, labelNames, registers: [registry] },
      collect() {
        for (const [one, inner] of counts)
          for (const [two, count] of inner) {
            this.inc({ [first]: one, [second]: two }, count)
            inner.set(two, 0)
          }
      },
    })
  }

  /** `labels`: values in the order of the names. */
  add([one, two]: readonly [string, string], count = 1): void {
    const inner = within(this.#counts, one)
    inner.set(two, (inner.get(two) ?? 0) + count)
  }
}
