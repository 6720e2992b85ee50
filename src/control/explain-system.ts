import type { Sentence } from './schema/common.ts'
import type { systemStandings } from './schema/system.ts'
import { link, say, time } from './sentence.ts'

/** How a system stands, in the words people see. */
export type Standing = (typeof systemStandings)[number]

/** What decides how a system stands. Moments are RFC 3339. */
export interface SystemFacts {
  readonly name: string
  readonly paused: boolean
  readonly breaker: 'closed' | 'open' | 'probing'
  readonly reason: string | null
  readonly changedAt: string
  readonly probeAt: string | null
  readonly throttledUntil: string | null
  /** When the maintenance under way ends; null: there is none. */
  readonly maintainedUntil: string | null
}

/** How a system stands and why, and when that may change, if it is known. Pure. */
export function explainSystem(
  system: SystemFacts,
  nowAt: string,
): { readonly standing: Standing; readonly why: Sentence; readonly until: string | null } {
  const name = link('system', system.name)
  const changed = time(system.changedAt)
  if (system.paused)
    return {
      standing: 'paused',
      why: say`${name} is paused since ${changed}, until somebody resumes it`,
      until: null,
    }
  if (system.maintainedUntil !== null && system.maintainedUntil > nowAt)
    return {
      standing: 'maintenance',
      why: say`${name} is under maintenance until ${time(system.maintainedUntil)}`,
      until: system.maintainedUntil,
    }
  if (system.breaker === 'probing')
    return {
      standing: 'trying',
      why: say`${name} is being tried with one call${because(system)}`,
      until: null,
    }
  if (system.breaker === 'open') {
    const next = system.probeAt === null ? say`` : say`; next try ${time(system.probeAt)}`
    return {
      standing: 'cut-off',
      why: say`${name} is cut off since ${changed}${because(system)}${next}`,
      until: system.probeAt,
    }
  }
  if (system.throttledUntil !== null && system.throttledUntil > nowAt)
    return {
      standing: 'slowed',
      why: say`${name} asked busbar to wait until ${time(system.throttledUntil)}`,
      until: system.throttledUntil,
    }
  return { standing: 'connected', why: say`${name} is connected`, until: null }
}

function because({ reason }: SystemFacts): string {
  return reason === null || reason === '' ? '' : `: ${reason}`
}
