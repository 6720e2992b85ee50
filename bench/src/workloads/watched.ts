import { saturation } from '../measures/saturation.ts'
import { onlyBusbar } from './only-busbar.ts'
import { watch } from './watch.ts'
import type { Workload } from './workload.ts'

/** Consoles that look on: what they take from the flow of events. */
export const watched: Workload = {
  name: 'watched',
  title: 'Consoles that look on',
  systems: ['busbar'],
  columns: [
    { key: 'watchedPerSecond', title: 'events/s watched', digits: 0 },
    { key: 'alonePerSecond', title: 'alone', digits: 0 },
    { key: 'kept', title: 'kept', digits: 3 },
    { key: 'consoles', title: 'consoles', digits: 0 },
    { key: 'answers', title: 'answers to them', digits: 0 },
  ],
  cases: () => [
    {
      name: 'all',
      async measure(rig, amounts) {
        const alone = (await saturation(rig, amounts))['eventsPerSecond'] ?? NaN
        const end = watch(rig.contestant.port, amounts.watchers)
        const seen = (await saturation(rig, amounts))['eventsPerSecond'] ?? NaN
        const answers = await end()
        return {
          watchedPerSecond: seen,
          alonePerSecond: alone,
          kept: seen / alone,
          consoles: amounts.watchers,
          answers,
        }
      },
    },
  ],
  unfit: onlyBusbar,
}
