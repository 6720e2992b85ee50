import { z } from 'zod'

const share = z.number().min(0).max(1)

/** What may be wrong with a simulated system; shares are of requests, from 0 to 1. */
export const Faults = z.strictObject({
  /** The machine is off: connections are refused. */
  down: z.boolean(),
  /** Everything takes this much longer. */
  slowMs: z.number().int().min(0).max(60_000),
  /** Share refused with 429. */
  throttled: share,
  /** What a 429 says in `Retry-After`. */
  retryAfterSeconds: z.number().int().min(0).max(60),
  /** Share answered with 500, nothing done. */
  failing: share,
  /** Share done, but never answered: the connection stays open and silent. */
  commitThenTimeout: share,
  /** Share done, but the connection is reset before the answer. */
  lostResponse: share,
})

/** See the schema of the same name. */
export type Faults = z.infer<typeof Faults>

/** Faults that hit single requests. */
export type FaultKind = 'throttled' | 'failing' | 'commitThenTimeout' | 'lostResponse'

const kinds = ['throttled', 'failing', 'commitThenTimeout', 'lostResponse'] as const

/** Nothing is wrong. */
export const healthy: Faults = {
  down: false,
  slowMs: 0,
  throttled: 0,
  retryAfterSeconds: 1,
  failing: 0,
  commitThenTimeout: 0,
  lostResponse: 0,
}

/** The fault that a request with this luck (in [0, 1)) meets, if any. */
export function faultOf(faults: Faults, luck: number): FaultKind | undefined {
  let upTo = 0
  return kinds.find((kind) => luck < (upTo += faults[kind]))
}
