import { runState } from '../../src/journal/port.ts'
import type { ParkedRuns } from '../../src/journal/port-parked.ts'
import type { MemoryStore } from './memory-store.ts'

/** Runs parked beside their lane, over a store in memory; see 0019-process-repairs.sql. */
export function memoryParked(store: MemoryStore, now: () => number): ParkedRuns {
  return {
    async wakeParked({ group, part, parts, epoch }) {
      if (store.part(group, part)?.epoch !== epoch) return 'lost'
      const at = now()
      const due = [...store.runs()].filter(
        (run) =>
          run.group === group &&
          (run.khash ?? 0) % parts === part &&
          run.state === runState.parked &&
          !run.holds &&
          run.awaits !== null &&
          (run.nextAt ?? Infinity) <= at,
      )
      for (const run of due) {
        store.change(run, { state: runState.retrying, holds: true, awaits: null })
        store.settle(group, run.key as string, at)
      }
      return due.length
    },
  }
}
