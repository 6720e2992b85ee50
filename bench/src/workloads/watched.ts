import { saturation } from '../measures/saturation.ts'
import { median } from '../report/results.ts'
import { isBusbar } from './is-busbar.ts'
import { watch } from './watch.ts'
import type { Figures, Workload } from './workload.ts'

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
    { key: 'ownCpuMore', title: 'CPU s/1,000, own: more', digits: 3 },
    { key: 'serverCpuMore', title: 'database: more', digits: 3 },
    { key: 'consolesCpu', title: 'consoles themselves', digits: 3 },
  ],
  cases: () => [
    {
      name: 'all',
      async measure(rig, amounts) {
        const one = () => saturation(rig, amounts)
        const alone = [await one()]
        const seen: Figures[] = []
        let answers = 0
        for (let turn = 0; turn < turns; turn++) {
          const end = watch(rig.contestant.port, amounts.watchers)
          seen.push(await one())
          answers += await end()
          alone.push(await one())
        }
        const each = (of: readonly Figures[], key: string) => of.map((figures) => figures[key] ?? NaN)
        // A journal that grows is a little slower: each turn is held against those around it.
        const around = (key: string) => {
          const rates = each(alone, key)
          return seen.map((_, turn) => ((rates[turn] ?? NaN) + (rates[turn + 1] ?? NaN)) / 2)
        }
        const more = (key: string) => {
          const before = around(key)
          return median(each(seen, key).map((cost, turn) => cost - (before[turn] ?? NaN)))
        }
        const before = around('eventsPerSecond')
        const watchedRates = each(seen, 'eventsPerSecond')
        return {
          watchedPerSecond: median(watchedRates),
          alonePerSecond: median(each(alone, 'eventsPerSecond')),
          kept: median(watchedRates.map((rate, turn) => rate / (before[turn] ?? NaN))),
          consoles: amounts.watchers,
          answers,
          ownCpuMore: more('ownCpuPer1000'),
          serverCpuMore: more('serverCpuPer1000'),
          consolesCpu: more('benchCpuPer1000'),
        }
      },
    },
  ],
  fits: isBusbar,
}
