import { saturation } from '../measures/saturation.ts'
import { isBusbar } from './is-busbar.ts'
import type { Amounts, Case, Figures, Workload } from './workload.ts'

/** A limit of a system is shared by all workers: with 32, eight for each of four, it would be the limit that is measured. */
const forFourWorkers = 128

/** W5: more workers, flows, bytes, keys; what an event costs of each. */
export const scale: Workload = {
  name: 'scale',
  title: 'W5: more of everything',
  systems: ['busbar'],
  columns: [
    { key: 'eventsPerSecond', title: 'events/s', digits: 0 },
    { key: 'cpuPer1000', title: 'CPU s per 1,000 events', digits: 3 },
    { key: 'cpuPer1000Runs', title: 'CPU s per 1,000 runs', digits: 3 },
    { key: 'memoryMb', title: 'MB', digits: 0 },
  ],
  compared: 'cpuPer1000Runs',
  cases: () => [
    ...[1, 2, 4].map((workers) =>
      ofCase({ name: `${workers} workers`, shape: { workers, partitions: 4, concurrency: forFourWorkers } }),
    ),
    ...[1, 10, 100].map((flows) => ofCase({ name: `${flows} flows`, shape: { flows }, perEvent: flows })),
    ...[1, 10, 100].map((kb) => ofCase({ name: `${kb} KB`, load: { payloadBytes: kb * 1_024 } })),
    ...[100, 10_000, 1_000_000].map((keys) => ofCase({ name: `${keys} keys`, load: { keys } })),
  ],
  // Several processes do not share an embedded journal.
  fits: (system, { shape }) => isBusbar(system) && !(shape?.workers && system.name === 'busbar-embedded'),
}

function ofCase(one: Omit<Case, 'measure'>): Case {
  return {
    ...one,
    async measure(rig, amounts): Promise<Figures> {
      const found = await saturation(rig, warmer(amounts, one))
      return { ...found, cpuPer1000Runs: (found['cpuPer1000'] ?? NaN) / rig.perEvent }
    },
  }
}

/** Each worker has to get warm, with a share of the events. */
function warmer(amounts: Amounts, { shape: { workers = 1 } = {} }: Omit<Case, 'measure'>): Amounts {
  return { ...amounts, warmSeconds: amounts.warmSeconds * workers }
}
