import { between, chance } from './chance.ts'
import type { Faults } from './simulators/faults.ts'
import type { Simulator } from './simulators/simulator.ts'

/** Something that goes wrong, or right again, at a moment of the traffic. */
export interface FaultMoment {
  readonly atMs: number
  readonly system: 'erp' | 'accounting' | 'logistics'
  readonly faults: Partial<Faults>
  /** In words, for people. */
  readonly says: string
}

/** The three systems. */
export type Systems = Readonly<Record<'erp' | 'accounting' | 'logistics', Simulator>>

/** What is wrong all the time: now and then an error, an answer that never comes, an answer that gets lost. */
export const everydayFaults = {
  erp: { failing: 0.05, commitThenTimeout: 0.02 },
  accounting: { commitThenTimeout: 0.02 },
  logistics: { lostResponse: 0.02 },
} as const satisfies Record<keyof Systems, Partial<Faults>>

/**
 * What else goes wrong while the shop sells for `durationMs`: logistics refuses half of the requests twice, accounting
 * is down for nearly a third of the time, the ERP gets slow. Follows from duration and seed alone, so both runs get the same.
 */
export function planFaults({
  durationMs,
  seed,
}: {
  durationMs: number
  seed: number
}): readonly FaultMoment[] {
  const at = (share: number) => {
    const jitter = between([-200, 200], chance(seed, 'fault', share)) / 10_000
    return Math.round((share + jitter) * durationMs)
  }
  const busy = {
    system: 'logistics',
    faults: { throttled: 0.5 },
    says: 'Logistics refuses every second request',
  } as const
  const calm = {
    system: 'logistics',
    faults: { throttled: 0 },
    says: 'Logistics takes everything again',
  } as const
  return [
    { atMs: at(0.15), ...busy },
    { atMs: at(0.25), ...calm },
    { atMs: at(0.4), system: 'accounting', faults: { down: true }, says: 'Accounting is down' },
    { atMs: at(0.7), system: 'accounting', faults: { down: false }, says: 'Accounting is back' },
    { atMs: at(0.75), ...busy },
    { atMs: at(0.85), ...calm },
    { atMs: at(0.88), system: 'erp', faults: { slowMs: 300 }, says: 'The ERP is slow' },
    { atMs: at(0.97), system: 'erp', faults: { slowMs: 0 }, says: 'The ERP is fast again' },
  ]
}

/**
 * Plays the moments from now on; `done` resolves when the last has been played, or rejects when a system could not be
 * switched. `stop` drops those to come.
 */
export function playFaults(
  moments: readonly FaultMoment[],
  { systems, onMoment }: { systems: Systems; onMoment: (moment: FaultMoment) => void },
): { readonly done: Promise<void>; stop(): void } {
  const timers: NodeJS.Timeout[] = []
  const played = moments.map((moment) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const play = () => {
      onMoment(moment)
      systems[moment.system].setFaults(moment.faults).then(resolve, reject)
    }
    timers.push(setTimeout(play, moment.atMs))
    return promise
  })
  return {
    done: Promise.all(played).then(() => undefined),
    stop: () => timers.forEach((timer) => clearTimeout(timer)),
  }
}
