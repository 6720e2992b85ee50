import { BusbarError } from '../../src/errors.ts'
import type { Cluster, FlowRegistration, GroupLease, RegisteredFlow } from '../../src/journal/port.ts'
import { runState } from '../../src/journal/port.ts'
import { spread } from './memory-partitions.ts'
import type { MemoryFlow, MemoryPart, MemoryStore } from './memory-store.ts'

/** Membership and ownership over a store in memory; see 0004-cluster.sql and 0022-partitions.sql, which it follows. */
export function memoryCluster(store: MemoryStore, now: () => number): Cluster {
  const alive = (worker: string) => store.workers.get(worker)?.dead === false
  const parts = () => [...store.groups.values()].flatMap((group) => group.parts)
  return {
    async registerFlows(flows) {
      const ids = new Set(flows.map((flow) => register(store, flow).id))
      return store.flows
        .filter((flow) => ids.has(flow.id))
        .sort((one, other) => compare(one.group, other.group) || one.ord - other.ord || one.id - other.id)
        .map(registered)
    },

    registerSystems: async (systems) =>
      new Map(systems.map((system) => [system.name, registerSystem(store, system)])),

    async join(worker, leaseMs) {
      if (store.workers.has(worker))
        throw new BusbarError('event.invalid', `worker ${worker} has joined already`)
      store.workers.set(worker, { leaseUntil: now() + leaseMs, dead: false, draining: false, serves: null })
    },

    async heartbeat(worker, leaseMs, state) {
      const mine = store.workers.get(worker)
      if (!mine || mine.dead) return 'dead'
      mine.leaseUntil = now() + leaseMs
      mine.draining = state?.draining ?? false
      const others = [...store.workers].filter(([, each]) => !each.dead)
      const lives = ([id, each]: (typeof others)[number]) => id === worker || each.leaseUntil >= now()
      return {
        liveWorkers: others
          .filter((each) => lives(each) && (each[0] === worker || !each[1].draining))
          .map(([id]) => id),
        expiredWorkers: others.filter((each) => !lives(each)).map(([id]) => id),
      }
    },

    async leave(worker) {
      if (!alive(worker) || parts().some((part) => part.owner === worker)) return
      store.workers.delete(worker)
      for (const system of store.systems) system.permits.delete(worker)
    },

    groups: async () =>
      parts()
        .sort((one, other) => compare(one.group, other.group) || one.part - other.part)
        .map(({ group, part, parts, wanted, owner, epoch, paused }) => ({
          group,
          part,
          parts,
          wanted,
          owner,
          epoch,
          paused,
        })),

    async acquire(worker, group, number, epoch) {
      const part = store.part(group, number)
      if (!part || !alive(worker) || (epoch ?? part.epoch) !== part.epoch) return undefined
      if (part.owner !== worker && (part.owner !== null || part.parts !== part.wanted)) return undefined
      part.owner = worker
      part.epoch++
      part.flushFrom = 0
      part.claimFrom = 0
      return leaseOf(store, part)
    },

    async release(worker, { group, part: number, epoch }) {
      const part = store.part(group, number)
      if (part?.owner !== worker || part.epoch !== epoch) return
      part.owner = null
      part.epoch++
    },

    async takeover(deadWorker) {
      const worker = store.workers.get(deadWorker)
      if (!worker || worker.dead || worker.leaseUntil >= now()) return false
      worker.dead = true
      for (const part of parts().filter((each) => each.owner === deadWorker))
        takePart(store, part, { lease: worker.leaseUntil, now: now() })
      return true
    },

    flowVersions: async () => new Map(store.flows.map((flow) => [flow.id, flow.version])),
  }
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

function takePart(
  store: MemoryStore,
  part: MemoryPart,
  { lease, now }: { lease: number; now: number },
): void {
  const since = part.flushedAt - 2_000
  part.suspectSince = part.suspectTo > 0 ? Math.min(part.suspectSince ?? since, since) : since
  part.suspectAt = part.suspectTo > 0 ? Math.max(part.suspectAt ?? lease, lease) : lease
  part.suspectTo = Math.max(part.claimedTo, part.suspectTo)
  part.owner = null
  part.epoch++
  part.unclean++
  freeRunning(store, part, { lease, now })
}

function freeRunning(
  store: MemoryStore,
  part: MemoryPart,
  { lease, now }: { lease: number; now: number },
): void {
  const group = store.group(part.group)
  for (const [key, runs] of [...group.running]) {
    for (const run of [...runs].filter((each) => (each.khash ?? 0) % part.parts === part.part))
      store.change(run, {
        state: runState.retrying,
        nextAt: now,
        maybeAt: Math.max(run.maybeAt ?? lease, lease),
        firstAt: run.firstAt ?? run.claimedAt,
        crashes: run.crashes + run.phase,
        phase: 0,
        reason: 'its worker ended; the outcome of its last attempt is not known',
      })
    store.settle(part.group, key, now)
  }
}

function leaseOf(store: MemoryStore, part: MemoryPart): GroupLease {
  const { group, parts, epoch, claimedTo, suspectTo, suspectSince, suspectAt, unclean } = part
  const flows = store.flows.filter((flow) => flow.group === group)
  const positions = flows.flatMap((flow) => {
    const position = flow.positions.get(part.part)
    return position === undefined ? [] : [[flow.id, position] as const]
  })
  return {
    group,
    part: part.part,
    parts,
    epoch,
    claimedTo,
    suspectTo,
    suspectSince: suspectSince ?? 0,
    suspectAt: suspectAt ?? 0,
    unclean,
    positions: new Map(positions),
  }
}

function registerSystem(store: MemoryStore, { name, address }: { name: string; address: string }): number {
  const known = store.systems.find((system) => system.name === name)
  if (known) {
    known.address = address
    return known.id
  }
  const id = store.systems.length + 1
  const closed = { paused: false, breaker: 'closed', reason: null, probeAt: null, probeUntil: null } as const
  store.systems.push({
    id,
    name,
    address,
    ...closed,
    throttledUntil: 0,
    tat: 0,
    version: 0,
    permits: new Map(),
  })
  return id
}

function register(store: MemoryStore, flow: FlowRegistration): MemoryFlow {
  const { name, start, group, ord, types, steps, ordering, onParked, partitions = 1 } = flow
  for (const part of store.group(group).parts) part.wanted = partitions
  const exact = JSON.stringify([group, ord, types, steps, ordering, onParked])
  const old = store.flows.find((each) => each.name === name)
  if (!old) return addFlow(store, flow, { exact, from: startOf(store, start) })
  if (old.declaration === exact) return old
  if (old.group !== flow.group && old.openRuns > 0)
    throw new BusbarError(
      'config.conflict',
      `flow ${name} cannot move to lane group ${flow.group} while it has open runs`,
    )
  const after = new Map(old.types.map((type, index) => [type, old.typeAfter[index] as number]))
  const moved = old.group !== flow.group
  Object.assign(old, {
    group: flow.group,
    ord: flow.ord,
    version: old.version + 1,
    types: flow.types,
    ordering: flow.ordering,
    typeAfter: flow.types.map((type) => after.get(type) ?? store.head),
    declaration: exact,
  })
  const parts = partsOf(store, flow.group, partitions)
  if (moved) spread(old, parts)
  return old
}

function addFlow(
  store: MemoryStore,
  flow: FlowRegistration,
  { exact, from }: { readonly exact: string; readonly from: number },
): MemoryFlow {
  const { name, group, ord, types, partitions = 1 } = flow
  const added: MemoryFlow = {
    id: store.flows.length + 1,
    name,
    group,
    ord,
    version: 1,
    types,
    typeAfter: types.map(() => from),
    declaration: exact,
    ordering: flow.ordering,
    fromSeq: from,
    positions: new Map(partsOf(store, group, partitions).map(({ part }) => [part, from])),
    openRuns: 0,
  }
  store.flows.push(added)
  return added
}

function partsOf(store: MemoryStore, group: string, count: number): readonly MemoryPart[] {
  const { parts } = store.group(group)
  const free = {
    owner: null,
    epoch: 0,
    flushFrom: 0,
    claimFrom: 0,
    claimedTo: 0,
    flushedAt: 0,
    unclean: 0,
    paused: false,
  }
  const unsuspected = { suspectTo: 0, suspectSince: null, suspectAt: null }
  if (parts.length === 0)
    for (let part = 0; part < count; part++)
      parts.push({ group, part, parts: count, wanted: count, ...free, ...unsuspected })
  return parts
}

function startOf(store: MemoryStore, start: FlowRegistration['start']): number {
  if (start === 'beginning') return 0
  if (start === 'now') return store.head
  const first = store.events.find((event) => event.receivedAt >= start.at)
  return first ? first.seq - 1 : store.head
}

function registered(flow: MemoryFlow): RegisteredFlow {
  const { id, name, group, ord, version } = flow
  return {
    id,
    name,
    group,
    ord,
    version,
    types: flow.types.map((type, index) => ({ type, after: flow.typeAfter[index] as number })),
    positions: [...flow.positions].sort(([one], [other]) => one - other).map(([, position]) => position),
  }
}
