import type { Rig } from '../rig.ts'
import { arrivedAll } from './saturation.ts'
import type { Figures } from '../workloads/workload.ts'

/**
 * At a fixed rate: from the moment an event's time has come to its acceptance, and to its last delivery. An event that
 * waits for a free connection waits at the system's expense.
 */
export async function latency(
  rig: Rig,
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
): Promise<Figures> {
  await rig.targets({ ask: 'time', perEvent: rig.perEvent })
  const { times = [] } = await rig.generator({ do: 'paced', perSecond, seconds, timed: true })
  await arrivedAll(rig)
  const { times: arrivals = [] } = await rig.targets({ ask: 'times' })
  const arrived = new Map(arrivals)
  const accepted = times.map(([, dueAt, acceptedAt]) => acceptedAt - dueAt)
  const delivered = times.map(([id, dueAt]) => (arrived.get(id) ?? NaN) - dueAt)
  return {
    sentPerSecond: times.length / seconds,
    p50: percentile(delivered, 0.5),
    p99: percentile(delivered, 0.99),
    acceptP50: percentile(accepted, 0.5),
    acceptP99: percentile(accepted, 0.99),
  }
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? NaN
}
