import type { Caller } from '../access/caller.ts'
import { BusbarError } from '../errors.ts'
import type { Database } from '../journal/database.ts'
import type { CheckedInput, RouteScope } from './route.ts'
import type { RouteId, Routes } from './route-table.ts'

/** The systems that an act touches; undefined: it is for those who are not limited. */
type Touched<Id extends RouteId> = (
  database: Database,
  input: CheckedInput<Routes[Id]>,
) => Promise<readonly string[] | undefined> | readonly string[] | undefined

// All systems of a flow's declaration; $1 its name.
const systemsOfFlow = `
SELECT DISTINCT s ->> 'system' AS system FROM flows f CROSS JOIN jsonb_array_elements(f.declaration -> 'steps') s
WHERE f.name = $1 AND s ->> 'system' IS NOT NULL`

/** A run is judged by the system it needs next; one that never ran, by all of its flow's. */
async function ofRun(
  database: Database,
  { flow, seq, generation }: { readonly flow: string; readonly seq: number; readonly generation: number },
): Promise<readonly string[]> {
  const [run] = await database.query<{ system: string }>({
    text: `SELECT s.name AS system FROM flows f JOIN runs r ON r.flow = f.id JOIN systems s ON s.id = r.system
           WHERE f.name = $1 AND r.seq = $2::bigint AND r.gen = $3::smallint`,
    values: [flow, seq, generation],
  })
  return run ? [run.system] : ofFlow(database, { flow })
}

async function ofFlow(database: Database, { flow }: { readonly flow: string }): Promise<readonly string[]> {
  const rows = await database.query<{ system: string }>({ text: systemsOfFlow, values: [flow] })
  return rows.map(({ system }) => system)
}

/** A step by the system it calls; one that calls none, by all of its flow's. */
async function ofStep(
  database: Database,
  { flow, step }: { readonly flow: string; readonly step: string },
): Promise<readonly string[]> {
  const [row] = await database.query<{ system: string | null }>({
    text: `SELECT s ->> 'system' AS system FROM flows f CROSS JOIN jsonb_array_elements(f.declaration -> 'steps') s
           WHERE f.name = $1 AND s ->> 'name' = $2`,
    values: [flow, step],
  })
  return row?.system == null ? ofFlow(database, { flow }) : [row.system]
}

async function ofGroup(database: Database, { name }: { readonly name: string }): Promise<readonly string[]> {
  const rows = await database.query<{ system: string }>({
    text: `SELECT DISTINCT s ->> 'system' AS system FROM flows f CROSS JOIN jsonb_array_elements(f.declaration -> 'steps') s
           WHERE f.grp = $1 AND NOT f.removed AND s ->> 'system' IS NOT NULL`,
    values: [name],
  })
  return rows.map(({ system }) => system)
}

async function ofReplay(database: Database, { id }: { readonly id: number }): Promise<readonly string[]> {
  const [row] = await database.query<{ name: string }>({
    text: 'SELECT f.name FROM replays r JOIN flows f ON f.id = r.flow WHERE r.id = $1::bigint',
    values: [id],
  })
  return row ? ofFlow(database, { flow: row.name }) : []
}

async function ofProblem(
  database: Database,
  { fingerprint }: { readonly fingerprint: string },
): Promise<readonly string[]> {
  const rows = await database.query<{ system: string }>({
    text: 'SELECT system FROM problems WHERE fp = $1',
    values: [fingerprint],
  })
  return rows.map(({ system }) => system)
}

/** What is asked of many runs, by its problem or system, or by each run; undoing calls other systems, too. */
async function ofBulk(
  database: Database,
  { verb, problem, system, runs }: CheckedInput<Routes['planBulkAct']>,
): Promise<readonly string[] | undefined> {
  if (verb === 'compensate') return undefined
  if (system !== undefined) return [system]
  if (problem !== undefined) return ofProblem(database, { fingerprint: problem })
  return runs && (await Promise.all(runs.map((run) => ofRun(database, run)))).flat()
}

/** An act on many runs by each of its runs: one that undoes by all systems of their flows. */
async function ofBulkAct(database: Database, { id }: { readonly id: number }): Promise<readonly string[]> {
  const rows = await database.query<{ system: string | null }>({
    text: `SELECT DISTINCT coalesce(s.name, d.system) AS system FROM bulk_items i
           LEFT JOIN runs r ON r.flow = i.flow AND r.seq = i.seq AND r.gen = i.gen
           LEFT JOIN systems s ON s.id = r.system
           LEFT JOIN LATERAL (
             SELECT st ->> 'system' AS system FROM flows f CROSS JOIN jsonb_array_elements(f.declaration -> 'steps') st
             WHERE f.id = i.flow AND st ->> 'system' IS NOT NULL
           ) d ON s.id IS NULL -- at a step that calls none: those of its flow
           WHERE i.act = $1::bigint
           UNION
           SELECT DISTINCT s ->> 'system' FROM bulk_acts b JOIN bulk_items i ON i.act = b.id JOIN flows f ON f.id = i.flow
           CROSS JOIN jsonb_array_elements(f.declaration -> 'steps') s
           WHERE b.id = $1::bigint AND b.verb = 'compensate' AND s ->> 'system' IS NOT NULL`,
    values: [id],
  })
  return rows.map(({ system }) => system ?? '')
}

const ofName = (_: Database, { name }: { readonly name: string }) => [name]
const ofSystem = (_: Database, { system }: { readonly system: string }) => [system]

/** What is not named here (the outbox, queues, flows, expectations, alerts, whatever comes) is for those who are not limited. */
const touched: { readonly [Id in RouteId]?: Touched<Id> } = {
  retryRun: ofRun,
  skipRun: ofRun,
  compensateRun: ofFlow, // its undoing calls the systems of all its steps
  previewStep: ofStep,
  editStep: ofStep,
  supplyResult: ofStep,
  skipStep: ofStep,
  approveStep: ofStep,
  refuseStep: ofStep,
  retryRuns: (_, { system }) => (system === undefined ? undefined : [system]),
  planBulkAct: ofBulk,
  startBulkAct: ofBulkAct,
  pauseBulkAct: ofBulkAct,
  resumeBulkAct: ofBulkAct,
  cancelBulkAct: ofBulkAct,
  setLink: ofSystem,
  removeLink: ofSystem,
  planReplay: ofFlow,
  compareReplay: ofReplay,
  startReplay: ofReplay,
  pauseReplay: ofReplay,
  resumeReplay: ofReplay,
  cancelReplay: ofReplay,
  testSystem: ofName,
  setMaintenance: ofName,
  endMaintenance: ofName,
  pauseSystem: ofName,
  resumeSystem: ofName,
  pauseGroup: ofGroup,
  resumeGroup: ofGroup,
  changeProblem: ofProblem,
}

/** What is asked for, by whom. */
interface Asked {
  readonly caller: Caller
  readonly id: RouteId
  readonly scope: RouteScope
}

/** Refuses what is never for somebody limited to systems, before anything of the request is read. Throws `request.forbidden`. */
export function checkForLimited({ caller: { systems }, id, scope }: Asked): void {
  if (systems && scope === 'operate' && !touched[id])
    throw new BusbarError(
      'request.forbidden',
      `you may act on ${systems.join(', ')} only, and this is not about one system`,
    )
}

/** Refuses an act of somebody limited to systems that would touch another one. Throws `request.forbidden`. */
export async function checkWithinSystems(
  database: Database,
  { caller: { systems }, id, scope, input }: Asked & { readonly input: unknown },
): Promise<void> {
  if (!systems || scope !== 'operate') return
  const find = touched[id] as Touched<never> | undefined
  const found = await find?.(database, input as never)
  const only = `you may act on ${systems.join(', ')} only`
  if (!found) throw new BusbarError('request.forbidden', `${only}: say which, with "problem" or "system"`)
  if (found.length === 0)
    throw new BusbarError('request.forbidden', `${only}, and this is about none of them`)
  const other = found.find((system) => !systems.includes(system))
  if (other !== undefined)
    throw new BusbarError(
      'request.forbidden',
      `${only}; this is about ${other === '' ? 'none of them' : other}`,
    )
}
