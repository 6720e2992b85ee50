import { latencyBounds } from '../journal/port.ts'

/** Counters of calls, one for each of `latencyBounds` and one for what took longer. */
export type Histogram = readonly number[]

/** Two counters together. */
export function addHistograms(one: Histogram, other: Histogram): number[] {
  return latencyBounds
    .map((_, place) => (one[place] ?? 0) + (other[place] ?? 0))
    .concat((one[latencyBounds.length] ?? 0) + (other[latencyBounds.length] ?? 0))
}

/** The latency in ms that this share of calls stays within, evenly spread inside a step; null without calls. Pure. */
export function percentile(counts: Histogram, share: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  let left = share * total
  for (const [place, count] of counts.entries()) {
    if (count > 0 && left <= count) {
      const from = latencyBounds[place - 1] ?? 0
      const to = latencyBounds[place] ?? from
      return Math.round((from + ((to - from) * left) / count) * 10) / 10
    }
    left -= count
  }
  return latencyBounds.at(-1) ?? null
}
