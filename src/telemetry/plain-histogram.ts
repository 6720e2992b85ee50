import type { Registry } from 'prom-client'
import { innerValues, within } from '../define/nested-maps.ts'

/** What is known of one label set: a count for each bound and one for what lies above, and the sum. */
interface Series {
  readonly labels: Readonly<Record<string, string>>
  readonly counts: number[]
  sum: number
}

/**
 * A histogram over two labels and an outcome, for what is observed at every attempt: prom-client's own checks, sorts and
 * joins the labels at each observation. In the registry it is a metric like any other (Prometheus text format, histogram).
 */
export class PlainHistogram {
  readonly name: string
  readonly help: string
  readonly type = 'histogram'
  readonly aggregator = 'sum'
  readonly #bounds: readonly number[]
  readonly #labelNames: readonly [string, string, string]
  readonly #series = new Map<string, Map<string, Map<string, Series>>>()

  constructor(options: {
    readonly name: string
    readonly help: string
    readonly labelNames: readonly [string, string, string]
    /** Upper bounds, rising. */
    readonly buckets: readonly number[]
    readonly registry: Registry
  }) {
    this.name = options.name
    this.help = options.help
    this.#bounds = options.buckets
    this.#labelNames = options.labelNames
    options.registry.registerMetric(this as never)
  }

  /** `labels`: values in the order of the names. */
  observe(labels: readonly [string, string, string], value: number): void {
    const series = this.#of(labels)
    let place = 0
    while (place < this.#bounds.length && value > (this.#bounds[place] as number)) place++
    series.counts[place] = (series.counts[place] ?? 0) + 1
    series.sum += value
  }

  /** As the registry asks for it; buckets are cumulative. */
  async get(): Promise<object> {
    const values = innerValues(this.#series)
      .flatMap((innermost) => [...innermost.values()])
      .flatMap((series) => this.#valuesOf(series))
    const { name, help, type, aggregator } = this
    return { name, help, type, aggregator, values }
  }

  reset(): void {
    this.#series.clear()
  }

  #of([one, two, three]: readonly [string, string, string]): Series {
    const innermost = within(within(this.#series, one), two)
    let series = innermost.get(three)
    if (!series) {
      const [first, second, third] = this.#labelNames
      const counts = Array<number>(this.#bounds.length + 1).fill(0)
      series = { labels: { [first]: one, [second]: two, [third]: three }, counts, sum: 0 }
      innermost.set(three, series)
    }
    return series
  }

  #valuesOf({ labels, counts, sum }: Series): object[] {
    let count = 0
    const buckets = counts.map((own, place) => {
      const le = this.#bounds[place] ?? '+Inf'
      count += own
      return { metricName: `${this.name}_bucket`, labels: { le, ...labels }, value: count }
    })
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels, value: sum },
      { metricName: `${this.name}_count`, labels, value: count },
    ]
  }
}
