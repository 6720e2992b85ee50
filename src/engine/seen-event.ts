import type { AnyContract, BusEvent } from '../define/event.ts'
import { CallError } from '../errors.ts'
import { busEvent, editedData } from './bus-event.ts'
import type { StepRun } from './run.ts'

/**
 * The event as a step sees it: with the data that a person has given this step in the place of its own. Rejects with an
 * `invalid` CallError when this deployment has no contract for it, or the data does not pass it. Known already, it is there at once:
 * for each attempt, a promise less.
 */
export function seenEvent({ run, input }: StepRun): BusEvent | Promise<BusEvent> {
  const contract = run.flow.contracts.get(run.event.type)
  if (!contract)
    throw new CallError({
      class: 'invalid',
      message: `no contract for "${run.event.type}" in this deployment`,
    })
  const event = busEvent(run.event, contract)
  return input === null ? event : edited(event, input, contract)
}

async function edited(
  event: BusEvent | Promise<BusEvent>,
  input: string,
  contract: AnyContract,
): Promise<BusEvent> {
  return { ...(await event), data: await editedData(input, contract) }
}
