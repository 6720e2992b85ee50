import type { Database } from '../../journal/database.ts'
import type { FlowDeployment } from '../../journal/port-versions.ts'
import { flowDeployments, mostCounted } from '../../journal/sql-versions.ts'
import { explainStatus } from '../explain-status.ts'
import type { Status } from '../schema/overview.ts'
import type { System } from '../schema/system.ts'
import type { Backlog } from './backlog.ts'
import { backlogs, together } from './backlog.ts'
import { overdueCount } from './expectations.ts'
import { statusesOf } from './flows.ts'
import { maxCounted, noneOpen, openByFlow, openByState, totalOf } from './open-counts.ts'
import { outboxFacts } from './outbox.ts'
import { parkedCauses } from './parked.ts'
import { listSystems } from './systems.ts'
import { readTransportStatus } from './transport.ts'
import type { TransportInUse } from './transport.ts'
import type { NounOf } from './waiting.ts'

/** What is true now. Bounded queries, two at a time: not one snapshot, but of the same second. */
export async function readStatus(
  database: Database,
  carried: TransportInUse,
  nounOf: NounOf,
): Promise<Status> {
  const { status } = await readStanding(database, carried, nounOf)
  return status
}

/** The same, with what it was made of. */
export async function readStanding(
  database: Database,
  carried: TransportInUse,
  nounOf: NounOf,
): Promise<{
  readonly status: Status
  readonly systems: readonly System[]
  readonly behind: readonly Backlog[]
}> {
  const [{ behind, deployments }, { now, open, people, outbox, overdue, transport }] = await Promise.all([
    readLog(database),
    readRuns(database, carried, nounOf),
  ])
  const systems = await listSystems(database, { nounOf, behind, parked: people.holding })
  const undeployed = await undeployedFlows(database, deployments, behind)
  const stranded = deployments
    .filter(({ stranded: runs }) => runs > 0)
    .map(({ name, stranded: runs }) => ({ flow: name, runs }))
  const flows = statusesOf(behind)
  const isRun = new Map(deployments.map(({ name, deployed }) => [name, deployed !== false]))
  // What waits for a flow that nobody runs is not late: it is said apart.
  const { pending, oldestPendingAt, oldestPendingMs } = together(
    behind.filter(({ flow }) => isRun.get(flow) ?? true),
  )
  const facts = {
    pending,
    oldestPendingAt,
    oldestPendingMs,
    systems,
    overdue,
    undeployed,
    stranded,
    maxCounted,
    pausedGroups: now.pausedGroups,
    outbox,
    transport,
  }
  const status = {
    ...explainStatus({
      ...facts,
      causes: people.causes,
      parked: people.parked,
      flows: flows.length,
      retrying: open.retrying,
      liveWorkers: now.workers.live,
    }),
    head: now.head,
    flows,
    open,
    oldestPendingMs,
    overdue,
    systems: systems.map(({ name, standing, changedAt, until }) => ({
      name,
      standing,
      since: changedAt,
      until,
    })),
    workers: now.workers,
    undeployed,
    stranded,
    pausedGroups: now.pausedGroups,
    transport,
  }
  return { status, systems, behind }
}

/** How far the flows have come in the log: what takes longest where they are behind. */
async function readLog(database: Database) {
  return { behind: await backlogs(database), deployments: await flowDeployments(database) }
}

/** What is open, and all else that decides. */
async function readRuns(database: Database, carried: TransportInUse, nounOf: NounOf) {
  return {
    now: await moment(database),
    open: await openByState(database),
    people: await parkedCauses(database, nounOf, mostCauses),
    outbox: await outboxFacts(database),
    overdue: await overdueCount(database),
    transport: await readTransportStatus(database, carried),
  }
}

/** Flows that nobody runs although something is left to do for them; their runs are counted only where there is one. */
async function undeployedFlows(
  database: Database,
  deployments: readonly FlowDeployment[],
  behind: readonly Backlog[],
): Promise<Status['undeployed']> {
  const idle = deployments.filter(({ deployed }) => deployed === false)
  if (idle.length === 0) return []
  const openOf = await openByFlow(database)
  return idle
    .map(({ name }) => ({
      flow: name,
      open: Math.min(mostCounted, totalOf(openOf.get(name) ?? noneOpen)),
      pending: behind.some(({ flow, pending }) => flow === name && pending > 0),
    }))
    .filter(({ open, pending }) => open > 0 || pending)
}

/** Causes that are looked at: more than are named. */
const mostCauses = 10

interface Now {
  readonly head: number
  readonly workers: { readonly live: number; readonly late: number }
  readonly pausedGroups: string[]
}

async function moment(database: Database): Promise<Now> {
  const [row] = await database.query<{
    head: number
    live: number
    late: number
    paused: string[]
  }>({
    name: 'moment',
    text: `SELECT (SELECT coalesce(max(seq), 0) FROM events) AS head,
                  (SELECT count(*) FROM workers WHERE NOT dead AND lease_until >= clock_timestamp()) AS live,
                  (SELECT count(*) FROM workers WHERE NOT dead AND lease_until < clock_timestamp()) AS late,
                  ARRAY(SELECT DISTINCT grp FROM lane_groups WHERE paused ORDER BY grp) AS paused`,
  })
  return {
    head: row?.head ?? 0,
    workers: { live: row?.live ?? 0, late: row?.late ?? 0 },
    pausedGroups: row?.paused ?? [],
  }
}
