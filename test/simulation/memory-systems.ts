import type { StatRow, StatsJournal, SystemsJournal } from '../../src/journal/port.ts'
import type { MemoryStore, MemorySystem } from './memory-store.ts'

/** Limits and breakers over a store in memory; see 0005-systems.sql, which it follows. Statistics are not kept. */
export function memorySystems(store: MemoryStore, now: () => number): SystemsJournal & StatsJournal {
  const on = (id: number, act: (system: MemorySystem) => void) => {
    const system = store.system(id)
    if (system) act(system)
  }
  return {
    states: async () =>
      store.systems.map(({ id, name, paused, breaker, reason, version, ...system }) => {
        const probeAt = (breaker === 'probing' ? system.probeUntil : null) ?? system.probeAt
        const probeInMs = probeAt === null ? null : probeAt - now()
        const throttledMs = system.throttledUntil === 0 ? 0 : system.throttledUntil - now()
        return {
          id,
          name,
          paused,
          breaker,
          reason,
          version,
          probeInMs,
          throttledMs,
          maintenanceMs: 0,
          test: null,
        }
      }),

    async reserveRate({ system: id, tokens, intervalMs, burstMs }) {
      const system = store.system(id)
      if (!system) return { granted: 0, retryInMs: intervalMs }
      const tat = Math.max(system.tat, now()) + tokens * intervalMs
      if (tat > now() + burstMs) return { granted: 0, retryInMs: Math.max(1, tat - now() - burstMs) }
      system.tat = tat
      return { granted: tokens, retryInMs: 0 }
    },

    async permits({ system: id, worker, want, limit, timeoutMs, no }) {
      const { permits } = store.system(id) as MemorySystem
      for (const holder of [...permits.keys()]) {
        const owner = store.workers.get(holder)
        if (owner?.dead && owner.leaseUntil + timeoutMs < now()) permits.delete(holder)
      }
      const others = [...permits].filter(([holder]) => holder !== worker).map(([, permit]) => permit)
      const othersWaiting = others.filter((permit) => permit.waits).length
      if (store.workers.get(worker)?.dead !== false) return { granted: 0, othersWaiting }
      const taken = others.reduce((sum, { n }) => sum + n, 0)
      const granted = Math.max(0, Math.min(want, limit - taken))
      const before = permits.get(worker)?.no ?? 0
      if (no === undefined || before < no)
        permits.set(worker, { n: granted, waits: granted < want, no: no ?? before })
      return { granted, othersWaiting }
    },

    async openBreaker({ system: id, reason, probeInMs }) {
      on(id, (system) => {
        Object.assign(system, {
          breaker: 'open',
          reason,
          probeAt: now() + probeInMs,
          version: system.version + 1,
        })
        const fp = `system:${system.name}`
        const known = store.problems.get(fp)
        const problem = { fp, system: system.name, code: 'system.cut-off', title: reason, lastSeen: now() }
        const state = known && known.state !== 'resolved' ? known.state : 'open'
        store.problems.set(fp, { ...problem, state })
      })
    },

    async tryProbe({ system: id, timeoutMs }) {
      const system = store.system(id)
      const mayProbe =
        system !== undefined &&
        ((system.breaker === 'open' && (system.probeAt ?? Infinity) <= now()) ||
          (system.breaker === 'probing' && (system.probeUntil ?? Infinity) < now()))
      if (mayProbe)
        Object.assign(system, {
          breaker: 'probing',
          probeUntil: now() + timeoutMs,
          version: system.version + 1,
        })
      return mayProbe
    },

    async closeBreaker(id) {
      on(id, (system) => {
        if (system.breaker === 'closed') return
        const closed = { breaker: 'closed', reason: null, probeAt: null, probeUntil: null }
        Object.assign(system, { ...closed, version: system.version + 1 })
        const problem = store.problems.get(`system:${system.name}`)
        if (problem) problem.state = 'resolved'
      })
    },

    async throttle(id, forMs) {
      on(id, (system) => {
        system.throttledUntil = Math.max(system.throttledUntil, now() + forMs)
        system.version++
      })
    },

    async writeStats(_worker: string, _rows: readonly StatRow[]) {
      for (const problem of store.problems.values()) {
        const old = problem.lastSeen < now() - 2_000 && !problem.fp.startsWith('system:')
        const unresolved = problem.state === 'open' || problem.state === 'acknowledged'
        if (old && unresolved && store.openRunsOf(problem.fp) === 0) problem.state = 'resolved'
      }
    },
  }
}
