import { BusbarError } from '../../src/errors.ts'
import type {
  ClaimedRun,
  Counted,
  DoneRun,
  Flush,
  OwnerJournal,
  RunRow,
  StepRow,
  StoredEvent,
} from '../../src/journal/port.ts'
import { runState } from '../../src/journal/port.ts'
import { moveSequence, sequenceOf, replaceOlder, supersedeOlder } from './memory-sequences.ts'
import { writeLinks } from './memory-links.ts'
import type { MemoryLane, MemoryPart, MemoryRun, MemoryStep, MemoryStore } from './memory-store.ts'

const { retrying, running, parked, succeeded } = runState

/** What an owner reads and writes, over a store in memory; see 0003-owner.sql, which it follows. */
export function memoryOwner(store: MemoryStore, now: () => number): OwnerJournal {
  const holds = (lease: { group: string; part: number; epoch: number }): MemoryPart | undefined => {
    const part = store.part(lease.group, lease.part)
    return part?.epoch === lease.epoch ? part : undefined
  }
  const inTurn = (part: MemoryPart, kind: 'flushFrom' | 'claimFrom', { no, again }: Counted): boolean => {
    if (no === undefined) return true
    if (no <= part[kind]) return false
    if (again) part[kind] = no
    return true
  }
  const write: OwnerJournal['flushAll'] = async (flushes) => {
    const landing = flushes.flatMap((flush) => {
      const part = holds(flush)
      return part ? [{ flush, part }] : []
    })
    if (landing.length < flushes.length) return 'lost'
    for (const { flush } of landing) refuseBad(flush)
    // All or nothing: each is looked at before one is written.
    if (landing.some(({ flush: { no = Infinity }, part }) => no <= part.flushFrom)) return 'lost'
    for (const { flush, part } of landing) {
      inTurn(part, 'flushFrom', flush)
      applyFlush(store, flush, { part, now: now() })
    }
    return 'ok'
  }
  return {
    flush: (flush) => write([flush]),
    flushAll: write,

    slowKeys: async (group, keys) =>
      [...new Set(keys)].filter((key) => store.groups.get(group)?.lanes.has(key)),

    hasSlowLanes: async (group) => (store.groups.get(group)?.lanes.size ?? 0) > 0,

    async existing(flows, after, upTo) {
      const found: { flow: number; seq: number }[] = []
      for (let index = store.indexAfter(after); index < store.events.length; index++) {
        const { seq } = store.events[index] as StoredEvent
        if (seq > upTo) break
        for (const flow of flows) if (store.run(flow, seq, 0)) found.push({ flow, seq })
      }
      return found
    },

    async stepsWithoutRun(flows, after, upTo) {
      const known = store.events.filter(({ seq }) => seq > after && seq <= upTo)
      const runs = known.flatMap(({ seq }) => flows.map((flow) => ({ flow, seq })))
      return runs
        .filter(({ flow, seq }) => !store.run(flow, seq, 0))
        .flatMap(({ flow, seq }) =>
          store.knownSteps(flow, seq, 0, now()).map((step) => ({ flow, seq, step })),
        )
    },

    async due({ group, part, parts, systems, limit }) {
      const open = new Set(systems)
      const at = now()
      return [...(store.groups.get(group)?.lanes.values() ?? [])]
        .filter((lane) => lane.nextAt <= at && open.has(lane.system) && lane.khash % parts === part)
        .sort((one, other) => one.nextAt - other.nextAt)
        .slice(0, limit)
        .map((lane) => lane.key)
    },

    async claim(claim) {
      const part = holds(claim)
      if (!part || !inTurn(part, 'claimFrom', claim)) return 'lost'
      const { lanes } = store.group(claim.group)
      const at = now()
      const { again = false, latest = [] } = claim
      const due = [...new Set(claim.keys)].sort().flatMap((key) => lanes.get(key) ?? [])
      const isDue = (lane: MemoryLane) => again || lane.nextAt <= at
      for (const { key } of due.filter(isDue)) replaceOlder(store, claim.group, { key, latest, now: at })
      return due.filter(isDue).flatMap((lane) => claimLane(store, lane, { ...claim, again, at }))
    },

    async mark({ run, ...lease }) {
      if (!holds(lease)) return 'lost'
      const known = store.run(run.flow, run.seq, run.gen)
      if (known?.state === running) store.change(known, { phase: run.phase })
      return 'ok'
    },
  }
}

/** Texts that the real one refuses, before anything is written. */
function refuseBad({ runs, attempts }: Flush): void {
  const texts = [
    ...runs.flatMap((run) => [run.key, run.code, run.message, run.fp, run.reason]),
    ...attempts.flatMap((attempt) => [attempt.message, attempt.request, attempt.response]),
  ]
  if (texts.some((text) => text?.includes('\0')))
    throw new BusbarError('event.invalid', 'a row has a NUL in it')
}

function applyFlush(
  store: MemoryStore,
  flush: Flush,
  { part, now }: { part: MemoryPart; now: number },
): void {
  const { group, worker } = flush
  for (const step of flush.steps) writeStep(store, step, now)
  for (const done of flush.done) if (!store.run(done.flow, done.seq, 0)) store.insert(successRow(done, now))
  for (const row of flush.runs) upsert(store, row, { group, now })
  for (const row of flush.runs) if (row.settleMs !== undefined) supersedeOlder(store, group, { ...row, now })
  for (const row of flush.sequences) moveSequence(store, group, row)
  const keys = [...flush.runs, ...flush.sequences].map(({ key }) => key)
  for (const key of new Set(keys)) store.settle(group, key, now)
  for (const key of flush.signals) wake(store, group, { key, now })
  for (const attempt of flush.attempts) {
    const id = [attempt.flow, attempt.seq, attempt.gen, attempt.step, attempt.no, attempt.kind].join('/')
    if (!store.attempts.has(id)) store.attempts.set(id, { ...attempt, worker })
  }
  for (const problem of flush.problems) {
    const known = store.problems.get(problem.fp)
    if (!known) store.problems.set(problem.fp, { ...problem, lastSeen: now, state: 'open' })
    else {
      known.lastSeen = now
      if (known.state === 'resolved') known.state = 'open'
    }
  }
  writeLinks(store, flush, now)
  if (flush.claimedTo > 0) moveOn(store, flush, { part, now })
}

/** Steps of runs that are running, or have no row. */
function writeStep(store: MemoryStore, { flow, seq, gen, nextInMs, ...row }: StepRow, now: number): void {
  const run = store.run(flow, seq, gen)
  if (run && run.state !== running) return
  const id = `${flow}/${seq}/${gen}`
  const steps = store.steps.get(id) ?? new Map<string, MemoryStep>()
  store.steps.set(id, steps)
  const known = steps.get(row.step)
  const nextAt = nextInMs === null ? null : now + nextInMs
  const { keyNo = 0, input = null } = known ?? {}
  steps.set(row.step, { ...row, nextAt, keyNo, input, began: null })
}

/** What waits for an event of this key is due. */
function wake(store: MemoryStore, group: string, { key, now }: { key: string; now: number }): void {
  const head = store.groups.get(group)?.lanes.get(key)?.open[0]
  if (head?.awaits !== 'signal') return
  store.change(head, { nextAt: now })
  store.settle(group, key, now)
}

function moveOn(store: MemoryStore, flush: Flush, { part, now }: { part: MemoryPart; now: number }): void {
  for (const { flow: id, version, position } of flush.positions) {
    const flow = store.flow(id)
    const old = flow?.positions.get(flush.part)
    if (flow?.version === version && old !== undefined && old < position)
      flow.positions.set(flush.part, position)
  }
  part.claimedTo = Math.max(part.claimedTo, flush.claimedTo)
  part.flushedAt = Math.min(now, flush.gatheredAt)
  if (!flush.suspectsResolved) return
  part.unclean = 0
  part.suspectTo = 0
}

const nothing = {
  holds: true,
  phase: 0,
  throttles: 0,
  conflicts: 0,
  crashes: 0,
  claimedAt: null,
  maybeAt: null,
  nextAt: null,
  code: null,
  message: null,
  fp: null,
  reason: null,
  compensating: false,
  awaits: null,
  echo: false,
}

function successRow({ status, ...done }: DoneRun, now: number): MemoryRun {
  const lane = { group: null, key: null, khash: null, lord: null, ord: null }
  return {
    ...nothing,
    ...lane,
    ...done,
    gen: 0,
    state: succeeded,
    attempts: done.tries,
    status: status === 0 ? null : status,
    endedAt: now,
  }
}

/** Inserted, or updated where it is running. */
function upsert(store: MemoryStore, row: RunRow, { group, now }: { group: string; now: number }): void {
  const { nextInMs: _nextInMs, settleMs: _settleMs, firstAt, echo = false, ...rest } = row
  const known = store.run(row.flow, row.seq, row.gen)
  if (known && known.state !== running) return
  const fresh: MemoryRun = {
    ...rest,
    echo,
    group,
    claimedAt: known?.claimedAt ?? null,
    firstAt: known?.firstAt ?? firstAt,
    endedAt: row.state >= succeeded ? now : null,
    nextAt: nextAtOf(row, now),
  }
  if (!known) return store.insert(fresh)
  const { ord: _ord, khash: _khash, key: _key, ...changed } = fresh
  store.change(known, changed)
}

function nextAtOf({ state, awaits, nextInMs }: RunRow, now: number): number | null {
  if (state === retrying) return now + (nextInMs ?? 0)
  return awaits !== null && nextInMs !== null ? now + nextInMs : null
}

function claimLane(
  store: MemoryStore,
  lane: MemoryLane,
  claim: {
    readonly group: string
    readonly maxRuns: number
    readonly maxBytes: number
    readonly again: boolean
    readonly at: number
  },
): ClaimedRun[] {
  const picked: ClaimedRun[] = []
  let bytes = 0
  let over = false
  for (const [place, run] of lane.open.entries()) {
    const event = store.places.get(run.seq) as StoredEvent
    bytes += Buffer.byteLength(event.data)
    const blocked =
      (run.state === parked && run.awaits === null) ||
      (run.state === running && !claim.again) ||
      (run.state === retrying && (run.nextAt ?? 0) > claim.at) ||
      (run.awaits !== null && (run.nextAt ?? Infinity) > claim.at)
    over ||= place >= claim.maxRuns || blocked || (picked.length > 0 && bytes > claim.maxBytes)
    // What the same claim took, and was not told, is told whatever has come before it.
    if (!over || (claim.again && run.state === running))
      picked.push(claimed(store, run, { event, at: claim.at }))
    if (over && !claim.again) break
  }
  for (const { flow, gen, event } of picked) {
    const run = store.run(flow, event.seq, gen) as MemoryRun
    store.change(run, {
      state: running,
      claimedAt: claim.at,
      reason: null,
      awaits: run.awaits === 'gap' ? 'gap' : null,
    })
  }
  store.settle(claim.group, lane.key, claim.at)
  return picked
}

function claimed(
  store: MemoryStore,
  run: MemoryRun,
  { event, at }: { event: StoredEvent; at: number },
): ClaimedRun {
  const { flow, gen, maybeAt, tries, attempts, throttles, conflicts, crashes, firstAt, compensating } = run
  const steps = store.knownSteps(flow, run.seq, gen, at)
  const lane = { key: run.key as string, lord: run.lord as number, ord: run.ord as number }
  const counts = { tries, attempts, throttles, conflicts, crashes }
  const awaits = run.awaits === 'gap' ? 'gap' : null
  const known = sequenceOf(store, run.group as string, lane.key)
  const sequence = known ? { last: known.last, seq: known.seq } : null
  const order = { awaits, sequence } as const
  return {
    flow,
    gen,
    keyGen: gen,
    ...lane,
    ...order,
    maybeAt,
    ...counts,
    firstAt,
    compensating,
    steps,
    event,
  }
}
