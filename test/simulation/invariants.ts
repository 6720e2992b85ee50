import { runState, stepState } from '../../src/journal/port.ts'
import type {
  JournalSnapshot,
  SnapshotEvent,
  SnapshotLane,
  SnapshotRun,
  SnapshotStep,
} from '../../src/testing/journal-snapshot.ts'

/**
 * Something that holds in every snapshot of a journal, not only at rest. `journal`: kept by the journal itself, whatever
 * an owner writes; `engine`: kept by the engine's use of it. `test/chaos/invariants.sql.ts` says the same in SQL, by the
 * same names.
 */
export interface Invariant {
  readonly name: string
  readonly scope: 'journal' | 'engine'
  /** What breaks it, in words; empty when it is kept. */
  broken(index: SnapshotIndex): readonly string[]
}

/** A snapshot with the lookups that the invariants share. */
export interface SnapshotIndex {
  readonly snapshot: JournalSnapshot
  readonly lanes: ReadonlyMap<string, SnapshotLane>
  /** Open runs that hold their lane, in lane order. */
  readonly holding: ReadonlyMap<string, readonly SnapshotRun[]>
  readonly rows: ReadonlySet<string>
}

/** All that is broken in this snapshot, each with the invariant's name. */
export function brokenInvariants(snapshot: JournalSnapshot, scope?: Invariant['scope']): string[] {
  const index = indexOf(snapshot)
  return invariants
    .filter((invariant) => scope === undefined || invariant.scope === scope)
    .flatMap((invariant) => invariant.broken(index).map((what) => `${invariant.name}: ${what}`))
}

const { waiting, retrying, running, parked, succeeded } = runState
const isOpen = (run: SnapshotRun) => run.state < succeeded
const laneId = (group: string | null, key: string | null) => JSON.stringify([group, key])
const runId = ({ flow, seq, gen }: { flow: number; seq: number; gen: number }) => `run ${flow}/${seq}/${gen}`
const laneName = ({ group, key }: { group: string | null; key: string | null }) => `lane ${group}/${key}`

function indexOf(snapshot: JournalSnapshot): SnapshotIndex {
  const holding = new Map<string, SnapshotRun[]>()
  for (const run of snapshot.runs.filter((each) => isOpen(each) && each.holds)) {
    const id = laneId(run.group, run.key)
    const lane = holding.get(id)
    if (lane) lane.push(run)
    else holding.set(id, [run])
  }
  for (const runs of holding.values()) runs.sort(inLaneOrder)
  return {
    snapshot,
    lanes: new Map(snapshot.lanes.map((lane) => [laneId(lane.group, lane.key), lane])),
    holding,
    rows: new Set(snapshot.runs.map((run) => `${run.flow}/${run.seq}/${run.gen}`)),
  }
}

function inLaneOrder(one: SnapshotRun, other: SnapshotRun): number {
  return (one.lord ?? 0) - (other.lord ?? 0) || one.seq - other.seq || (one.ord ?? 0) - (other.ord ?? 0)
}

/** The section D of the design, as far as one snapshot of the journal shows it. */
export const invariants: readonly Invariant[] = [
  {
    name: 'D3 an identity is in the log once',
    scope: 'journal',
    broken: ({ snapshot: { events } }) => {
      const seen = new Set<string>()
      const identity = (event: SnapshotEvent) => JSON.stringify([event.source, event.id])
      const again = events.filter((event) => seen.has(identity(event)) || !seen.add(identity(event)))
      return again.map(({ source, id }) => `${source} ${id}`)
    },
  },
  {
    name: 'D3 received_at never falls along seq',
    scope: 'journal',
    broken: ({ snapshot: { events } }) =>
      events
        .filter((event, place) => event.receivedAt < (events[place - 1]?.receivedAt ?? 0))
        .map(({ seq }) => `event ${seq}`),
  },
  {
    name: 'D2a every matching event up to a position has its row',
    scope: 'engine',
    broken: passedWithoutRow,
  },
  {
    name: 'D2b an open holding run has a lane',
    scope: 'journal',
    broken: ({ holding, lanes }) =>
      [...holding].filter(([id]) => !lanes.has(id)).flatMap(([, runs]) => runs.map(runId)),
  },
  {
    name: 'D2c a lane has an open holding run',
    scope: 'journal',
    broken: ({ holding, lanes }) =>
      [...lanes].filter(([id]) => !holding.has(id)).map(([, lane]) => laneName(lane)),
  },
  {
    name: 'D2d a lane that waits for ever has a running run, a parked head, or awaits something',
    scope: 'journal',
    broken: ({ holding, snapshot: { lanes } }) =>
      lanes
        .filter((lane) => lane.nextAt === Infinity && lane.awaits === null)
        .filter((lane) => {
          const runs = holding.get(laneId(lane.group, lane.key)) ?? []
          return runs.length > 0 && runs[0]?.state !== parked && !runs.some((run) => run.state === running)
        })
        .map(laneName),
  },
  {
    name: 'D2d a lane that awaits a time has one',
    scope: 'journal',
    broken: ({ holding, snapshot: { lanes } }) =>
      lanes
        .filter((lane) => lane.nextAt === Infinity && lane.awaits === 'timer')
        .filter((lane) => {
          const runs = holding.get(laneId(lane.group, lane.key)) ?? []
          return runs.length > 0 && !runs.some((run) => run.state === running)
        })
        .map(laneName),
  },
  {
    name: 'D2 a lane with a running run is not due',
    scope: 'journal',
    broken: ({ holding, snapshot: { lanes } }) =>
      lanes
        .filter((lane) => lane.nextAt < Infinity)
        .filter((lane) => holding.get(laneId(lane.group, lane.key))?.some((run) => run.state === running))
        .map(laneName),
  },
  {
    name: 'D10 a lane says what its head waits for: the system, and the time',
    scope: 'journal',
    broken: ({ holding, snapshot: { lanes, at } }) =>
      lanes.filter((lane) => !followsHead(lane, holding.get(laneId(lane.group, lane.key)), at)).map(laneName),
  },
  {
    name: 'A15 a wait is due as soon as its link is there',
    scope: 'journal',
    broken: ({ snapshot: { linkWaits } }) =>
      linkWaits.filter(({ due, known }) => known && !due).map(laneName),
  },
  {
    name: 'A15 a lane that waits for a link until later has said for which',
    scope: 'engine',
    broken: ({ snapshot: { lanes, linkWaits, at } }) => {
      const told = new Set(linkWaits.map(({ group, key }) => laneId(group, key)))
      const wait = lanes.filter(({ awaits, nextAt }) => awaits === 'link' && nextAt > at)
      return wait.filter(({ group, key }) => !told.has(laneId(group, key))).map(laneName)
    },
  },
  {
    name: 'D2 an open run that does not hold its lane is parked',
    scope: 'engine',
    broken: ({ snapshot: { runs } }) =>
      runs.filter((run) => isOpen(run) && !run.holds && run.state !== parked).map(runId),
  },
  {
    name: 'D2 a run that awaits something is not running, and has not ended',
    scope: 'engine',
    broken: ({ snapshot: { runs } }) =>
      runs
        .filter(({ awaits }) => awaits !== null)
        // A claim keeps 'gap': it says that the time of the gap is over, also after a crash.
        .filter((run) => (run.state === running && run.awaits !== 'gap') || !isOpen(run))
        .map(runId),
  },
  {
    name: 'D9 a run that has ended says so of its steps',
    scope: 'engine',
    broken: ({ snapshot }) => brokenEnds(snapshot),
  },
  {
    name: 'D9 nothing is undone in a run that goes forward',
    scope: 'engine',
    broken: ({ snapshot: { runs, steps } }) => {
      const forward = new Set(runs.filter((run) => !run.compensating).map(runId))
      return steps.filter((step) => goesBack(step) && forward.has(runId(step))).map(stepId)
    },
  },
  {
    name: 'D4 an owner is alive',
    scope: 'journal',
    broken: ({ snapshot: { groups, workers } }) =>
      groups
        .filter(
          ({ owner }) => owner !== null && !workers.some((worker) => worker.id === owner && !worker.dead),
        )
        .map(({ group, part, owner }) => `${group}/${part} of ${owner}`),
  },
  {
    name: 'D4 a group without an owner has no running run',
    scope: 'engine',
    broken: ({ snapshot: { runs, groups } }) =>
      runs
        .filter((run) => run.state === running)
        .filter((run) =>
          groups.some(
            (each) =>
              each.group === run.group && (run.khash ?? 0) % each.parts === each.part && each.owner === null,
          ),
        )
        .map(runId),
  },
  {
    name: 'D2 a position lies within the log',
    scope: 'engine',
    broken: ({ snapshot: { positions, events } }) =>
      positions
        .filter(({ position }) => position > (events.at(-1)?.seq ?? 0))
        .map(({ flow, part, position }) => `flow ${flow}/${part} at ${position}`),
  },
  {
    name: 'D4 a suspect is dated',
    scope: 'journal',
    broken: ({ snapshot: { groups } }) =>
      groups
        .filter((each) => each.suspectTo > 0 && (each.suspectSince === null || each.suspectAt === null))
        .map(({ group, part }) => `${group}/${part}`),
  },
]

const stepId = (step: SnapshotStep) => `step ${step.step} of ${runId(step)}`

function goesBack({ state }: SnapshotStep): boolean {
  const { undoing, undoFailed, undone, kept } = stepState
  return [undoing, undoFailed, undone, kept].some((each) => each === state)
}

/** Of a succeeded run all steps are done or skipped; of a compensated one nothing is done, open or in doubt. */
function brokenEnds({ runs, steps }: JournalSnapshot): string[] {
  const ended = new Map(runs.filter((run) => run.state >= succeeded).map((run) => [runId(run), run.state]))
  const { done, skipped, undone, kept, failed } = stepState
  const allowed = new Map<number, readonly number[]>([
    [runState.succeeded, [done, skipped]],
    [runState.compensated, [skipped, undone, kept, failed]],
  ])
  return steps
    .filter((step) => {
      const states = allowed.get(ended.get(runId(step)) ?? 0)
      return states && (!states.includes(step.state) || (step.maybeAt !== null && step.state !== kept))
    })
    .map(stepId)
}

function passedWithoutRow({ snapshot, rows }: SnapshotIndex): string[] {
  const { flows, events, groups, positions } = snapshot
  const missing: string[] = []
  for (const flow of flows.filter((each) => !each.removed)) {
    const after = new Map(flow.types.map((type, index) => [type, flow.typeAfter[index] ?? 0]))
    const parts = groups.find((each) => each.group === flow.group)?.parts ?? 1
    const byPart = new Map(
      positions.filter((each) => each.flow === flow.id).map((each) => [each.part, each.position]),
    )
    for (const { seq, type, khash } of events) {
      const counts = seq > flow.fromSeq && seq > (after.get(type) ?? Infinity)
      if (counts && seq <= (byPart.get(khash % parts) ?? 0) && !rows.has(`${flow.id}/${seq}/0`))
        missing.push(`flow ${flow.id} passed event ${seq}`)
    }
  }
  return missing
}

function followsHead(lane: SnapshotLane, runs: readonly SnapshotRun[] | undefined, at: number): boolean {
  const head = runs?.[0]
  if (!head || lane.system !== head.system || lane.awaits !== head.awaits) return !head
  if (lane.nextAt === Infinity) return true
  if (head.awaits !== null) return lane.nextAt === head.nextAt
  return head.state === waiting ? lane.nextAt <= at : head.state === retrying && lane.nextAt === head.nextAt
}

/** What a later snapshot must not have changed: final states, and everything that only moves forward. */
export function brokenHistory(before: JournalSnapshot, after: JournalSnapshot): string[] {
  return [...changedEnds(before, after), ...movedBack(before, after)]
}

function changedEnds(before: JournalSnapshot, after: JournalSnapshot): string[] {
  const now = new Map(after.runs.map((run) => [runId(run), run.state]))
  return before.runs
    .filter((run) => !isOpen(run) && now.get(runId(run)) !== run.state && !isTurned(run, after))
    .map((run) => `D4 a final state is final: ${runId(run)} was ${run.state} and is ${now.get(runId(run))}`)
}

/** A person compensates a run that had succeeded; it is audited. */
function isTurned({ flow, seq, state }: SnapshotRun, { runs, audit, flows }: JournalSnapshot): boolean {
  const run = runs.find((each) => each.flow === flow && each.seq === seq)
  const name = flows.find(({ id }) => id === flow)?.name
  const audited = audit.some(({ verb, object }) => verb === 'compensate' && object === `run ${name}/${seq}`)
  return state === succeeded && audited && run?.compensating === true
}

function movedBack(before: JournalSnapshot, after: JournalSnapshot): string[] {
  const forward = (snapshot: JournalSnapshot): Map<string, number> =>
    new Map([
      // Of a flow's partitions the lowest: when their number changes, all go on from there.
      ...snapshot.flows.map(({ id }) => {
        const own = snapshot.positions.filter(({ flow }) => flow === id)
        return [`position ${id}`, Math.min(...own.map(({ position }) => position))] as const
      }),
      ...snapshot.groups.map(({ group, part, epoch }) => [`epoch ${group}/${part}`, epoch] as const),
      ...snapshot.groups.map(
        ({ group, part, claimedTo }) => [`claimedTo ${group}/${part}`, claimedTo] as const,
      ),
      ...snapshot.flows.map(({ id, version }) => [`version ${id}`, version] as const),
    ])
  const then = forward(before)
  return [...forward(after)]
    .filter(([name, value]) => value < (then.get(name) ?? value))
    .map(([name, value]) => `D2 only moves forward: ${name} was ${then.get(name)} and is ${value}`)
}

/** D2e, D2f: what has waited longer than it should, on systems that are open and in groups that are not paused. */
export function overdue(snapshot: JournalSnapshot, maxMs: number): string[] {
  const closed = new Set(
    snapshot.systems.filter((each) => each.paused || each.breaker !== 'closed').map(({ id }) => id),
  )
  const paused = new Set(snapshot.groups.filter((each) => each.paused).map((each) => each.group))
  const lanes = snapshot.lanes.filter(
    (lane) => snapshot.at - lane.nextAt > maxMs && !closed.has(lane.system) && !paused.has(lane.group),
  )
  const open = closed.size === 0
  const flows = snapshot.flows.filter((flow) => open && !flow.removed && !paused.has(flow.group))
  return [
    ...lanes.map((lane) => `D2e due but not taken: ${laneName(lane)}`),
    ...flows.flatMap((flow) => pendingTooLong(snapshot, flow, maxMs)),
  ]
}

function pendingTooLong(
  { events, positions, runs, groups, at }: JournalSnapshot,
  flow: JournalSnapshot['flows'][number],
  maxMs: number,
): string[] {
  const parts = groups.find((each) => each.group === flow.group)?.parts ?? 1
  const rows = new Set(runs.filter((run) => run.flow === flow.id).map((run) => run.seq))
  const late = events.filter(({ seq, type, khash, receivedAt }) => {
    const after = flow.typeAfter[flow.types.indexOf(type)] ?? Infinity
    const position =
      positions.find((each) => each.flow === flow.id && each.part === khash % parts)?.position ?? 0
    return seq > after && seq > flow.fromSeq && seq > position && at - receivedAt > maxMs && !rows.has(seq)
  })
  return late.map(({ seq }) => `D2f pending: flow ${flow.id}, event ${seq}`)
}
