import type { PartitionsJournal } from '../../src/journal/port-partitions.ts'
import type { MemoryFlow, MemoryPart, MemoryStore } from './memory-store.ts'

/** Partitions over a store in memory; see 0022-partitions.sql, which it follows. */
export function memoryPartitions(store: MemoryStore, now: () => number): PartitionsJournal {
  return {
    async serve(worker, groups) {
      const mine = store.workers.get(worker)
      if (mine) mine.serves = [...groups]
    },

    async servers() {
      const live = [...store.workers].filter(([, { dead, leaseUntil }]) => !dead && leaseUntil >= now())
      return new Map(live.map(([id, { serves }]) => [id, serves]))
    },

    async repartition(name) {
      const group = store.groups.get(name)
      const [first] = group?.parts ?? []
      if (!group || !first || first.parts === first.wanted) return false
      if (group.parts.some(({ owner }) => owner !== null)) return false
      const merged = mergedPart(group.parts)
      group.parts = Array.from({ length: first.wanted }, (_, part) => ({ ...merged, part }))
      for (const flow of store.flows) if (flow.group === name) spread(flow, group.parts)
      return true
    },
  }
}

/** What any of the new partitions is, where the old ones were these. */
function mergedPart(parts: readonly MemoryPart[]): MemoryPart {
  const [first] = parts as readonly [MemoryPart]
  const suspect = parts.filter(({ suspectTo }) => suspectTo > 0)
  return {
    ...first,
    parts: first.wanted,
    epoch: Math.max(...parts.map(({ epoch }) => epoch)) + 1,
    claimedTo: Math.max(...parts.map(({ claimedTo }) => claimedTo)),
    flushedAt: Math.min(...parts.map(({ flushedAt }) => flushedAt)),
    suspectTo: Math.max(0, ...suspect.map(({ suspectTo }) => suspectTo)),
    suspectSince: suspect.length > 0 ? Math.min(...suspect.map((part) => part.suspectSince ?? 0)) : null,
    suspectAt: suspect.length > 0 ? Math.max(...suspect.map((part) => part.suspectAt ?? 0)) : null,
    unclean: Math.max(...parts.map(({ unclean }) => unclean)),
    paused: parts.some(({ paused }) => paused),
  }
}

/** A flow in the partitions that its group has now: each goes on from its lowest position. */
export function spread(flow: MemoryFlow, parts: readonly MemoryPart[]): void {
  const lowest = Math.min(...flow.positions.values())
  flow.positions.clear()
  for (const { part } of parts) flow.positions.set(part, lowest)
}
