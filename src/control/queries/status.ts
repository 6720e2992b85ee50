import type { Database } from '../../journal/database.ts'
import { flowStandings } from '../../journal/sql-versions.ts'
import { explainStatus } from '../explain-status.ts'
import type { Status } from '../schema/overview.ts'
import type { System } from '../schema/system.ts'
import type { Backlog } from './backlog.ts'
import { backlogs, together } from './backlog.ts'
import { overdueCount } from './expectations.ts'
import { statusesOf } from './flows.ts'
import { maxCounted, openByFlow, sumOf } from './open-counts.ts'
import { outboxFacts } from './outbox.ts'
import { parkedCauses } from './parked.ts'
import { listSystems } from './systems.ts'
import { readTransportStatus } from './transport.ts'
import type { TransportInUse } from './transport.ts'
import type { NounOf } from './waiting.ts'

/** What is true now. Bounded queries, one after another: not one snapshot, but of the same second. */
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
  readonly people: Awaited<ReturnType<typeof parkedCauses>>
}> {
  const now = await moment(database)
  const behind = await backlogs(database)
  const open = sumOf((await openByFlow(database)).values())
  const systems = await listSystems(database, { nounOf, behind })
  const people = await parkedCauses(database, nounOf, mostCauses)
  const outbox = await outboxFacts(database)
  const overdue = await overdueCount(database)
  const transport = await readTransportStatus(database, carried)
  const standings = await flowStandings(database)
  const undeployed = standings
    .filter(({ deployed, open: runs, pending: waits }) => deployed === false && (runs > 0 || waits))
    .map(({ name, open: runs, pending: waits }) => ({ flow: name, open: runs, pending: waits }))
  const stranded = standings
    .filter(({ stranded: runs }) => runs > 0)
    .map(({ name, stranded: runs }) => ({ flow: name, runs }))
  const flows = statusesOf(behind)
  const isRun = new Map(standings.map(({ name, deployed }) => [name, deployed !== false]))
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
      ...people,
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
  return { status, systems, behind, people }
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
