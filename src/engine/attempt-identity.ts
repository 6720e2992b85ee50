import { hash } from 'node:crypto'
import type { Random } from './clock.ts'
import type { Run } from './run.ts'

/** What a step's idempotency key is made of. */
export interface KeyParts {
  readonly run: Pick<Run, 'keyGen' | 'compensating'> & {
    readonly event: Pick<Run['event'], 'source' | 'id'>
    readonly flow: { readonly name: string }
  }
  readonly step: { readonly definition: { readonly name: string } }
  readonly keyNo: number
}

/**
 * Stable for the step of a run: retries, crashes, takeovers and restores send the same key. Never made of seq. Another
 * one for the undo, and after an edit of the step's input.
 */
export function idempotencyKey(hub: string, { run, step, keyNo }: KeyParts): string {
  const { source, id } = run.event
  const parts = [hub, run.flow.name, source, id, run.keyGen, step.definition.name, keyNo]
  if (run.compensating) parts.push('undo')
  return hash('sha256', JSON.stringify(parts), 'hex').slice(0, 40)
}

/** W3C Trace Context: the event's own trace goes on; without one, the trace id follows from the idempotency key, so that all tries share it. */
export function traceparent(run: Run, key: string, random: Random): string {
  const { ext } = run.event
  const incoming = ext.includes('traceparent')
    ? /"traceparent":"00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})"/.exec(ext)
    : null
  const span = hex8(random) + hex8(random)
  return `00-${incoming?.[1] ?? key.slice(0, 32)}-${span}-${incoming?.[2] ?? '01'}`
}

/** In halves: a number of more than 31 bits is written digit by digit, by division, which takes four times as long. */
function hex8(random: Random): string {
  const bits = Math.floor(random() * 0x1_0000_0000)
  return hex4(bits >>> 16) + hex4(bits & 0xffff)
}

function hex4(bits: number): string {
  return (0x1_0000 + bits).toString(16).slice(1)
}
