import type { OnFailure } from '../../src/define/flow.ts'
import type { OnTimeout } from '../../src/define/step.ts'
import type { Dice } from './dice.ts'
import type { FlowPlan } from './plan.ts'
import type { SystemPlan } from './system-plan.ts'
import { systemPlan } from './system-plan.ts'

/** A step of a flow with several. */
export type StepPlan = CallPlan | PausePlan

interface AnyStepPlan {
  readonly name: string
  readonly after: readonly string[]
  /** Only events of even revisions need it. */
  readonly conditional: boolean
}

export interface CallPlan extends AnyStepPlan {
  readonly kind: 'call'
  readonly system: SystemPlan
  readonly find: boolean
  readonly undo: boolean
  readonly attempts: number
}

export interface PausePlan extends AnyStepPlan {
  readonly kind: 'wait' | 'waitFor' | 'approve'
  /** How long it waits, at most. */
  readonly ms: number
  readonly onTimeout: OnTimeout
}

/** A flow of several steps, and what becomes of its failures. */
export interface ProcessPlan {
  readonly steps: readonly StepPlan[]
  readonly onFailure: OnFailure
}

/** A system that knows what it did by idempotency key, one that never does, and one that forgets soon. */
const desk = systemPlan('desk', { limits: { concurrency: 3 } })
const till = systemPlan('till', { keyLifeMs: 0, limits: { concurrency: 2 } })
const yard = systemPlan('yard', { keyLifeMs: 6_000, limits: { concurrency: 2 } })

/** Share of the seeds that have a flow of several steps. */
export function hasProcess(seed: number): boolean {
  return seed % 5 === 0 || seed % 5 === 3
}

/** A flow with a random graph. */
export function processFlow(dice: Dice): FlowPlan {
  const steps: StepPlan[] = []
  const count = dice.pick([1, 2, 3, 3, 3, 4, 5, 8])
  const ordered = dice.chance(0.85)
  for (let place = 0; place < count; place++) steps.push(stepPlan(dice, { place, earlier: steps, ordered }))
  const onFailure = dice.pick<OnFailure>(['park', 'compensate', 'compensate', { compensateAfter: '5s' }])
  const onParked = dice.chance(0.2) ? 'continue' : 'hold'
  const first = steps.find((step) => step.kind === 'call')
  return {
    name: 'process',
    system: first?.system ?? desk,
    find: false,
    both: true,
    attempts: 8,
    options: { onParked, ordering: ordered ? 'arrival' : 'none' },
    process: { steps, onFailure },
  }
}

function stepPlan(
  dice: Dice,
  { place, earlier, ordered }: { place: number; earlier: readonly StepPlan[]; ordered: boolean },
): StepPlan {
  const kind = dice.weighted({ call: 0.76, wait: 0.08, waitFor: ordered ? 0.08 : 0, approve: 0.08 })
  const linked = place > 0 && dice.chance(0.85)
  const before = linked ? [dice.pick(earlier), dice.pick(earlier)].map(({ name }) => name) : []
  const common = { name: `s${place + 1}`, after: [...new Set(before)], conditional: dice.chance(0.15) }
  if (kind !== 'call')
    return {
      ...common,
      kind,
      ms: dice.between(200, 8_000),
      onTimeout: dice.pick<OnTimeout>(['park', 'continue', 'compensate']),
    }
  return {
    ...common,
    kind,
    system: dice.pick([desk, till, yard]),
    find: dice.chance(0.6),
    // A flow of one plain call is none of several steps: the other flows are such.
    undo: dice.chance(0.7) || place === 0,
    attempts: dice.pick([2, 4, 8]),
  }
}

/** The calls of a flow, by name. */
export function callsOf({ process }: FlowPlan): ReadonlyMap<string, CallPlan> {
  const calls = (process?.steps ?? []).filter((step) => step.kind === 'call')
  return new Map(calls.map((step) => [step.name, step]))
}

/** By step, all that began because of it, directly or not. */
export function dependentsOf(steps: readonly StepPlan[]): ReadonlyMap<string, ReadonlySet<string>> {
  const dependents = new Map(steps.map(({ name }) => [name, new Set<string>()]))
  for (const step of [...steps].reverse())
    for (const before of step.after)
      for (const name of [step.name, ...(dependents.get(step.name) ?? [])]) dependents.get(before)?.add(name)
  return dependents
}
