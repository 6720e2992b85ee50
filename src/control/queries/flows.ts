import type { Database } from '../../journal/database.ts'
import { flowDeployments } from '../../journal/sql-versions.ts'
import type { RegisteredStep } from '../../journal/port.ts'
import type { Flow, FlowStatus } from '../schema/overview.ts'
import { backlogs, together } from './backlog.ts'
import type { Backlog } from './backlog.ts'
import { noneOpen, openByFlow } from './open-counts.ts'
import { declaredStep } from './steps.ts'

interface FlowRow {
  name: string
  version: number
  types: string[]
  steps: readonly RegisteredStep[] | null
  from_seq: number
}

/** The flows in force as they are declared, and how far each has come; `behind`, where the caller knows it already. */
export async function listFlows(database: Database, behind?: readonly Backlog[]): Promise<Flow[]> {
  const rows = await database.query<FlowRow>({
    text: `SELECT name, version, types, declaration -> 'steps' AS steps, from_seq FROM flows
           WHERE NOT removed ORDER BY grp, ord, name`,
  })
  const progress = new Map(statusesOf(behind ?? (await backlogs(database))).map((flow) => [flow.flow, flow]))
  const open = await openByFlow(database)
  const deployments = new Map((await flowDeployments(database)).map((each) => [each.name, each]))
  return rows.flatMap((row) => {
    const status = progress.get(row.name)
    if (!status) return []
    return {
      ...status,
      version: row.version,
      types: row.types,
      steps: (row.steps ?? []).map(declaredStep),
      deployed: deployments.get(row.name)?.deployed ?? null,
      stranded: deployments.get(row.name)?.stranded ?? 0,
      startsAfter: row.from_seq,
      open: open.get(row.name) ?? noneOpen,
    }
  })
}

/** How far each flow is behind the log: its partitions taken together. */
export function statusesOf(behind: readonly Backlog[]): FlowStatus[] {
  const flows = Map.groupBy(behind, ({ flow }) => flow)
  return [...flows].map(([flow, own]) => {
    const { oldestPendingMs: _, ...status } = together(own)
    return { flow, group: own[0]?.group ?? flow, ...status }
  })
}
