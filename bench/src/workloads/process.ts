import { saturation } from '../measures/saturation.ts'
import { isBusbar } from './is-busbar.ts'
import type { Workload } from './workload.ts'

/** W6: a flow of three steps, each with the result of the one before, against a flow of one. */
export const processes: Workload = {
  name: 'process',
  title: 'W6: a flow of three steps',
  systems: ['busbar'],
  columns: [
    { key: 'eventsPerSecond', title: 'runs/s', digits: 0 },
    { key: 'cpuPer1000', title: 'CPU s per 1,000', digits: 3 },
    { key: 'ownCpuPer1000', title: 'of that its own', digits: 3 },
  ],
  cases: () => [
    { name: 'one step', shape: { flows: 1 }, perEvent: 1, measure: saturation },
    { name: 'three steps', shape: { kind: 'process' }, perEvent: 3, measure: saturation },
  ],
  fits: isBusbar,
}
