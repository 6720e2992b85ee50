import type { Database } from '../../journal/database.ts'
import type { RegisteredStep } from '../../journal/port.ts'
import type { FlowCode, KnownFlow } from '../flow-code.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Attempt, Lane, RunDetail, RunRef, Step } from '../schema/run.ts'
import { stateWord } from '../state-word.ts'
import { actsOn } from './acts-on.ts'
import { eventContent } from './events.ts'
import { namesOfRun } from './object.ts'
import { actsOnRun } from './possible-acts.ts'
import type { PossibleActs } from './possible-acts.ts'
import { runRecords } from './run-facts.ts'
import type { RunAddress, RunRecord } from './run-facts.ts'
import { runOf } from './runs.ts'
import { stepsOf } from './steps.ts'

/**
 * The run whole; undefined when it has no row: there is no such flow or event, or the flow has not reached it. `code` says
 * its idempotency keys, where this process has the flow.
 */
export async function findRun(
  database: Database,
  ref: RunRef,
  code?: FlowCode,
): Promise<RunDetail | undefined> {
  const [flow] = await database.query<FlowRow>({
    text: `SELECT id, declaration -> 'steps' AS steps FROM flows WHERE name = $1`,
    values: [ref.flow],
  })
  if (!flow) return undefined
  const address = { flow: flow.id, seq: ref.seq, gen: ref.generation }
  const [record] = await runRecords(database, [address])
  const event = record && (await eventContent(database, ref.seq))
  if (!record || !event) return undefined
  const declared = flow.steps ?? []
  const bare = await stepsOf(database, { record, declared, address })
  const possible = await actsOnRun(database, address, bare)
  const keyed = keysOf(code?.(ref.flow), record, possible)
  const ids = await idsOf(database, address)
  const traceId = traceOf(event.extensions)
  const steps = bare.map(({ keyNo, ...step }): Step => ({
    ...step,
    ...sentWith(step.kind === 'call' ? keyed(step.name, keyNo) : null, traceId),
    ids: ids
      .filter((each) => each.step === step.name)
      .map(({ kind, id, external }) => ({ kind, id, external })),
    acts: possible.steps.get(step.name) ?? [],
  }))
  return {
    ...runOf(record),
    event,
    steps,
    history: await attemptsOf(database, address),
    lane: await laneOf(database, record, address),
    traceId,
    compensating: possible.compensating,
    acts: [...possible.run],
    audit: await actsOn(database, namesOfRun(record, bare)),
  }
}

interface FlowRow {
  readonly id: number
  readonly steps: readonly RegisteredStep[] | null
}

/** The idempotency keys of a run's steps; null where the process does not have the flow's code. */
function keysOf(
  known: KnownFlow | undefined,
  { source, eventId }: RunRecord,
  { keyGen, compensating }: PossibleActs,
): (step: string, keyNo: number) => string | null {
  if (!known) return () => null
  const event = { source, id: eventId }
  return (step, keyNo) => known.idempotencyKey({ event, keyGen, compensating, step, keyNo })
}

/** Without a trace of the event the engine makes one of the step's idempotency key. */
function sentWith(idempotencyKey: string | null, traceId: string | null) {
  return { idempotencyKey, traceId: idempotencyKey && (traceId ?? idempotencyKey.slice(0, 32)) }
}

/** The event's own trace, which its requests go on with. */
function traceOf(extensions: Readonly<Record<string, string>>): string | null {
  return /^00-([0-9a-f]{32})-/.exec(extensions['traceparent'] ?? '')?.[1] ?? null
}

/** The ids that steps of the run gave (links_by_run). */
function idsOf(
  database: Database,
  run: RunAddress,
): Promise<{ step: string; kind: string; id: string; external: string }[]> {
  return database.query({
    text: `SELECT step, kind, cid AS id, ext AS external FROM links
           WHERE flow = $1 AND seq = $2 AND gen = $3 AND ext IS NOT NULL ORDER BY at LIMIT 500`,
    values: [run.flow, run.seq, run.gen],
  })
}

type AttemptRow = Omit<Attempt, 'at'> & { readonly at: DatabaseTime }

/** The newest 200 attempts, oldest first. The primary key begins with the run. */
async function attemptsOf(database: Database, run: RunAddress): Promise<Attempt[]> {
  const rows = await database.query<AttemptRow>({
    text: `SELECT step, no AS number, kind, outcome, at, ms, status, code, message, request, response, worker
           FROM attempts WHERE flow = $1 AND seq = $2 AND gen = $3 ORDER BY no DESC, at DESC LIMIT 200`,
    values: [run.flow, run.seq, run.gen],
  })
  return rows.map((row) => ({ ...row, at: isoAlways(row.at) })).reverse()
}

/** The lane of an open run, and how many open runs stand before and behind this one in it (runs_open_by_lane). */
async function laneOf(database: Database, record: RunRecord, run: RunAddress): Promise<Lane | null> {
  if (record.laneKey === null || record.state === null || record.state >= 10) return null
  const [row] = await database.query<{ before: number; behind: number }>({
    text: `SELECT (SELECT count(*) FROM (
                     SELECT FROM runs o
                     WHERE o.grp = r.grp AND o.key = r.key AND o.state < 10 AND o.holds
                       AND (o.lord, o.seq, o.ord) < (r.lord, r.seq, r.ord) LIMIT 1000
                   ) w) AS before,
                  (SELECT count(*) FROM (
                     SELECT FROM runs o
                     WHERE o.grp = r.grp AND o.key = r.key AND o.state < 10
                       AND (o.lord, o.seq, o.ord) > (r.lord, r.seq, r.ord) LIMIT 1000
                   ) w) AS behind
           FROM runs r WHERE r.flow = $1 AND r.seq = $2 AND r.gen = $3`,
    values: [run.flow, run.seq, run.gen],
  })
  const { head } = record
  return {
    group: record.group,
    key: record.laneKey,
    head: head && {
      flow: head.flow,
      seq: head.seq,
      generation: head.generation,
      state: stateWord(head.state),
    },
    nextAt: record.laneNextAt,
    awaits: record.awaits,
    reason: record.laneReason,
    before: row?.before ?? 0,
    behind: row?.behind ?? 0,
  }
}
