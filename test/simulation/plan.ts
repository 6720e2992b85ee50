import type { FlowOptions } from '../../src/define/flow.ts'
import type { RetryOptions } from '../../src/define/retry-policy.ts'
import { Dice } from './dice.ts'
import type { FaultRates } from './faulty-journal.ts'
import type { OrderData } from './contracts.ts'
import type { ProcessPlan } from './process-plan.ts'
import { hasProcess, processFlow } from './process-plan.ts'
import type { SinkRates } from './sink.ts'
import type { SystemPlan } from './system-plan.ts'
import { systemPlan } from './system-plan.ts'

/** A flow of the simulation. */
export interface FlowPlan {
  readonly name: string
  readonly system: SystemPlan
  readonly options: FlowOptions<OrderData>
  readonly find: boolean
  readonly both: boolean
  readonly attempts: number
  /** It has several steps; `system` is that of its first call. */
  readonly process?: ProcessPlan
  /** It gives the customer of each key an id, or needs that id before it sends. */
  readonly links?: 'gives' | 'needs'
}

type Partitions = NonNullable<FlowOptions['partitions']>

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
  /** Of each lane group. */
  readonly partitions: Partitions
  /** From this moment on processes start with another number; some that were started before may come back with theirs. */
  readonly repartitionAt: number
  readonly newPartitions: Partitions
  /** Share of the events that kill each process that runs them. */
  readonly poison: number
}

const retry: RetryOptions = { first: 100, factor: 2, cap: 3_000, attempts: 8 }
export const flowRetry: RetryOptions = retry

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

const byPlace = { by: 'sequence', field: ({ place }: OrderData) => place ?? undefined } as const
const shortGap = { ...byPlace, gapTimeout: 2_000 } as const

/** Flows with an order of their own, beside the others in some of the seeds. */
const orderedSets: readonly (readonly FlowPlan[])[] = [
  [{ ...base, name: 'erp-sequence', system: erp, options: { ordering: shortGap } }],
  [{ ...base, name: 'books-sequence', system: books, options: { ordering: shortGap }, find: true }],
  [
    { ...base, name: 'depot-first', system: depot, options: { lane: 'both', ordering: shortGap } },
    {
      ...base,
      name: 'track-second',
      system: track,
      options: { lane: 'both', ordering: shortGap },
      find: true,
    },
  ],
  [
    {
      ...base,
      name: 'feed-sequence',
      system: feed,
      options: { ordering: { ...byPlace, gapTimeout: 1_000, onGap: 'continue' } },
    },
  ],
  [{ ...base, name: 'erp-latest', system: erp, options: { ordering: 'latest' } }],
  [{ ...base, name: 'books-latest', system: books, options: { ordering: 'latest' }, find: true }],
  [{ ...base, name: 'track-latest', system: track, options: { ordering: 'latest' } }],
]

/** One flow gives the ids that the other waits for. */
const linkedFlows: readonly FlowPlan[] = [
  { ...base, name: 'crm-create', system: crm, options: {}, links: 'gives' },
  { ...base, name: 'ship-after', system: ship, options: {}, find: true, links: 'needs' },
]

/** Lane groups of their own that call one system, which knows nothing of keys: what either sends twice is there twice. */
const sharingFlows: readonly FlowPlan[] = ['books-file', 'books-index', 'books-copy'].map((name) => ({
  ...base,
  ...{ name, system: books, options: {}, find: true },
}))

/** What this seed is to be. */
export function planOf(seed: number): Plan {
  const dice = new Dice(`plan ${seed}`)
  const count = dice.between(1, 3)
  const chosen = new Set<readonly FlowPlan[]>()
  while (chosen.size < count) chosen.add(dice.pick(flowSets))
  const rough = dice.pick([0, 0.3, 1, 2])
  const some = (most: number) => dice.next() * most * rough
  const stormMs = dice.between(6_000, 20_000)
  const process = hasProcess(seed) ? [processFlow(new Dice(`process ${seed}`))] : []
  // In the place of another: a seed with a process takes no longer.
  const others = [...chosen].slice(0, process.length > 0 ? count - 1 : count)
  if (process.length === 0 && new Dice(`links ${seed}`).chance(0.3)) others.push(linkedFlows)
  if (seed % 5 === 2 && new Dice(`sharing ${seed}`).chance(0.6)) others.push(sharingFlows)
  const orders = new Dice(`orders ${seed}`)
  if (process.length === 0 && orders.chance(0.6)) others.push(orders.pick(orderedSets))
  return {
    seed,
    flows: [...others.flat(), ...process],
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
      late: 0,
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
    ...partitionsOf(new Dice(`partitions ${seed}`), stormMs),
  }
}

/** In some of the seeds several; in some their number changes, one process after the other. */
function partitionsOf(
  dice: Dice,
  stormMs: number,
): Pick<Plan, 'partitions' | 'newPartitions' | 'repartitionAt'> {
  const partitions = dice.chance(0.5) ? dice.pick<Partitions>([1, 2, 4]) : 1
  const changes = dice.chance(0.4)
  return {
    partitions,
    newPartitions: changes ? dice.pick<Partitions>([1, 2, 4]) : partitions,
    repartitionAt: changes ? dice.next() * stormMs : Infinity,
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

/** The systems of these flows, each once. */
export function systemsOf(flows: readonly FlowPlan[]): SystemPlan[] {
  const steps = flows.flatMap(({ process }) => process?.steps ?? [])
  const called = steps.flatMap((step) => (step.kind === 'call' ? step.system : []))
  return [...new Set([...flows.map(({ system }) => system), ...called])]
}
