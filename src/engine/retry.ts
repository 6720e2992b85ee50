import type { RetryPolicy } from '../define/retry-policy.ts'
import type { Random } from './clock.ts'
import type { Outcome } from './outcome.ts'

/** What becomes of a run after an attempt. */
export type Verdict =
  | { readonly do: 'succeed' }
  /** Try again after `delayMs`; `counts` says which budget pays. */
  | {
      readonly do: 'retry'
      readonly delayMs: number
      readonly counts: 'try' | 'throttle' | 'conflict' | 'nothing'
      readonly maybe: boolean
    }
  /** A person is needed. */
  | { readonly do: 'park'; readonly code: string; readonly maybe: boolean }
  /** The system's fault, not the event's: back to the head of its lane, nothing counted, nothing written. */
  | { readonly do: 'wait-for-system' }

/** What the policy looks at beside the outcome. */
export interface RetryFacts {
  readonly policy: RetryPolicy
  readonly tries: number
  readonly throttles: number
  readonly conflicts: number
  /** The system's breaker is open or probing: its failures are not the event's. */
  readonly cutOff: boolean
  readonly hasFind: boolean
  readonly keyLifeMs: number
  readonly settleMs: number
  /** Time since the first attempt. */
  readonly ageMs: number
}

/** Conflicts after which a run is parked, and 429s that one object may get. */
const maxConflicts = 5
const maxThrottles = 100
/** 429s after which it is the object that is slowed down, and not the whole system again. */
const systemThrottles = 3
const maxRetryAfterMs = 24 * 3_600_000

/** What becomes of a step after one attempt: the whole retry policy, and nothing else. */
export function decide(outcome: Outcome, facts: RetryFacts, random: Random): Verdict {
  if (outcome.kind === 'succeeded') return { do: 'succeed' }
  const { maybe } = outcome
  switch (outcome.class) {
    case 'invalid':
      return { do: 'park', code: outcome.code, maybe }
    case 'credential':
      return { do: 'wait-for-system' }
    case 'throttled': {
      if (facts.throttles + 1 >= maxThrottles) return { do: 'park', code: outcome.code, maybe }
      if (facts.throttles < systemThrottles) return { do: 'wait-for-system' }
      return { do: 'retry', delayMs: retryAfter(outcome.retryAfterMs ?? 1_000), counts: 'throttle', maybe }
    }
    case 'conflict':
      if (facts.conflicts + 1 >= maxConflicts) return { do: 'park', code: outcome.code, maybe }
      return {
        do: 'retry',
        delayMs: 100 * 2 ** facts.conflicts * (0.5 + random() / 2),
        counts: 'conflict',
        maybe,
      }
    case 'unknown':
      return unknownOutcome(outcome.code, facts, random)
    case 'unavailable':
      if (facts.cutOff) return { do: 'wait-for-system' }
      return counted(outcome, facts, random)
    case 'busy':
    case 'dependency':
    case 'transient':
      if (facts.cutOff && outcome.systemFault && !maybe) return { do: 'wait-for-system' }
      return counted(outcome, facts, random)
  }
}

/** Sent, but not answered: look first where the step can, else repeat while the target remembers the key. */
function unknownOutcome(code: string, facts: RetryFacts, random: Random): Verdict {
  const counts = facts.cutOff ? 'nothing' : 'try'
  if (exhausted(facts)) return { do: 'park', code, maybe: true }
  if (facts.hasFind) return { do: 'retry', delayMs: facts.settleMs, counts, maybe: true }
  const delayMs = backoff(facts.tries + 1, facts.policy, random)
  if (facts.keyLifeMs === 0) return { do: 'park', code, maybe: true }
  if (facts.ageMs + delayMs > facts.keyLifeMs) return { do: 'park', code: 'run.key-expired', maybe: true }
  return { do: 'retry', delayMs, counts, maybe: true }
}

function counted(outcome: Outcome & { kind: 'failed' }, facts: RetryFacts, random: Random): Verdict {
  const { maybe } = outcome
  if (exhausted(facts)) return { do: 'park', code: outcome.code, maybe }
  const delayMs =
    outcome.class === 'busy'
      ? 50 + random() * 450
      : Math.max(backoff(facts.tries + 1, facts.policy, random), retryAfter(outcome.retryAfterMs ?? 0))
  if (maybe && !facts.hasFind && facts.keyLifeMs === 0)
    return { do: 'park', code: 'call.unknown-outcome', maybe }
  return { do: 'retry', delayMs, counts: 'try', maybe }
}

function exhausted({ tries, policy }: RetryFacts): boolean {
  return tries + 1 >= policy.attempts
}

/** Exponential backoff with full jitter: anywhere between 0 and the capped delay of this retry. */
export function backoff(retry: number, policy: RetryPolicy, random: Random): number {
  return random() * Math.min(policy.capMs, policy.firstMs * policy.factor ** Math.min(retry - 1, 60))
}

function retryAfter(ms: number): number {
  return Math.min(Math.max(ms, 0), maxRetryAfterMs)
}

/** What may be done with a run that was perhaps attempted before, by an owner that is gone or in an attempt that got no answer. */
export function resume(
  doubt: { readonly maybeAt: number | null; readonly firstAt: number | null; readonly crashes: number },
  rules: { readonly hasFind: boolean; readonly keyLifeMs: number; readonly settleMs: number },
  now: number,
):
  | 'go'
  | { readonly waitMs: number }
  | { readonly park: 'run.poisoned' | 'run.key-expired' | 'call.unknown-outcome' } {
  if (doubt.crashes >= 3) return { park: 'run.poisoned' }
  if (doubt.maybeAt === null) return 'go'
  if (rules.hasFind) {
    const waitMs = doubt.maybeAt + rules.settleMs - now
    return waitMs > 0 ? { waitMs } : 'go'
  }
  if (rules.keyLifeMs === 0) return { park: 'call.unknown-outcome' }
  return now - (doubt.firstAt ?? doubt.maybeAt) > rules.keyLifeMs ? { park: 'run.key-expired' } : 'go'
}
