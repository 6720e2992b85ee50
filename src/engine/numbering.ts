import type { SequenceRules } from '../define/ordering.ts'
import type { BusEvent } from '../define/event.ts'
import { busEvent } from './bus-event.ts'
import type { Run } from './run.ts'
import { isSequenceNumber, parseSequence } from './sequence.ts'

/**
 * Gives each run whose flow orders by number its number, which is its place in the lane. What has none says why. Replays
 * and what is being undone stand outside of the sequence, and so do events without a key.
 */
export async function numberRuns(runs: readonly Run[]): Promise<void> {
  // The flows of a lane group order alike.
  if (!runs[0]?.flow.sequence) return
  for (const run of runs) {
    const { sequence } = run.flow
    if (!sequence || run.event.key === null || run.gen > 0 || run.compensating) continue
    const found = await numberOf(run, sequence)
    if ('fault' in found) run.unnumbered = found.fault
    else run.number = run.lord = found.number
  }
}

type Found = { readonly number: number } | { readonly fault: string }

async function numberOf(run: Run, { field }: SequenceRules): Promise<Found> {
  if (!field) return extensionOf(run)
  const contract = run.flow.contracts.get(run.event.type)
  if (!contract) return { fault: `no contract for "${run.event.type}" in this deployment` }
  let value: unknown
  try {
    const event: BusEvent = await busEvent(run.event, contract)
    value = field(event.data as never)
  } catch (error) {
    return {
      fault: `its number cannot be read: ${error instanceof Error ? error.message.slice(0, 200) : 'unknown'}`,
    }
  }
  if (isSequenceNumber(value)) return { number: value }
  return { fault: 'the field that orders this flow holds no whole number from 0 on' }
}

function extensionOf({ event }: Run): Found {
  const { extensions = {} } = JSON.parse(event.ext) as { extensions?: Record<string, string> }
  const number = parseSequence(extensions['sequence'])
  if (number !== undefined) return { number }
  return {
    fault: 'the event has no CloudEvents attribute "sequence" that is a whole number from 0 on',
  }
}
