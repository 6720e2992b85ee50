import { saturation } from '../measures/saturation.ts'
import type { Workload } from './workload.ts'

/** The generator straight against a target: what the harness itself can do, and what it costs of each measured event. */
export const calibrate: Workload = {
  name: 'calibrate',
  title: 'The generator straight against a target',
  systems: ['nothing'],
  columns: [
    { key: 'eventsPerSecond', title: 'requests/s', digits: 0 },
    { key: 'generatorCpuPer1000', title: 'generator: CPU s per 1,000', digits: 4 },
    { key: 'targetsCpuPer1000', title: 'targets: CPU s per 1,000', digits: 4 },
  ],
  cases: () => [{ name: 'all', perEvent: 1, measure: saturation }],
}
