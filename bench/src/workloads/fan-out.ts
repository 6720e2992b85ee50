import { latency } from '../measures/latency.ts'
import { arrivedAll, saturation } from '../measures/saturation.ts'
import type { Rig } from '../rig.ts'
import type { Amounts, Figures, Workload } from './workload.ts'

/** W1: every event to three targets; latency at two fixed rates, then as much as comes through. */
export const fanOut: Workload = {
  name: 'fan-out',
  title: 'W1: every event to three targets',
  systems: [
    'busbar',
    'busbar-rabbitmq',
    'busbar-embedded',
    'pg-boss',
    'pg-boss-rows',
    'pg-boss-fifo',
    'graphile-worker',
    'graphile-worker-rows',
    'graphile-worker-queues',
    'bullmq',
    'bullmq-rows',
    'by-hand',
    'by-hand-rows',
    'direct',
    'reference',
    'reference-libraries',
  ],
  columns: [
    { key: 'eventsPerSecond', title: 'events/s', digits: 0 },
    { key: 'cpuPer1000', title: 'CPU s per 1,000', digits: 3 },
    { key: 'ownCpuPer1000', title: 'of that its own', digits: 3 },
    { key: 'harnessCpuPer1000', title: 'harness beside it', digits: 3 },
    { key: 'memoryMb', title: 'MB', digits: 0 },
    { key: 'p50At200', title: 'p50 ms at 200/s', digits: 1 },
    { key: 'p99At200', title: 'p99', digits: 1 },
    { key: 'acceptP99At200', title: 'accept p99', digits: 1 },
    { key: 'p50At1000', title: 'p50 ms at 1,000/s', digits: 1 },
    { key: 'p99At1000', title: 'p99', digits: 1 },
    { key: 'acceptP99At1000', title: 'accept p99', digits: 1 },
  ],
  cases: () => [{ name: 'all', measure }],
}

async function measure(rig: Rig, amounts: Amounts): Promise<Figures> {
  const { seconds, warmSeconds } = amounts
  await rig.generator({ do: 'paced', perSecond: 200, seconds: warmSeconds, timed: false })
  await arrivedAll(rig)
  const slow = await latency(rig, { perSecond: 200, seconds })
  const fast = await latency(rig, { perSecond: 1_000, seconds })
  return { ...named(slow, 'At200'), ...named(fast, 'At1000'), ...(await saturation(rig, amounts)) }
}

function named(figures: Figures, suffix: string): Figures {
  return Object.fromEntries(Object.entries(figures).map(([name, figure]) => [name + suffix, figure]))
}
