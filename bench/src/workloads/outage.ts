import type { Rig } from '../rig.ts'
import { now, sleep } from '../traffic/clock.ts'
import { arrivedAll } from '../measures/saturation.ts'
import type { Amounts, Figures, Workload } from './workload.ts'

const downTarget = 2
const longestDrainMs = 300_000

/** W2: one of three targets refuses connections while events arrive; what the others keep, and how it catches up. */
export const outage: Workload = {
  name: 'outage',
  title: 'W2: one target of three refuses connections',
  systems: [
    'busbar',
    'busbar-rabbitmq',
    'busbar-embedded',
    'pg-boss',
    'pg-boss-fifo',
    'graphile-worker',
    'graphile-worker-queues',
    'bullmq',
    'by-hand',
  ],
  columns: [
    { key: 'duringPerSecond', title: 'events/s at the healthy two', digits: 0 },
    { key: 'withoutPerSecond', title: 'without an outage', digits: 0 },
    { key: 'kept', title: 'kept', digits: 2 },
    { key: 'drainPerSecond', title: 'deliveries/s caught up', digits: 0 },
    { key: 'drainSeconds', title: 'drained after s', digits: 1 },
    { key: 'missing', title: 'missing after 5 min', digits: 0 },
    { key: 'memoryMb', title: 'MB at its end', digits: 0 },
  ],
  cases: () => [{ name: 'all', measure }],
}

async function measure(rig: Rig, { outageEvents, lead }: Amounts): Promise<Figures> {
  const withoutPerSecond = await rateOf(rig, { events: outageEvents, lead })
  await arrivedAll(rig)
  await rig.targets({ ask: 'down', target: downTarget })
  const duringPerSecond = await rateOf(rig, { events: outageEvents, lead, without: downTarget })
  const { own, servers } = rig.memoryMb()
  const { perTarget } = await rig.targets({ ask: 'up', target: downTarget })
  const upAt = now()
  const missing = await rig.drained({ longestMs: longestDrainMs })
  const drainSeconds = (now() - upAt) / 1_000
  const { accepted } = await rig.generator({ do: 'count' })
  return {
    withoutPerSecond,
    duringPerSecond,
    kept: duringPerSecond / withoutPerSecond,
    drainSeconds,
    drainPerSecond: (accepted - (perTarget[downTarget] ?? 0) - missing) / drainSeconds,
    missing,
    memoryMb: own + servers,
  }
}

/** Sends so many events and waits until the targets that are up have them. */
async function rateOf(
  rig: Rig,
  { events, lead, without }: { events: number; lead: number; without?: number },
): Promise<number> {
  const { accepted } = await rig.generator({ do: 'count' })
  const startedAt = now()
  const only = without === undefined ? {} : { without }
  const stop = await rig.saturate({ lead, upTo: accepted + events, ...only })
  while ((await rig.generator({ do: 'count' })).accepted < accepted + events) await sleep(20)
  await stop()
  await rig.drained(only)
  return events / ((now() - startedAt) / 1_000)
}
