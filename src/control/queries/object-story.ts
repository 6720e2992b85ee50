import type { Database } from '../../journal/database.ts'
import type { RegisteredStep } from '../../journal/port.ts'
import { explainRun } from '../explain.ts'
import { iso, isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { StoryEntry } from '../schema/object.ts'
import type { RunRef } from '../schema/run.ts'
import { stateWord } from '../state-word.ts'
import type { ObjectEvent } from './object-events.ts'
import type { RunRecord } from './run-facts.ts'
import { declaredStep, stepWord } from './steps.ts'

/** Attempts that are told of each run, the newest ones. */
const maxAttempts = 50
/** Rows of steps of all runs of one page. */
const maxSteps = 2_000

/** Declared steps by flow. */
export type DeclaredSteps = ReadonlyMap<string, readonly RegisteredStep[]>

/** How the flows are declared. */
export async function declaredSteps(database: Database): Promise<DeclaredSteps> {
  const rows = await database.query<{ name: string; steps: readonly RegisteredStep[] | null }>({
    text: `SELECT name, declaration -> 'steps' AS steps FROM flows`,
  })
  return new Map(rows.map(({ name, steps }) => [name, steps ?? []]))
}

const runsText = `unnest($1::smallint[], $2::bigint[], $3::smallint[]) WITH ORDINALITY AS a (flow, seq, gen, place)`

// The primary key of attempts begins with the run. The first of each step's successes goes without saying: the step says it.
const attemptsText = `
SELECT a.place, t.* FROM ${runsText} CROSS JOIN LATERAL (
  SELECT t.step, t.no, t.kind, t.outcome, t.at, t.ms, t.status, t.code, t.message FROM attempts t
  WHERE t.flow = a.flow AND t.seq = a.seq AND t.gen = a.gen AND t.outcome <> 'succeeded'
  ORDER BY t.no DESC, t.at DESC LIMIT ${maxAttempts}
) t ORDER BY t.at, t.no`

// So do those of steps, and links_by_run.
const stepsText = `
SELECT a.place, s.step, s.state, s.attempts, s.ms, s.status, s.ended_at, s.reason
FROM ${runsText} JOIN steps s ON s.flow = a.flow AND s.seq = a.seq AND s.gen = a.gen
WHERE s.state >= 10 ORDER BY s.ended_at LIMIT ${maxSteps}`
const idsText = `
SELECT a.place, k.step, k.kind, k.cid AS id, k.ext AS external
FROM ${runsText} JOIN links k ON k.flow = a.flow AND k.seq = a.seq AND k.gen = a.gen
WHERE k.ext IS NOT NULL ORDER BY k.at LIMIT ${maxSteps}`

interface OfRun {
  /** From 1 on, in the order of the runs. */
  readonly place: number
  readonly step: string
}
interface AttemptRow extends OfRun {
  readonly no: number
  readonly kind: string
  readonly outcome: string
  readonly at: DatabaseTime
  readonly ms: number
  readonly status: number | null
  readonly code: string | null
  readonly message: string | null
}
interface StepRow extends OfRun {
  readonly state: number
  readonly attempts: number
  readonly ms: number | null
  readonly status: number | null
  readonly ended_at: DatabaseTime
  readonly reason: string | null
}
interface IdRow extends OfRun {
  readonly kind: string
  readonly id: string
  readonly external: string
}

/** All that happened in these events and their runs, in time order. */
export async function storyOf(
  database: Database,
  {
    events,
    runs,
    declared,
    systems,
  }: {
    readonly events: readonly ObjectEvent[]
    readonly runs: readonly RunRecord[]
    readonly declared: DeclaredSteps
    /** Names of all systems: a source that ends in one is that system. */
    readonly systems: readonly string[]
  },
): Promise<StoryEntry[]> {
  const values = [
    runs.map(({ flowId }) => flowId),
    runs.map(({ seq }) => seq),
    runs.map(({ generation }) => generation),
  ]
  const attempts = await database.query<AttemptRow>({ text: attemptsText, values })
  const steps = await database.query<StepRow>({ text: stepsText, values })
  const ids = await database.query<IdRow>({ text: idsText, values })
  const entries = [
    ...events.map((event) => eventEntry(event, systems)),
    ...runs.flatMap((run, index) => {
      const own = <Row extends OfRun>(rows: readonly Row[]) => rows.filter(({ place }) => place === index + 1)
      return runEntries(run, {
        declared: declared.get(run.flow) ?? [],
        attempts: own(attempts),
        steps: own(steps),
        ids: own(ids),
      })
    }),
  ]
  return entries.sort((one, other) => one.at.localeCompare(other.at))
}

function eventEntry(row: ObjectEvent, systems: readonly string[]): StoryEntry {
  const { seq, source, id, type, key } = row
  return {
    kind: 'event',
    at: isoAlways(row.received_at),
    system:
      systems.find((name) => source === name || source.endsWith(`/${name}`) || source.endsWith(`:${name}`)) ??
      source,
    run: null,
    step: null,
    ...{ seq, source, id, type, key },
    echoOf:
      row.echo_flow === null
        ? null
        : {
            flow: row.echo_flow,
            seq: row.echo_seq,
            generation: row.echo_gen,
            step: row.echo_step,
            system: row.echo_system,
          },
  }
}

interface RunParts {
  readonly declared: readonly RegisteredStep[]
  readonly attempts: readonly AttemptRow[]
  readonly steps: readonly StepRow[]
  readonly ids: readonly IdRow[]
}

function runEntries(record: RunRecord, { declared, attempts, steps, ids }: RunParts): StoryEntry[] {
  const run: RunRef = { flow: record.flow, seq: record.seq, generation: record.generation }
  const systemOf = (name: string) => {
    const step = declared.find((each) => each.name === name)
    return step ? declaredStep(step).system : null
  }
  const idsOf = (name: string) =>
    ids.filter(({ step }) => step === name).map(({ kind, id, external }) => ({ kind, id, external }))
  const parked = record.state === 4
  const told = attempts.map((row): StoryEntry => {
    const { step, no, kind, outcome, ms, status, code, message } = row
    const last = attempts.findLast((each) => each.step === step)
    return {
      kind: 'attempt',
      at: isoAlways(row.at),
      system: systemOf(step),
      run,
      step,
      number: no,
      phase: kind,
      ...{ outcome, ms, status, code, message },
      final: parked && row === last && message === record.message,
    }
  })
  const ended = steps.map((row): StoryEntry => {
    const { step, attempts: tries, ms, status, reason } = row
    const at = iso(row.ended_at) ?? record.endedAt ?? record.receivedAt
    return {
      kind: 'step',
      at,
      system: systemOf(step),
      run,
      step,
      state: stepWord(row.state),
      attempts: tries,
      ...{ ms, status, reason },
      ids: idsOf(step),
    }
  })
  return [
    ...told,
    ...ended,
    ...wholeRun(record, { run, declared, idsOf, quiet: told.length + ended.length === 0 }),
  ]
}

/** What the run itself says: a flow of one step records nothing apart from it, and a run that waits has no attempt to show. */
function wholeRun(
  record: RunRecord,
  parts: {
    readonly run: RunRef
    readonly declared: readonly RegisteredStep[]
    readonly idsOf: (step: string) => { kind: string; id: string; external: string }[]
    readonly quiet: boolean
  },
): StoryEntry[] {
  const { run, declared, idsOf, quiet } = parts
  const state = stateWord(record.state)
  const [only] = declared
  const step = declared.length === 1 ? (only?.name ?? null) : null
  const system = record.system?.name ?? (only ? declaredStep(only).system : null)
  const common = { system, run, step }
  if (state === 'succeeded') {
    if (step === null) return []
    const { attempts, ms, status, reason } = record
    const at = record.endedAt ?? record.firstAt ?? record.receivedAt
    return [{ kind: 'step', at, ...common, state: 'done', attempts, ms, status, reason, ids: idsOf(step) }]
  }
  if (record.state !== null && record.state >= 10)
    return [{ kind: 'run', at: record.endedAt ?? record.receivedAt, ...common, state, ...explainRun(record) }]
  return quiet ? [{ kind: 'run', at: record.receivedAt, ...common, state, ...explainRun(record) }] : []
}
