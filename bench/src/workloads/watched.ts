import { saturation } from '../measures/saturation.ts'
import { median } from '../report/results.ts'
import { isBusbar } from './is-busbar.ts'
import { watch } from './watch.ts'
import type { Workload } from './workload.ts'

/** Runs with consoles, each between two without. */
const turns = 3

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
        const one = async () => (await saturation(rig, amounts))['eventsPerSecond'] ?? NaN
        const alone = [await one()]
        const seen: number[] = []
        let answers = 0
        for (let turn = 0; turn < turns; turn++) {
          const end = watch(rig.contestant.port, amounts.watchers)
          seen.push(await one())
          answers += await end()
          alone.push(await one())
        }
        // A journal that grows is a little slower: each turn is held against those around it.
        const kept = seen.map((rate, turn) => (2 * rate) / ((alone[turn] ?? NaN) + (alone[turn + 1] ?? NaN)))
        return {
          watchedPerSecond: median(seen),
          alonePerSecond: median(alone),
          kept: median(kept),
          consoles: amounts.watchers,
          answers,
        }
      },
    },
  ],
  fits: isBusbar,
}
