import { hash } from 'node:crypto'
import type { AttemptRow, Awaits, ProblemRow, RunRow, RunState, StepRow } from '../journal/port.ts'
import { runState, stepState } from '../journal/port.ts'
import type { AttemptRecord } from './attempt.ts'
import { concealed } from './conceal-run.ts'
import { storable } from './outcome.ts'
import type { Run, StepRun } from './run.ts'

/** What differs from a run's usual row. */
export interface RowChange {
  readonly state: RunState
  readonly holds?: boolean
  readonly phase?: number
  readonly nextInMs?: number
  readonly ms?: number
  readonly status?: number
  readonly code?: string
  readonly message?: string
  readonly reason?: string
  readonly awaits?: Awaits
  /** The one it waits for, where that is not the step's. */
  readonly system?: number
}

/** The row of a run in this state, told from the step that decides it. */
export function runRow(run: Run, change: RowChange, of: StepRun): RunRow {
  const { code } = change
  return {
    flow: run.flow.id,
    seq: run.event.seq,
    gen: run.gen,
    key: run.key,
    khash: run.event.khash,
    lord: run.lord,
    ord: run.flow.ord,
    system: change.system ?? of.step.gate?.id ?? 0,
    state: change.state,
    holds: change.holds ?? true,
    // Of several steps each says so itself: here it means that an owner was taken over from.
    maybeAt: run.flow.single ? of.maybeAt : null,
    tries: of.tries,
    attempts: of.attempts,
    throttles: of.throttles,
    conflicts: of.conflicts,
    crashes: run.crashes,
    phase: change.phase ?? 0,
    firstAt: of.firstAt,
    nextInMs: change.nextInMs ?? null,
    ms: change.ms === undefined ? null : Math.round(change.ms),
    status: change.status || null,
    code: code ?? null,
    message: change.message ?? null,
    fp:
      code === undefined || change.state >= 10 ? null : fingerprint(systemOf(of), code, change.message ?? ''),
    reason: change.reason ?? null,
    compensating: run.compensating,
    awaits: change.awaits ?? null,
    ...(run.flow.latest && change.state < runState.succeeded && { settleMs: run.flow.latest.settleMs }),
    ...(run.flow.latest && run.echo && { echo: true }),
  }
}

/** The name of the system that a step calls; steps that call none are the flow's own. */
export function systemOf({ run, step }: StepRun): string {
  return step.gate?.name ?? run.flow.name
}

const stateOfPhase = {
  pending: stepState.retrying,
  active: stepState.retrying,
  retrying: stepState.retrying,
  waiting: stepState.waiting,
  failed: stepState.failed,
  undoing: stepState.undoing,
  undoFailed: stepState.undoFailed,
  done: stepState.done,
  skipped: stepState.skipped,
  undone: stepState.undone,
  kept: stepState.kept,
} as const

/** The row of a step as it stands; `now` is monotonic. */
export function stepRow(stepRun: StepRun, now: number): StepRow {
  const { run, step, phase, dueAt, result, trouble } = stepRun
  return {
    flow: run.flow.id,
    seq: run.event.seq,
    gen: run.gen,
    step: step.definition.name,
    state: stateOfPhase[phase],
    tries: stepRun.tries,
    attempts: stepRun.attempts,
    throttles: stepRun.throttles,
    conflicts: stepRun.conflicts,
    firstAt: stepRun.firstAt,
    maybeAt: stepRun.maybeAt,
    nextInMs: dueAt === null ? null : Math.max(0, dueAt - now),
    ms: stepRun.ms === null ? null : Math.round(stepRun.ms),
    status: stepRun.status || null,
    result: result === undefined ? null : resultText(stepRun),
    code: trouble?.code ?? null,
    message: trouble?.message ?? null,
    reason: trouble?.reason ?? null,
  }
}

function resultText({ result, storedResult }: StepRun): string {
  return storedResult && storedResult.value === result ? storedResult.text : JSON.stringify(result)
}

/** The record of one phase of an attempt. */
export function attemptRow(stepRun: StepRun, record: AttemptRecord): AttemptRow {
  const { run, step } = stepRun
  const { exchange } = record
  const conceal = concealed(stepRun)
  return {
    flow: run.flow.id,
    seq: run.event.seq,
    gen: run.gen,
    step: step.definition.name,
    no: stepRun.attempts,
    kind: record.kind,
    outcome: record.outcome,
    at: record.at,
    ms: Math.round(record.ms),
    status: record.status || null,
    code: record.code,
    message: record.message,
    request: exchange ? storable(conceal(exchange.request), 4_096) : null,
    response: exchange?.response === undefined ? null : storable(conceal(exchange.response), 4_096),
  }
}

/** The problem that a run belongs to whose call of this system failed so. */
export function problemRow(
  system: string,
  failure: { readonly code: string; readonly message: string },
): ProblemRow {
  return {
    fp: fingerprint(system, failure.code, failure.message),
    system,
    code: failure.code,
    title: template(failure.message),
  }
}

/** Runs with one cause share a fingerprint: system, error code, and the message without ids, amounts and dates. */
export function fingerprint(system: string, code: string, message: string): string {
  return hash('sha256', JSON.stringify([system, code, template(message)]), 'hex').slice(0, 16)
}

/** The message with everything taken out that differs from one object to the next. */
export function template(message: string): string {
  return message
    .slice(0, 400)
    .replace(/\d{4}-\d\d-\d\d(?:[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?/g, '…')
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/gi, '…')
    .replace(/"[^"]{0,120}"|'[^']{0,120}'/g, '…')
    .replace(/[\w.+-]+@[\w.-]+/g, '…')
    .replace(/\b[\w-]*\d[\w.,-]*/g, '…')
}
