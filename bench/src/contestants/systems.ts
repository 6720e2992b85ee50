import { busbar, busbarEmbedded, busbarRabbitmq } from './busbar.ts'
import type { System } from './contestant.ts'
import { peers } from './peers.ts'

/** All that can be measured, by its name on the command line. */
export const systems: ReadonlyMap<string, System> = new Map(
  [busbar, busbarRabbitmq, busbarEmbedded, ...peers].map((system) => [system.name, system]),
)

/** The systems of these names; throws with all names when there is another. */
export function systemsOf(names: readonly string[]): System[] {
  return names.map((name) => {
    const system = systems.get(name)
    if (!system) throw new Error(`there is no system ${name}: ${[...systems.keys()].join(', ')}`)
    return system
  })
}
