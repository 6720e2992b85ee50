import type { FlowOptions } from '../../src/define/flow.ts'
import type { RetryOptions } from '../../src/define/retry-policy.ts'
import type { SystemOptions } from '../../src/define/system.ts'
import { Dice } from './dice.ts'
import type { FaultRates } from './faulty-journal.ts'
import type { SinkRates } from './sink.ts'

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

/** A flow of the simulation. */
export interface FlowPlan {
  readonly name: string
  readonly system: SystemPlan
  readonly options: FlowOptions
  readonly find: boolean
  readonly both: boolean
  readonly attempts: number
  /** It gives the customer of each key an id, or needs that id before it sends. */
  readonly links?: 'gives' | 'needs'
}

/** All that a seed decides before the world begins. */
export interface Plan {
  readonly seed: number
  readonly flows: readonly FlowPlan[]
  readonly workers: number
  readonly events: number
  readonly keys: number
  /** How long the faults last. */
  readonly stormMs: number
  readonly leaseMs: number
  readonly journal: FaultRates
  readonly sink: NonNullable<SinkRates>
  /** Expected number of each in the storm. */
  readonly kills: number
  readonly stalls: number
  readonly stops: number
  readonly outages: number
  readonly acts: number
  readonly pauses: number
  /** From this moment on processes start with a newer deployment, in which every flow takes both types; Infinity: never. */
  readonly deployAt: number
  /** Share of the events that kill each process that runs them. */
  readonly poison: number
}

/** Longer than the time that lies between the check of a key's life and the arrival of the request. */
const keyLifeSlackMs = 3_000
const retry: RetryOptions = { first: 100, factor: 2, cap: 3_000, attempts: 8 }
export const flowRetry: RetryOptions = retry

function systemPlan(
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

const erp = systemPlan('erp', { limits: { concurrency: 2 } })
const books = systemPlan('books', { keyLifeMs: 0, limits: { concurrency: 3 } })
const depot = systemPlan('depot', { limits: { concurrency: 2 } })
const track = systemPlan('track', { keyLifeMs: 0 })
const portal = systemPlan('portal', { verified: true })
const crm = systemPlan('crm', {})
const ship = systemPlan('ship', { limits: { concurrency: 2 } })
const feed = systemPlan('feed', { keyLifeMs: 6_000, limits: { rate: { max: 20, per: 1_000 } } })

const base = { find: false, both: true, attempts: 8 }

/** Sets of flows that stand or fall together: those of a shared lane group. */
const flowSets: readonly (readonly FlowPlan[])[] = [
  [
    { ...base, name: 'erp-book', system: erp, options: {} },
    { ...base, name: 'erp-bill', system: erp, options: {}, both: false },
  ],
  [{ ...base, name: 'books-post', system: books, options: {}, find: true }],
  [
    { ...base, name: 'depot-reserve', system: depot, options: { lane: 'depot' }, both: false },
    { ...base, name: 'depot-track', system: track, options: { lane: 'depot' }, find: true },
  ],
  [{ ...base, name: 'portal-show', system: portal, options: { onParked: 'continue' } }],
  [{ ...base, name: 'feed-push', system: feed, options: { ordering: 'none' } }],
  [
    {
      ...base,
      name: 'track-note',
      system: track,
      options: { onParked: 'continue', ordering: 'arrival' },
      both: false,
    },
  ],
]

/** One flow gives the ids that the other waits for. */
const linkedFlows: readonly FlowPlan[] = [
  { ...base, name: 'crm-create', system: crm, options: {}, links: 'gives' },
  { ...base, name: 'ship-after', system: ship, options: {}, find: true, links: 'needs' },
]

/** What this seed is to be. */
export function planOf(seed: number): Plan {
  const dice = new Dice(`plan ${seed}`)
  const count = dice.between(1, 3)
  const chosen = new Set<readonly FlowPlan[]>()
  while (chosen.size < count) chosen.add(dice.pick(flowSets))
  if (new Dice(`links ${seed}`).chance(0.2)) chosen.add(linkedFlows)
  const rough = dice.pick([0, 0.3, 1, 2])
  const some = (most: number) => dice.next() * most * rough
  const stormMs = dice.between(6_000, 20_000)
  return {
    seed,
    flows: [...chosen].flat(),
    workers: dice.between(1, 3),
    events: dice.between(15, 50),
    keys: dice.between(1, 8),
    stormMs,
    leaseMs: 4_000,
    journal: {
      delay: some(0.1),
      fail: some(0.05),
      'fail-after': some(0.05),
      stall: some(0.002),
      die: some(0.001),
      'die-after': some(0.001),
    },
    sink: sinkRates(dice),
    kills: dice.pick([0, 1, 3]),
    stalls: dice.pick([0, 1, 2]),
    stops: dice.pick([0, 1, 2]),
    outages: dice.pick([0, 0, 1, 2]),
    acts: dice.pick([0, 5, 20]),
    pauses: dice.pick([0, 0, 2]),
    deployAt: dice.chance(0.2) ? dice.next() * stormMs : Infinity,
    poison: dice.chance(0.05) ? 0.05 : 0,
  }
}

function sinkRates(dice: Dice): NonNullable<SinkRates> {
  const rough = dice.pick([0, 0.2, 1, 3])
  const some = (most: number) => dice.next() * most * rough
  return {
    ok: 1,
    slow: some(0.1),
    failed: some(0.1),
    'failed-after': some(0.1),
    throttled: some(0.05),
    refused: some(0.1),
    'no-answer': some(0.1),
    hangs: some(0.05),
    invalid: some(0.05),
    conflict: some(0.05),
    credential: dice.chance(0.1) ? some(0.01) : 0,
    'nothing-done': some(0.1),
  }
}
