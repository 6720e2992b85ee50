import type { Database } from '../../journal/database.ts'
import type { RegisteredStep } from '../../journal/port.ts'
import { stepState } from '../../journal/port.ts'
import { parseExactly } from '../exact-json.ts'
import type { Step } from '../schema/run.ts'
import type { DatabaseTime } from '../moment.ts'
import { iso } from '../moment.ts'
import type { RunAddress, RunRecord } from './run-facts.ts'

interface StepRow {
  readonly step: string
  readonly state: number
  readonly tries: number
  readonly attempts: number
  readonly first_at: DatabaseTime
  readonly ended_at: DatabaseTime
  readonly next_at: DatabaseTime
  readonly maybe_at: DatabaseTime
  readonly status: number | null
  readonly result: string | null
  readonly input: string | null
  readonly code: string | null
  readonly message: string | null
  readonly reason: string | null
  readonly key_no: number
}

/** A step as it is recorded; what a person may do to it is found out apart. */
export type BareStep = Omit<Step, 'idempotencyKey' | 'traceId' | 'ids' | 'acts'> & {
  /** How often its data was edited. */
  readonly keyNo: number
}

/** The declared steps of a run's flow in their order, with what is recorded of them, and recorded ones that the flow no longer has. */
export async function stepsOf(
  database: Database,
  {
    record,
    declared,
    address,
  }: { record: RunRecord; declared: readonly RegisteredStep[]; address: RunAddress },
): Promise<BareStep[]> {
  const rows = await database.query<StepRow>({
    text: `SELECT step, state, tries, attempts, first_at, ended_at, next_at, maybe_at, status, result, input, code, message, reason, key_no
           FROM steps WHERE flow = $1 AND seq = $2 AND gen = $3 ORDER BY first_at, step LIMIT 200`,
    values: [address.flow, address.seq, address.gen],
  })
  const byName = new Map(rows.map((row) => [row.step, row]))
  const gone = rows.filter((row) => !declared.some(({ name }) => name === row.step))
  const only = declared.length === 1
  return [
    ...declared.map((step) => {
      const row = byName.get(step.name)
      if (row) return recordedStep(step, row)
      return only ? onlyStep(step, record) : { ...unbegun, ...declaredStep(step) }
    }),
    ...gone.map((row) => recordedStep({ name: row.step }, row)),
  ]
}

const unbegun = {
  state: 'pending',
  tries: 0,
  attempts: 0,
  firstAt: null,
  endedAt: null,
  nextAt: null,
  inDoubt: false,
  status: null,
  code: null,
  message: null,
  reason: null,
  result: null,
  input: null,
  keyNo: 0,
} as const

/** A step as its flow declares it, with what the registration leaves out. */
export function declaredStep({ name, kind, after, system }: RegisteredStep) {
  return { name, kind: kind ?? 'call', after: [...(after ?? [])], system: system ?? null }
}

function recordedStep(step: RegisteredStep, row: StepRow): BareStep {
  return {
    ...declaredStep(step),
    state: stepWord(row.state),
    tries: row.tries,
    attempts: row.attempts,
    firstAt: iso(row.first_at),
    endedAt: iso(row.ended_at),
    nextAt: iso(row.next_at),
    inDoubt: row.maybe_at !== null,
    status: row.status,
    code: row.code,
    message: row.message,
    reason: row.reason,
    result: jsonOrNull(row.result),
    input: jsonOrNull(row.input),
    keyNo: row.key_no,
  }
}

/** A flow of one step records nothing apart from its run. */
function onlyStep(step: RegisteredStep, record: RunRecord): BareStep {
  const { tries, attempts, firstAt, endedAt, nextAt, status, code, message, reason } = record
  return {
    ...unbegun,
    ...declaredStep(step),
    ...{ tries, attempts, firstAt, endedAt, nextAt, status, code, message, reason },
    state: wordsOfRun.get(record.state ?? 0) ?? 'pending',
  }
}

const wordsOfRun: ReadonlyMap<number, Step['state']> = new Map([
  [1, 'waiting'],
  [2, 'retrying'],
  [3, 'running'],
  [4, 'failed'],
  [10, 'done'],
  [11, 'skipped'],
  [12, 'skipped'],
  [13, 'undone'],
])

/** The word for a step's state. */
export function stepWord(state: number): Step['state'] {
  const [name = 'pending'] = Object.entries(stepState).find(([, value]) => value === state) ?? []
  return name === 'undoFailed' ? 'undo-failed' : (name as Step['state'])
}

function jsonOrNull(text: string | null): unknown {
  return text === null ? null : parseExactly(text)
}
