import { planOf } from './plan.ts'
import type { Trace } from './faulty-journal.ts'
import type { Sabotage } from './sabotage.ts'
import { violations } from './verdict.ts'
import type { History } from './world.ts'
import { World } from './world.ts'

/** What one seed came to. */
export interface Simulated {
  readonly seed: number
  readonly history: History
  readonly violations: readonly string[]
}

/** Runs the world of this seed to its end and judges it. The same seed gives the same history. */
export async function simulate(
  seed: number,
  options: {
    readonly sabotage?: Sabotage
    readonly trace?: Trace
    /** The share of calls of the journal that land after their caller was told that they had failed; default none. */
    readonly late?: number
  } = {},
): Promise<Simulated> {
  const plan = planOf(seed)
  const journal = { ...plan.journal, late: options.late ?? 0 }
  const history = await new World({ ...plan, journal }, options).run()
  return { seed, history, violations: violations(history) }
}
