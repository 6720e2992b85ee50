import type { Conceal } from '../define/conceal.ts'
import { resultsOf } from './run.ts'
import type { StepRun } from './run.ts'

/**
 * Takes what must not be shown of a step's event, of the data that a person has given it, and of the results it sees out of
 * a text. Made when something is to be recorded: what succeeds without a record does not pay for it.
 */
export function concealed(stepRun: StepRun): Conceal {
  const { run, input } = stepRun
  let conceal: Conceal | undefined
  return (text) => (conceal ??= concealOf(run, { input, results: resultsOf(stepRun) }))(text)
}

function concealOf(
  { event, flow }: StepRun['run'],
  { input, results }: { readonly input: string | null; readonly results: unknown },
): Conceal {
  const ofEvent = flow.redaction.conceal(event.type, JSON.parse(event.data), results)
  if (input === null) return ofEvent
  const ofInput = flow.redaction.conceal(event.type, JSON.parse(input))
  return (text) => ofInput(ofEvent(text))
}
