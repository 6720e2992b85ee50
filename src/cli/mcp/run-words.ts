import type { Attempt, RunDetail } from '../../control/schema/run.ts'
import { stepsInWords } from '../steps-in-words.ts'
import { quoted, words } from './answer.ts'

/** Where a run is and why, its steps, its error. */
export function runWords(run: RunDetail): string[] {
  const steps = stepsInWords(run.steps)
  return [
    `state: ${run.state}; ${words(run.why)}`,
    ...(run.until === null ? [] : [`so until ${run.until}`]),
    ...(steps === null ? [] : [`steps: ${steps}`]),
    ...(run.code === null ? [] : [`error: ${run.code}`, ...quoted(run.message ?? '', 600)]),
    ...(run.problem === null ? [] : [`problem: ${run.problem}`]),
    ...(run.lane === null || run.lane.before === 0
      ? []
      : [`${run.lane.before} runs of key ${run.lane.key} stand before it`]),
  ]
}

/** Attempts in short, newest first. */
export function attemptWords({ number, step, kind, outcome, at, ms, status, code }: Attempt): string {
  return `try ${number} of ${step} (${kind}) at ${at}: ${outcome}${status === null ? '' : `, status ${status}`}${code === null ? '' : `, ${code}`}, ${ms} ms`
}

/** The newest attempt that failed, with its request and answer as recorded: redacted, and cut. */
export function failedAttempt({ history }: RunDetail): string[] {
  const attempt = history.find(
    ({ outcome, request, response }) => outcome !== 'succeeded' && (request ?? response) !== null,
  )
  if (attempt === undefined) return []
  return [
    ...(attempt.request === null ? [] : [`sent in try ${attempt.number}:`, ...quoted(attempt.request)]),
    ...(attempt.response === null ? [] : ['answered:', ...quoted(attempt.response)]),
  ]
}
