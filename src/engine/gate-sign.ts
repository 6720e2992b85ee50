import type { CallSign } from './breaker.ts'
import type { SystemGate } from './gate.ts'
import type { Outcome } from './outcome.ts'

/** Tells a system's gate how an attempt ended: its slot is free again, and its breaker learns. */
export function tellGate(gate: SystemGate, outcome: Outcome): void {
  if (outcome.kind === 'failed' && outcome.class === 'throttled') gate.throttle(outcome.retryAfterMs ?? 1_000)
  if (outcome.kind === 'failed' && outcome.class === 'credential') gate.credentialFailed(outcome.message)
  gate.finished(signOf(outcome), outcome.kind === 'failed' ? outcome.fault : undefined)
}

function signOf(outcome: Outcome): CallSign | 'neutral' {
  if (outcome.kind === 'succeeded') return 'ok'
  if (outcome.class === 'credential') return 'neutral'
  // No answer at all, whether the request arrived or not: a few in a row are enough.
  if (outcome.systemFault) return outcome.status === 0 ? 'unreachable' : 'failed'
  return outcome.status > 0 ? 'ok' : 'neutral'
}
