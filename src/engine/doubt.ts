import { resume } from './retry.ts'
import type { CallRun } from './run.ts'

/** Why a step must not be attempted now: it waits, or its run needs a person. */
export type Hold =
  { readonly waitMs: number; readonly reason: string } | { readonly park: string; readonly reason: string }

const parkWords = {
  'run.poisoned': 'three workers died while they ran it: repair the flow, or skip it',
  'run.key-expired':
    'its outcome is not known, and the target no longer remembers its idempotency key: look there before you retry',
  'call.unknown-outcome':
    'its outcome is not known, and repeating it could double it: look at the target before you retry',
} as const

/** Before a step that may have been attempted elsewhere goes on: wait, park, or (undefined) go. */
export function holdOf(
  { run, step, maybeAt, firstAt }: CallRun,
  careful: boolean,
  now: number,
): Hold | undefined {
  if (maybeAt === null && run.crashes === 0) return undefined
  // First it gets a row, so that a crash can be counted.
  if (careful && !run.hasRow) return { waitMs: 0, reason: 'an earlier worker may have died of it' }
  const { definition, gate } = step
  const rules = { hasFind: definition.find !== undefined, ...gate.settings }
  const next = resume({ maybeAt, firstAt, crashes: run.crashes }, rules, now)
  if (next === 'go') return undefined
  if ('park' in next) return { park: next.park, reason: parkWords[next.park] }
  return {
    waitMs: next.waitMs,
    reason: 'the outcome of an earlier attempt is not known; it is looked up then',
  }
}
