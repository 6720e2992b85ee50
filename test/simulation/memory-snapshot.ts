import type { JournalSnapshot } from '../../src/testing/journal-snapshot.ts'
import type { MemoryStore } from './memory-store.ts'

/** All that the store holds, as plain data that does not change any more. */
export function memorySnapshot(store: MemoryStore, at: number): JournalSnapshot {
  const runs = [...store.runs()].map((run) => ({ ...run }))
  return {
    at,
    events: [...store.events],
    refusals: [...store.refusals],
    flows: store.flows.map(({ positions: _, ...flow }) => ({ ...flow, removed: false })),
    positions: store.flows.flatMap((flow) =>
      [...flow.positions].map(([part, position]) => ({ flow: flow.id, part, position })),
    ),
    workers: [...store.workers].map(([id, worker]) => ({ id, ...worker })),
    groups: [...store.groups.values()].flatMap((group) => group.parts.map((part) => ({ ...part }))),
    runs: runs.sort((one, other) => one.flow - other.flow || one.seq - other.seq || one.gen - other.gen),
    lanes: [...store.groups].flatMap(([group, { lanes }]) =>
      [...lanes.values()].map(({ key, khash, system, nextAt, awaits }) => ({
        group,
        key,
        khash,
        system,
        nextAt,
        awaits,
      })),
    ),
    steps: [...store.steps].flatMap(([run, steps]) => {
      const [flow = 0, seq = 0, gen = 0] = run.split('/').map(Number)
      return [...steps.values()].map(({ step, state, maybeAt, nextAt }) => ({
        ...{ flow, seq, gen, step },
        ...{ state, maybeAt, nextAt },
      }))
    }),
    linkWaits: [...store.links.waits.values()].map(({ group, key, due, ...name }) => ({
      group,
      key,
      due,
      known: store.links.external(name) !== null,
    })),
    attempts: [...store.attempts.values()],
    problems: [...store.problems.values()].map((problem) => ({ ...problem })),
    systems: store.systems.map(({ id, name, paused, breaker }) => ({ id, name, paused, breaker })),
    permits: store.systems.flatMap((system) =>
      [...system.permits].map(([worker, { n }]) => ({ system: system.id, worker, n })),
    ),
    audit: [...store.audit],
  }
}
