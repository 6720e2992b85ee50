import type { SystemOptions } from '../../src/define/system.ts'

/** A target system of the simulation. */
export interface SystemPlan {
  readonly name: string
  readonly options: Omit<SystemOptions, 'name'>
  readonly timeoutMs: number
  readonly concurrency: number
  readonly rate: { readonly max: number; readonly perMs: number } | undefined
  /** For how long it recognises an idempotency key: 0 never. */
  readonly remembersMs: number
  /** Its flows read back, so it may say yes and do nothing. */
  readonly verified: boolean
}

/** Longer than the time that lies between the check of a key's life and the arrival of the request. */
const keyLifeSlackMs = 3_000

/** A system with the settings of the simulation, and these. */
export function systemPlan(
  name: string,
  options: Partial<SystemPlan['options']> & { keyLifeMs?: number; verified?: boolean },
): SystemPlan {
  const { keyLifeMs = 86_400_000, verified = false, ...rest } = options
  const timeoutMs = 1_500
  const concurrency = rest.limits?.concurrency ?? 4
  const rate = rest.limits?.rate
  return {
    name,
    timeoutMs,
    concurrency,
    rate: rate && { max: rate.max, perMs: rate.per as number },
    remembersMs: keyLifeMs === 0 ? -1 : keyLifeMs + keyLifeSlackMs,
    verified,
    options: {
      timeout: timeoutMs,
      breaker: { probeDelay: 200, maxProbeDelay: 2_000, minimumCalls: 10 },
      idempotency: keyLifeMs === 0 ? 'none' : { keyLife: keyLifeMs },
      ...rest,
      limits: { ...rest.limits, concurrency },
    },
  }
}
